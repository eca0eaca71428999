/** Chance, as the model needs it: everything from one seed. */

import { seeded } from '../random.ts'

/** Draws from a seed. */
export class Chance {
  readonly #next: () => number

  constructor(seed: number) {
    // Neighbouring seeds would begin alike.
    this.#next = seeded(Math.imul(seed + 1, 0x9e3779b1))
  }

  /** True so often. */
  happens(probability: number): boolean {
    return this.#next() < probability
  }

  /** A number of a range. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1))
  }

  /** One of several ranges, each as likely as the others, and a number of it: mostly short, sometimes long. */
  ofRanges(...ranges: readonly (readonly [low: number, high: number])[]): number {
    const [low, high] = this.oneOf(ranges)
    return this.between(low, high)
  }

  /** One of several. */
  oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#next() * choices.length)] as T
  }

  /** A u32; often one that is about to run over. */
  epoch(): number {
    return this.happens(0.3) ? 2 ** 32 - this.between(1, 3) : this.between(0, 2 ** 32 - 1)
  }
}
