/** How many connections may be on their way at once, so that a large room does not flood its own signaling. */

/** Gives up a place, or the wait for one; calling it again does nothing. */
export type GiveUp = () => void

/** Places for those on their way; whoever finds none waits its turn. */
export class Gate {
  #places: number
  readonly #waiting: (() => void)[] = []

  constructor(places: number) {
    this.#places = places
  }

  /** Calls `start` as soon as there is a place, and keeps it until the returned function is called. */
  enter(start: () => void): GiveUp {
    let turn: 'waiting' | 'inside' | 'out' = 'waiting'
    const begin = (): void => {
      turn = 'inside'
      this.#places -= 1
      start()
    }
    const giveUp = (): void => {
      if (turn === 'waiting') this.#waiting.splice(this.#waiting.indexOf(begin), 1)
      if (turn === 'inside') this.#places += 1
      turn = 'out'
      this.#next()
    }
    this.#waiting.push(begin)
    this.#next()
    return giveUp
  }

  /** Lets nobody in any more. */
  close(): void {
    this.#places = Number.NEGATIVE_INFINITY
  }

  #next(): void {
    while (this.#places > 0) {
      const begin = this.#waiting.shift()
      if (begin === undefined) return
      begin()
    }
  }
}
