/** Errors that reach nobody. */

import { settle } from './clock.ts'

interface Process {
  listeners(event: string): ((error: unknown) => void)[]
  removeAllListeners(event: string): void
  on(event: string, listener: (error: unknown) => void): void
}

/**
 * What is thrown past everybody while `run` goes on and its promises settle. The test runner, which fails at such errors, does not hear
 * of them meanwhile.
 */
export async function uncaughtDuring(run: () => void): Promise<unknown[]> {
  const { process } = globalThis as unknown as { process: Process }
  const event = 'uncaughtException'
  const runners = process.listeners(event)
  const caught: unknown[] = []
  process.removeAllListeners(event)
  process.on(event, (error) => caught.push(error))
  try {
    run()
    await settle()
  } finally {
    process.removeAllListeners(event)
    for (const runner of runners) process.on(event, runner)
  }
  return caught
}
