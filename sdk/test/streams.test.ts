import { describe, expect, test } from 'vitest'
import { Incoming } from '../src/incoming.ts'
import { Outgoing, WAITING_MAX, WINDOW_BYTES, WINDOW_MESSAGES } from '../src/outgoing.ts'
import { Stream } from '../src/stream.ts'
import { seeded } from './support/random.ts'

/** Every order of some things. */
function orders<T>(things: readonly T[]): T[][] {
  if (things.length === 0) return [[]]
  return things.flatMap((first, index) => orders(things.filter((_, other) => other !== index)).map((rest) => [first, ...rest]))
}

/** Sends what may be sent. Returns the places. */
function takeAll(outgoing: Outgoing<string>, now: number): number[] {
  const places: number[] = []
  for (let next = outgoing.take(now); next !== undefined; next = outgoing.take(now)) places.push(next.x.s.n)
  return places
}

describe('the receiving half', () => {
  test('delivers 1 to 5 in order and once, in whatever order they come, also when they come again', () => {
    for (const places of orders([1, 2, 3, 4, 5])) {
      const incoming = new Incoming<number>()
      const delivered = [...places, ...places].flatMap((n) => incoming.receive({ e: 9, n }, n, 10, 0))
      expect(delivered).toEqual([1, 2, 3, 4, 5])
      incoming.hurry(0)
      expect(incoming.take()).toEqual({ e: 9, n: 5 })
    }
  })

  test.each([
    { known: 5, comes: 6, newer: true },
    { known: 5, comes: 4, newer: false },
    { known: 0, comes: 2 ** 31 - 1, newer: true },
    { known: 0, comes: 2 ** 31, newer: false },
    { known: 2 ** 31, comes: 0, newer: false },
    { known: 0, comes: 2 ** 32 - 1, newer: false },
    { known: 2 ** 32 - 1, comes: 0, newer: true },
    { known: 2 ** 32 - 1, comes: 2 ** 31 - 2, newer: true },
    { known: 2 ** 32 - 1, comes: 2 ** 31 - 1, newer: false },
  ])('takes epoch $comes for newer than $known: $newer', ({ known, comes, newer }) => {
    const incoming = new Incoming<string>()
    incoming.receive({ e: known, n: 1 }, 'known', 10, 0)
    expect(incoming.receive({ e: comes, n: 1 }, 'comes', 10, 0)).toEqual(newer ? ['comes'] : [])
    incoming.hurry(0)
    expect(incoming.take()).toEqual(newer ? { e: comes, n: 1 } : { e: comes, reset: true })
  })

  test('holds a whole window behind the first message, in any order, and lets go of all of it at once', () => {
    const random = seeded(1)
    const places = Array.from({ length: WINDOW_MESSAGES - 1 }, (_, index) => index + 2)
    const shuffled = places.map((n) => ({ n, key: random() })).sort((a, b) => a.key - b.key)
    const incoming = new Incoming<number>()
    for (const { n } of shuffled) expect(incoming.receive({ e: 1, n }, n, WINDOW_BYTES / WINDOW_MESSAGES, 0)).toEqual([])
    expect(incoming.receive({ e: 1, n: 1 }, 1, WINDOW_BYTES / WINDOW_MESSAGES, 0)).toEqual([1, ...places])
  })

  test('acknowledges a window that comes again with four messages, not with sixty-four', () => {
    const stream = new Stream<string>(1)
    let acknowledgements = 0
    for (let round = 0; round < 2; round += 1) {
      acknowledgements = 0
      for (let n = 1; n <= WINDOW_MESSAGES; n += 1) {
        stream.receive({ s: { e: 5, n } }, 'again', 10, 0)
        if (stream.takeAck(0) !== undefined) acknowledgements += 1
      }
    }
    expect(acknowledgements).toBe(4)
    expect(stream.nextAt(0)).toBeUndefined()
  })
})

