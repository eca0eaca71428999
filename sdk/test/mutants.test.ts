import { expect, test } from 'vitest'
import { historyOf, tally } from './support/model/history.ts'
import { CONTROL, MUTANTS } from './support/model/mutants.ts'
import { RULES, type Rules, World } from './support/model/world.ts'
import { report } from './support/soak.ts'

/** No more than the model's own test runs. */
const SEEDS = 200

test.each(MUTANTS)('with $name the checker sees what is $kinds', ({ name, rules, kinds }) => {
  const seen = new Map<string, number>()
  const missing = (): boolean => kinds.some((kind) => !seen.has(kind))
  let caught: number | undefined
  let seed = 0
  for (; seed < SEEDS && missing(); seed += 1) {
    tally(new World(seed, rules).run(), seen)
    if (seen.size > 0) caught ??= seed
  }
  report(`${name}: caught by seed ${caught}, after ${seed} seeds ${JSON.stringify(Object.fromEntries(seen))}`)
  expect([...seen.keys()]).toEqual(expect.arrayContaining([...kinds]))
  expect(kinds).not.toEqual([])
  expect(historyOf(caught ?? 0, rules)).toMatch(/^seed \d+: message \d+ .*\n.*\d+ /)
})

test('the way in which mutants are made changes nothing', () => {
  const storyOf = (seed: number, rules: Rules): string[] => {
    const lines: string[] = []
    new World(seed, rules, (line) => lines.push(line)).run()
    return lines
  }
  for (let seed = 0; seed < 10; seed += 1) expect(storyOf(seed, CONTROL)).toEqual(storyOf(seed, RULES))
})
