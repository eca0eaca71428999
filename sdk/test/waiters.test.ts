import { expect, test } from 'vitest'
import { AldisError } from '../src/errors.ts'
import { Waiters } from '../src/waiters.ts'
import { FakeClock, settle } from './support/clock.ts'

const late = new AldisError('timed-out', 'Late.')
const gone = new AldisError('peer-closed', 'Gone.')

/** What each of two who wait 100 and 200 ms has come to, after something happened. */
async function outcomes(happen: (waiters: Waiters, clock: FakeClock) => Promise<void> | void): Promise<[unknown[], number]> {
  const clock = new FakeClock()
  const waiters = new Waiters(clock)
  const results: unknown[] = ['waits', 'waits']
  for (const index of [0, 1]) {
    waiters.wait((index + 1) * 100, late).then(
      () => {
        results[index] = 'has it'
      },
      (error: unknown) => {
        results[index] = error
      },
    )
  }
  await happen(waiters, clock)
  await settle()
  return [results, clock.planned]
}

test.each<[string, (waiters: Waiters, clock: FakeClock) => Promise<void> | void, unknown[], number]>([
  ['nothing yet', () => undefined, ['waits', 'waits'], 2],
  ['it came', (waiters) => waiters.resolve(), ['has it', 'has it'], 0],
  ['it will not come', (waiters) => waiters.reject(gone), [gone, gone], 0],
  ['the time of one is over', (_, clock) => clock.advance(100), [late, 'waits'], 1],
  ['the time of both is over', (_, clock) => clock.advance(200), [late, late], 0],
])('those who wait for something: %s', async (_, happen, expected, planned) => {
  expect(await outcomes(happen)).toEqual([expected, planned])
})

test('what comes for some is too late for those whose time was over', async () => {
  const [results] = await outcomes(async (waiters, clock) => {
    await clock.advance(150)
    waiters.resolve()
  })
  expect(results).toEqual([late, 'has it'])
})

test('what came for those who waited is not for those who wait from then on', async () => {
  const clock = new FakeClock()
  const waiters = new Waiters(clock)
  const first = waiters.wait(100, late)
  waiters.resolve()
  const second = waiters.wait(100, late)
  waiters.reject(gone)
  await expect(first).resolves.toBeUndefined()
  await expect(second).rejects.toBe(gone)
})