describe('the sending half', () => {
  test.each([
    { pushed: 1, bytes: 1, flying: 1 },
    { pushed: 200, bytes: 1, flying: WINDOW_MESSAGES },
    { pushed: 200, bytes: WINDOW_BYTES / WINDOW_MESSAGES, flying: WINDOW_MESSAGES },
    { pushed: 200, bytes: WINDOW_BYTES / WINDOW_MESSAGES + 1, flying: WINDOW_MESSAGES - 1 },
    { pushed: 9, bytes: 65_536, flying: 4 },
    { pushed: 3, bytes: WINDOW_BYTES, flying: 1 },
    { pushed: 3, bytes: WINDOW_BYTES + 1, flying: 1 },
    { pushed: 3, bytes: 0, flying: 3 },
  ])('of $pushed messages of $bytes bytes $flying fly', ({ pushed, bytes, flying }) => {
    const outgoing = new Outgoing<string>(1)
    outgoing.open(0)
    for (let n = 0; n < pushed; n += 1) expect(outgoing.send(`${n}`, bytes, 0)).toBe(true)
    expect(takeAll(outgoing, 0)).toEqual(Array.from({ length: flying }, (_, index) => index + 1))
    expect(outgoing.size).toBe(pushed)
  })

  test('a full queue takes a message again once one of it is too late', () => {
    const outgoing = new Outgoing<string>(1)
    for (let n = 0; n < WAITING_MAX; n += 1) outgoing.send(`${n}`, 1, n)
    expect(outgoing.send('too many', 1, 29_999)).toBe(false)
    expect(outgoing.expire(30_000)).toEqual([{ item: '0', outcome: 'not-delivered' }])
    expect(outgoing.send('one more', 1, 30_000)).toBe(true)
  })

  test.each([
    { what: 'is too late', settle: (outgoing: Outgoing<string>) => outgoing.expire(30_000) },
    { what: 'is reset', settle: (outgoing: Outgoing<string>) => outgoing.acknowledge({ e: 2 ** 32 - 1, reset: true as const }) },
    { what: 'is refused', settle: (outgoing: Outgoing<string>) => outgoing.refuse({ e: 2 ** 32 - 1, n: 1 }) },
    { what: 'ends', settle: (outgoing: Outgoing<string>) => outgoing.end() },
  ])('what is sent after something $what begins the next epoch at 1, and what was settled is not settled again', ({ settle }) => {
    const outgoing = new Outgoing<string>(2 ** 32 - 1)
    outgoing.open(0)
    for (const item of ['one', 'two']) outgoing.send(item, 1, 0)
    takeAll(outgoing, 0)
    expect(settle(outgoing).map(({ item }) => item)).toEqual(['one', 'two'])
    expect(settle(outgoing)).toEqual([])
    outgoing.send('three', 1, 30_000)
    const next = outgoing.take(30_000)
    expect(next?.item).toBe('three')
    expect(next?.x.s.n).toBe(1)
    expect([0, 1]).toContain(next?.x.s.e)
  })
})

test('who comes back whenever it is time misses nothing that somebody sees who looks every millisecond', () => {
  for (let seed = 0; seed < 40; seed += 1) expect(sentBy(seed, 'when it is time')).toEqual(sentBy(seed, 'always'))
})

/** What a stream sends and settles within 40 s, and when, if its owner looks so often; what befalls it depends on the seed. */
function sentBy(seed: number, looks: 'always' | 'when it is time'): string[] {
  const random = seeded(seed)
  const chance = (count: number): number => Math.floor(random() * count)
  const stream = new Stream<string>(1)
  const seen: string[] = []
  let next = 0
  for (let now = 0; now <= 40_000; now += 1) {
    const happens = chance(400)
    if (happens < 4) stream.send(`m${now}`, 1 + chance(70_000), now)
    else if (happens === 4) stream.open(now)
    else if (happens === 5 && chance(8) === 0) stream.shut()
    else if (happens === 6) stream.receive({ s: { e: 3, n: 1 + chance(9) } }, 'theirs', 9, now)
    else if (happens === 7) stream.receive({ a: { e: 1, n: chance(20) } }, '', 0, now)
    else if (happens === 8) stream.postpone({ e: 1, n: 1 + chance(20) }, chance(9_000), now)
    if (looks === 'always' || happens < 9 || next <= now) {
      for (const { item, outcome } of stream.expire(now)) seen.push(`${now} ${item} ${outcome}`)
      for (let one = stream.take(now); one !== undefined; one = stream.take(now))
        seen.push(`${now} ${one.item} ${JSON.stringify(one.x)}`)
      const a = stream.takeAck(now)
      if (a !== undefined) seen.push(`${now} ${JSON.stringify(a)}`)
      next = stream.nextAt(now) ?? Number.POSITIVE_INFINITY
    }
  }
  return seen
}
