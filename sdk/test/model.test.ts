import { describe, expect, test } from 'vitest'
import type { Outcome } from '../src/outgoing.ts'
import { Checker, type Letter } from './support/model/checker.ts'
import type { Departed } from './support/model/endpoint.ts'
import { historyOf } from './support/model/history.ts'
import { RULES, World } from './support/model/world.ts'
import { report, soakFactor } from './support/soak.ts'

/** Seeds that have found a fault or were the first to catch a mutant: they always run. */
const FOUND: readonly number[] = [0, 1, 2, 12, 13]

const SEEDS = 200 * soakFactor()
const seeds = [...new Set([...FOUND, ...Array.from({ length: SEEDS }, (_, seed) => seed)])]

test.each<Departed>(['dead', 'kept'])(
  'whatever befalls the relay, every message is delivered once and in order or rejected by name within 31 s; who has left is %s',
  { timeout: 60_000 * soakFactor() },
  (departed) => {
    const rules = { ...RULES, departed }
    const total: Checker['counts'] = { sent: 0, delivered: 0, 'not-delivered': 0, unknown: 0, rejectedYetArrived: 0 }
    const started = performance.now()
    for (const seed of seeds) {
      const { counts, violations } = new World(seed, rules).run()
      if (violations.length > 0) throw new Error(historyOf(seed, rules))
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name]
    }
    const seconds = ((performance.now() - started) / 1_000).toFixed(1)
    report(`${departed}: ${seeds.length} seeds, ${seconds} s, no violation: ${JSON.stringify(total)}`)
    expect(total.sent).toBeGreaterThan(100_000)
    expect(total.delivered + total['not-delivered'] + total.unknown).toBe(total.sent)
    // Most of it arrives, and every outcome occurs: a model in which nothing arrives would see no violation either.
    expect(total.delivered / total.sent).toBeGreaterThan(0.6)
    expect(total['not-delivered']).toBeGreaterThan(1_000)
    expect(total.unknown).toBeGreaterThan(1_000)
  },
)

test('a seed always tells the same story', () => {
  const storyOf = (seed: number): string[] => {
    const lines: string[] = []
    new World(seed, undefined, (line) => lines.push(line)).run()
    return lines
  }
  expect(storyOf(3)).toEqual(storyOf(3))
  expect(storyOf(3)).not.toEqual(storyOf(4))
})

describe('what the model is about happens in it', () => {
  const seen = new Map<string, number>()
  for (let seed = 0; seed < 40; seed += 1) new World(seed, undefined, (line) => note(seen, line)).run()

  test.each([
    'world: the relay crashes',
    'world: the connection of a stay is cut',
    'world: storm',
    'world: silent',
    'world: dammed',
    'notices that its connection is gone',
    'joined again',
    'joined anew',
    'is told that a stay is away',
    'is told that a stay is back',
    'is told that a stay is left',
    'is postponed',
    'is refused',
    'is gone',
    'an epoch is reset',
    'an epoch follows the highest number',
    'the window is full',
  ])('%s', (what) => {
    expect(seen.get(what) ?? 0).toBeGreaterThan(2)
  })
})

/** Counts what a line of the log is about. */
function note(seen: Map<string, number>, line: string): void {
  const text = line.slice(7).replace(/\b[ab]\d+\b/g, 'a stay')
  const kinds = [
    text
      .replace(/^a stay: /, '')
      .replace(/^\d+\/\d+ to a stay /, '')
      .replace(/^joined anew .*/, 'joined anew'),
    ...(text.includes('"reset":true') ? ['an epoch is reset'] : []),
    ...(/sends .*"e":0,"n":1[,}]/.test(text) ? ['an epoch follows the highest number'] : []),
    ...(/sends .*"n":64[,}]/.test(text) ? ['the window is full'] : []),
  ]
  for (const kind of kinds) seen.set(kind, 1 + (seen.get(kind) ?? 0))
}

