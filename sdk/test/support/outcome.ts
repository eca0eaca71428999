/** What promises have come to, for tests that do not wait for them. */

import { settle } from './clock.ts'

/** What a promise has come to so far: `pending`, `done`, or its error. */
export async function outcome(promise: Promise<void>): Promise<unknown> {
  let result: unknown = 'pending'
  promise.then(
    () => {
      result = 'done'
    },
    (error: unknown) => {
      result = error
    },
  )
  await settle()
  return result
}
