/** Bytes, written one after the other and read back in the same order. */

/** The characters of ICE (RFC 8839, section 5.4), each of which is six bits: there are exactly as many. */
const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** What is read beyond the end, or was never written by this library. */
export class Unreadable extends Error {}

/** Writes. */
export class ByteWriter {
  readonly #bytes: number[] = []

  /** An unsigned number of so many bytes, the highest first. */
  number(value: number, size: number): this {
    for (let at = size - 1; at >= 0; at -= 1) this.#bytes.push(Math.floor(value / 256 ** at) & 0xff)
    return this
  }

  bytes(values: readonly number[]): this {
    this.#bytes.push(...values)
    return this
  }

  /** ASCII, after its length. */
  ascii(text: string): this {
    return this.number(text.length, 1).bytes([...text].map((char) => char.charCodeAt(0)))
  }

  /** Characters of ICE, after their number: four of them take three bytes. */
  iceChars(text: string): this {
    this.number(text.length, 1)
    let [held, bits] = [0, 0]
    for (const char of text) {
      held = ((held << 6) | ICE_CHARS.indexOf(char)) & 0xffff
      bits += 6
      if (bits >= 8) {
        bits -= 8
        this.number(held >> bits, 1)
      }
    }
    return bits > 0 ? this.number(held << (8 - bits), 1) : this
  }

  /** All that was written. */
  get written(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes)
  }
}

/** Reads; throws {@link Unreadable} where there is nothing left. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  number(size: number): number {
    return this.bytes(size).reduce((value, byte) => value * 256 + byte, 0)
  }

  bytes(size: number): number[] {
    const taken = [...this.#bytes.subarray(this.#at, this.#at + size)]
    if (taken.length < size) throw new Unreadable()
    this.#at += size
    return taken
  }

  ascii(): string {
    return String.fromCharCode(...this.bytes(this.number(1)))
  }

  iceChars(): string {
    const length = this.number(1)
    let [held, bits, text] = [0, 0, '']
    while (text.length < length) {
      if (bits < 6) {
        held = ((held << 8) | this.number(1)) & 0xffff
        bits += 8
      }
      bits -= 6
      text += ICE_CHARS.charAt((held >> bits) & 0x3f)
    }
    return text
  }

  /** Whether everything has been read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }
}

/** Whether a text has characters of ICE only. */
export function isIceChars(text: string): boolean {
  return /^[A-Za-z0-9+/]{1,255}$/.test(text)
}
