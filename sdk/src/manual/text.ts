/**
 * What is carried from hand to hand: an invitation, or the reply to one.
 *
 * ```text
 *   aldis1i.  base64url( length · facts · checksum )
 *   aldis1r.  base64url( length · the checksum of the invitation · facts · checksum )
 * ```
 *
 * The 1 is the version of what follows. It may stand anywhere in a text, with a greeting before and after it, broken into lines and
 * quoted, as mail programs do it: the length says where it ends. The checksum finds typing errors; it proves nothing. Who wrote a text is
 * vouched for by whoever carried it.
 */

import { AldisError } from '../errors.ts'
import { ByteReader, ByteWriter, Unreadable } from './bytes.ts'
import { type Facts, readFacts, writeFacts } from './description.ts'

/** What a text is. */
export type Kind = 'invitation' | 'reply'

/** A text that was read. */
export interface Letter {
  /** Names it: its checksum. */
  readonly id: number
  /** The invitation that a reply is for. */
  readonly re: number | undefined
  readonly facts: Facts
}

const VERSION = 1
const MARKS = { invitation: 'i', reply: 'r' } as const
const OTHERS = { invitation: 'reply', reply: 'invitation' } as const

/** The length, and the checksum, in bytes. */
const HEAD = 2
const TAIL = 4

/** What gets between the characters of a text on its way: white space, marks of quotations, soft hyphens and line ends of mail. */
const NOISE = /[\s>|=\u00ad\u200b-\u200f\u2060\ufeff]+/g

/** Writes a text, and returns it with its id. */
export function writeText(kind: Kind, facts: Facts, re?: number): { text: string; id: number } {
  const inner = new ByteWriter()
  if (re !== undefined) inner.number(re, TAIL)
  writeFacts(inner, facts)
  const body = [...inner.written]
  const id = checksum(kind, body)
  const bytes = new ByteWriter().number(body.length, HEAD).bytes(body).number(id, TAIL).written
  const letters = btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
  return { text: `aldis${VERSION}${MARKS[kind]}.${letters}`, id }
}

/**
 * Finds and reads a text of a kind.
 *
 * @throws AldisError `text-invalid`, `text-misplaced`, `text-outdated`, `text-incomplete` or `text-damaged`
 */
export function readText(kind: Kind, given: string): Letter {
  const found = [
    ...String(given)
      .replace(NOISE, '')
      .matchAll(/aldis(\d+)([ir])\.([\w-]*)/gi),
  ]
  const [first, ...others] = found.filter(([, , mark]) => mark?.toLowerCase() === MARKS[kind])
  if (first !== undefined) {
    // An answered mail may quote an older one: the first that is whole counts.
    for (const [, version, , letters = ''] of others.length > 0 ? [first, ...others] : []) {
      try {
        return readLetters(kind, Number(version), letters)
      } catch {}
    }
    return readLetters(kind, Number(first[1]), first[3] ?? '')
  }
  if (found.length === 0)
    throw fault('text-invalid', `This is no ${kind}.`, `Copy all of it: it begins with aldis${VERSION}${MARKS[kind]}.`)
  throw fault(
    'text-misplaced',
    `This is ${article(OTHERS[kind])}, where ${article(kind)} belongs.`,
    kind === 'reply'
      ? 'Send it to the other side, and take the text that comes back.'
      : 'It belongs to whoever made the invitation.',
  )
}

/** That a reply is for an invitation. */
export function checkReply({ re }: Letter, id: number): void {
  if (re === id) return
  throw fault('text-foreign', 'This reply is for another invitation.', 'Take the reply to this one, or make a new invitation.')
}

function readLetters(kind: Kind, version: number, letters: string): Letter {
  if (version !== VERSION) {
    const age = version < VERSION ? 'an older' : 'a newer'
    throw fault('text-outdated', `This ${kind} is from ${age} version.`, 'Load the page again on both sides.')
  }
  const head = bytesOf(letters.slice(0, 4))
  const length = head.length < HEAD ? Number.POSITIVE_INFINITY : (head[0] ?? 0) * 256 + (head[1] ?? 0)
  const size = Math.ceil(((HEAD + length + TAIL) * 8) / 6)
  if (letters.length < size) throw fault('text-incomplete', `The end of the ${kind} is missing.`, 'Copy all of it.')
  const bytes = bytesOf(letters.slice(0, size))
  const body = bytes.subarray(HEAD, HEAD + length)
  const id = new ByteReader(bytes.subarray(HEAD + length)).number(TAIL)
  if (checksum(kind, [...body]) !== id) throw damaged(kind)
  try {
    const from = new ByteReader(body)
    const re = kind === 'reply' ? from.number(TAIL) : undefined
    const facts = readFacts(from)
    if (from.isAtEnd) return { id, re, facts }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
  }
  throw damaged(kind)
}

function damaged(kind: Kind): AldisError {
  return fault('text-damaged', `A character of the ${kind} is wrong.`, 'Copy it again; do not type it.')
}

function article(kind: Kind): string {
  return kind === 'invitation' ? 'an invitation' : 'a reply'
}

function fault(code: AldisError['code'], message: string, hint: string): AldisError {
  return new AldisError(code, message, { hint })
}

function bytesOf(letters: string): Uint8Array {
  try {
    return Uint8Array.from(atob(letters.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    // One character alone says nothing.
    return new Uint8Array()
  }
}

/** CRC-32, as in ISO 3309, over what a text is and says. */
function checksum(kind: Kind, body: readonly number[]): number {
  let crc = 0xffffffff
  for (const byte of [VERSION, MARKS[kind].charCodeAt(0), ...body]) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
