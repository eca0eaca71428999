/** How long the tests run that can always run longer. */

interface Surroundings {
  readonly process?: { readonly env: { readonly ALDIS_SOAK?: string } }
}

/** So many times the seeds: `ALDIS_SOAK` of the environment, 1 where it says nothing. */
export function soakFactor(): number {
  const said = (globalThis as Surroundings).process?.env.ALDIS_SOAK ?? '1'
  const factor = Number(said)
  if (!Number.isInteger(factor) || factor < 1) throw new Error(`ALDIS_SOAK is to be a whole number from 1 up, not "${said}".`)
  return factor
}

/** Tells a figure of a test to whoever reads its output. */
export function report(line: string): void {
  // biome-ignore lint/suspicious/noConsole: the figures of a model are its result, not debugging output
  console.info(line)
}