describe('one outage in fair weather, with a message each second both ways', () => {
  const run = (outageMs: number, relayAfterMs: number): Checker => {
    const world = new World(1)
    world.outage = () => outageMs
    const [a, b] = world.sides
    for (const side of world.sides) side.connect()
    world.agenda.runUntil(500)
    for (let second = 1; second <= 120; second += 1) {
      world.agenda.after(second * 1_000, () => world.write(a, 1))
      world.agenda.after(second * 1_000, () => world.write(b, 1))
    }
    world.agenda.after(10_000, () => world.cut(b, relayAfterMs, 0))
    world.agenda.runUntil(130_000)
    expect(b.stay).toBe(outageMs - relayAfterMs < 30_000 ? 'b1' : 'b2')
    return world.finish()
  }

  test.each([
    { outageMs: 1_000, relayAfterMs: 0 },
    { outageMs: 20_000, relayAfterMs: 0 },
    { outageMs: 20_000, relayAfterMs: 25_000 },
    { outageMs: 25_000, relayAfterMs: 25_000 },
  ])('$outageMs ms lose nothing, where the relay notices after $relayAfterMs', ({ outageMs, relayAfterMs }) => {
    const { counts, violations } = run(outageMs, relayAfterMs)
    expect(violations).toEqual([])
    expect(counts).toMatchObject({ sent: 240, delivered: 240 })
  })

  test.each([
    { outageMs: 40_000, relayAfterMs: 20_000, what: 'the stay goes on' },
    { outageMs: 70_000, relayAfterMs: 0, what: 'another stay begins' },
  ])('after $outageMs ms $what, and what is rejected is what was sent during the outage', ({ outageMs, relayAfterMs }) => {
    const { counts, violations } = run(outageMs, relayAfterMs)
    const rejected = counts.sent - counts.delivered
    expect(violations).toEqual([])
    expect(rejected).toBeGreaterThan(0)
    expect(rejected).toBeLessThanOrEqual((2 * outageMs) / 1_000)
  })
})

describe('the checker', () => {
  const letter = (id: number): Letter => ({ id, from: 'a1', to: 'b1', sentAt: 0 })
  const [one, two] = [letter(1), letter(2)]
  const check = (story: (checker: Checker) => void): string[] => {
    const checker = new Checker()
    for (const each of [one, two]) checker.sent(each)
    story(checker)
    return checker.violations.map(({ kind, letter: { id } }) => `${id} ${kind}`)
  }
  const settle = (checker: Checker, what: Letter, outcome: Outcome, at = 100): void =>
    checker.settled(what, outcome, 'expire', 0, at)

  test.each<[string, (checker: Checker) => void, string[]]>([
    ['sees nothing wrong where all is well', (c) => [one, two].map((l) => [c.arrived(l, 1), settle(c, l, 'delivered')]), []],
    ['sees what was lost', (c) => [settle(c, one, 'delivered'), c.arrived(one, 200)], ['1 lost']],
    ['sees what came twice', (c) => [c.arrived(one, 1), c.arrived(one, 2)], ['1 twice']],
    ['sees what came too late for its place', (c) => [c.arrived(two, 1), c.arrived(one, 2)], ['1 disordered']],
    ['sees what came although it should not', (c) => [settle(c, one, 'not-delivered'), c.arrived(one, 200)], ['1 contradicted']],
    ['sees what had come although it had not', (c) => [c.arrived(one, 1), settle(c, one, 'not-delivered')], ['1 contradicted']],
    ['sees what is settled twice', (c) => [settle(c, one, 'unknown'), settle(c, one, 'unknown')], ['1 settled-twice']],
    ['sees what is settled too late', (c) => settle(c, one, 'unknown', 31_001), ['1 unsettled']],
    ['sees what is never settled', (c) => [settle(c, one, 'unknown'), c.finish(90_000)], ['2 unsettled']],
    ['sees what was given up on a free way', (c) => c.settled(one, 'unknown', 'expire', 20_000, 30_000), ['1 given-up']],
    ['sees that the newest epoch was reset', (c) => c.settled(one, 'unknown', 'receive', 0, 10), ['1 given-up']],
    ['lets a refusal pass', (c) => c.settled(one, 'not-delivered', 'refuse', 30_000, 30_000), []],
  ])('%s', (_, story, seen) => {
    expect(check(story)).toEqual(seen)
  })
})
