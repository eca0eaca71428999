import { beforeEach, expect, test } from 'vitest'
import { Recovery } from '../src/recovery.ts'
import { FakeClock } from './support/clock.ts'

let clock: FakeClock
let done: string[]
let reach: 'in reach' | 'out of reach'
let recovery: Recovery

beforeEach(() => {
  clock = new FakeClock()
  done = []
  reach = 'in reach'
  recovery = new Recovery({
    clock,
    reachable: () => reach === 'in reach',
    restart: () => done.push(`restart ${clock.now()}`),
    rebuild: () => done.push(`rebuild ${clock.now()}`),
  })
})

/** What happens to the connection, and when. */
type Happening = 'begin' | 'hurry' | 'again' | 'give up' | 'end' | 'in reach' | 'out of reach'

function happen(what: Happening): void {
  if (what === 'begin') recovery.begin()
  else if (what === 'hurry') recovery.hurry()
  else if (what === 'again') recovery.again()
  else if (what === 'give up') recovery.giveUp()
  else if (what === 'end') recovery.end()
  else reach = what
}

const ladder = ['restart 2500', 'restart 12500', 'rebuild 22500']

test.each<[string, [number, Happening][], string[]]>([
  ['nothing happens to a connection that stands', [], []],
  ['an interruption is left alone for 2.5 s, then there are two restarts, then a new connection', [[0, 'begin']], ladder],
  [
    'an interruption that is told twice is one',
    [
      [0, 'begin'],
      [2_000, 'begin'],
      [9_000, 'begin'],
    ],
    ladder,
  ],
  [
    'a blip heals by itself',
    [
      [0, 'begin'],
      [2_499, 'end'],
    ],
    [],
  ],
  [
    'what heals after a restart needs no second one',
    [
      [0, 'begin'],
      [12_499, 'end'],
    ],
    ['restart 2500'],
  ],
  [
    'what heals after the second restart needs no new connection',
    [
      [0, 'begin'],
      [22_499, 'end'],
    ],
    ladder.slice(0, 2),
  ],
  [
    'each interruption begins at the bottom',
    [
      [0, 'begin'],
      [13_000, 'end'],
      [14_000, 'begin'],
      [17_000, 'end'],
    ],
    [...ladder.slice(0, 2), 'restart 16500'],
  ],
  ['what has failed is helped at once', [[0, 'hurry']], ['restart 0', 'restart 10000', 'rebuild 20000']],
  [
    'what fails in its grace is helped at once',
    [
      [0, 'begin'],
      [1_000, 'hurry'],
    ],
    ['restart 1000', 'restart 11000', 'rebuild 21000'],
  ],
  [
    'what fails while it is being helped waits for its turn',
    [
      [0, 'begin'],
      [3_000, 'hurry'],
      [13_000, 'hurry'],
    ],
    ladder,
  ],
  [
    'another network begins anew at once, whatever was tried on the old one',
    [
      [0, 'begin'],
      [9_000, 'again'],
    ],
    ['restart 2500', 'restart 9000', 'restart 19000', 'rebuild 29000'],
  ],
  [
    'another network after both restarts begins anew too',
    [
      [0, 'begin'],
      [20_000, 'again'],
    ],
    ['restart 2500', 'restart 12500', 'restart 20000', 'restart 30000', 'rebuild 40000'],
  ],
  [
    'a change of the network that is told more than once, or soon after a restart, makes one a second after that',
    [
      [0, 'again'],
      [0, 'again'],
      [600, 'again'],
      [900, 'again'],
    ],
    ['restart 0', 'restart 1000', 'restart 11000', 'rebuild 21000'],
  ],
  [
    'what heals in that second needs no other',
    [
      [0, 'again'],
      [0, 'again'],
      [999, 'end'],
    ],
    ['restart 0'],
  ],
  [
    'another network out of reach is used as soon as there is a way',
    [
      [0, 'out of reach'],
      [0, 'again'],
      [700, 'in reach'],
      [2_000, 'end'],
    ],
    ['restart 1000'],
  ],
  ['what only another connection helps gets it at once', [[0, 'give up']], ['rebuild 0']],
  [
    'who cannot be reached is looked for every half second',
    [
      [0, 'out of reach'],
      [0, 'begin'],
      [60_200, 'in reach'],
      [60_900, 'end'],
    ],
    ['restart 60500'],
  ],
  [
    'out of reach is no new connection',
    [
      [0, 'begin'],
      [13_000, 'out of reach'],
      [99_900, 'in reach'],
    ],
    ['restart 2500', 'restart 12500', 'rebuild 100000'],
  ],
  [
    'what heals out of reach needs nothing',
    [
      [0, 'out of reach'],
      [0, 'begin'],
      [5_000, 'end'],
      [5_000, 'in reach'],
    ],
    [],
  ],
  [
    'what has failed out of reach is helped when it is back',
    [
      [0, 'out of reach'],
      [0, 'hurry'],
      [700, 'in reach'],
      [2_000, 'end'],
    ],
    ['restart 1000'],
  ],
])('%s', async (_, happenings, expected) => {
  for (const [at, what] of happenings) {
    await clock.advance(at - clock.now())
    happen(what)
  }
  await clock.advance(120_000)
  expect(done).toEqual(expected)
  expect(clock.planned).toBe(0)
})

test('whoever ends it while it restarts is heard', async () => {
  const ending: Recovery = new Recovery({
    clock,
    reachable: () => true,
    restart: () => ending.end(),
    rebuild: () => done.push('rebuild'),
  })
  ending.begin()
  await clock.advance(60_000)
  expect(done).toEqual([])
  expect(clock.planned).toBe(0)
})
