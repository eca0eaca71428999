/** Virtual time: what happens next, in order, without waiting for it. */

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A heap of what is planned; what is planned for one moment happens in the order in which it was planned. */
export class Agenda {
  #now = 0
  #planned = 0
  readonly #heap: Entry[] = []

  /** The time, in milliseconds. */
  get now(): number {
    return this.#now
  }

  /** Plans something. */
  after(ms: number, run: () => void): void {
    const entry = { at: this.#now + ms, order: this.#planned++, run }
    let place = this.#heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (this.#before(parent, place)) break
      this.#swap(place, parent)
      place = parent
    }
  }

  /** Lets everything happen up to a moment. */
  runUntil(end: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#removeFirst()
      this.#now = next.at
      next.run()
    }
    this.#now = end
  }

  #removeFirst(): void {
    this.#swap(0, this.#heap.length - 1)
    this.#heap.pop()
    for (let place = 0; ; ) {
      const [left, right] = [2 * place + 1, 2 * place + 2]
      if (left >= this.#heap.length) return
      const child = right < this.#heap.length && this.#before(right, left) ? right : left
      if (this.#before(place, child)) return
      this.#swap(place, child)
      place = child
    }
  }

  #before(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a === undefined || b === undefined) return false
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a === undefined || b === undefined) return
    this.#heap[one] = b
    this.#heap[other] = a
  }
}
