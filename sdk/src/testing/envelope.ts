/** What the server asks of a client's message; see `docs/protocol.md`, section "Messages". */

import type { ClientMessage, ErrorCode } from '../generated/wire.ts'

/** The fields of each type beside `type`: those that have to be there, and those that may. */
const FIELDS: { readonly [type in ClientMessage['type']]: readonly [needed: string, allowed: string] } = {
  hello: ['protocol', 'resume features'],
  update: ['attributes', ''],
  'ice-servers': ['', ''],
  auth: ['token', ''],
  check: ['id', ''],
  frozen: ['', ''],
  leave: ['', ''],
  ping: ['', 't'],
  remove: ['id', 'reason forMs'],
  offer: ['to sdp', 'msg receipt x'],
  answer: ['to sdp', 'msg receipt x'],
  'ice-candidate': ['to candidate', 'msg receipt x'],
  hangup: ['', 'to reason msg receipt x'],
  message: ['data', 'to msg receipt x'],
  ack: ['to', 'msg receipt x'],
  nack: ['to', 'msg receipt x'],
  restart: ['to', 'msg receipt x'],
  rebuild: ['to', 'msg receipt x'],
}

/** The types that may be large, and how large in bytes the others and these may be. */
const LARGE = ['hello', 'auth', 'offer', 'answer', 'message']
const LARGE_BYTES = 65_536
const SMALL_BYTES = 8_192
const X_BYTES = 1_024

/** A message, or what is wrong with it; `re` and `to` as far as they could be read. */
export type Read =
  | { readonly message: ClientMessage }
  | { readonly code: ErrorCode; readonly to?: string; readonly re?: string }
  | 'too-big'

/** Reads a message of a client. */
export function readMessage(text: string): Read {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > LARGE_BYTES) return 'too-big'
  const fields = objectOf(text)
  if (fields === 'no-json') return { code: 'bad-json' }
  if (fields === 'no-object') return { code: 'bad-envelope' }
  const { type, to, msg, receipt, x = '' } = fields
  const known = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type as ClientMessage['type']] : undefined
  if (known === undefined) return { code: typeof type === 'string' ? 'unknown-type' : 'bad-envelope' }
  const [needed, allowed] = known.map((names) => names.split(' ').filter(Boolean)) as [string[], string[]]
  const names = Object.keys(fields).filter((name) => name !== 'type')
  if (!names.every((name) => needed.includes(name) || allowed.includes(name))) return { code: 'bad-envelope' }
  const about = { ...(typeof to === 'string' && { to }), ...(typeof msg === 'string' && { re: msg }) }
  const isWhole = needed.every((name) => names.includes(name))
  const isTyped = ['to', 'sdp', 'msg', 'id', 'token'].every((name) => !(name in fields) || typeof fields[name] === 'string')
  const isNamed = receipt === undefined || (receipt === true && typeof msg === 'string')
  if (!isWhole || !isTyped || !isNamed) return { code: 'bad-envelope', ...about }
  const isLarge = (!LARGE.includes(type as string) && bytes > SMALL_BYTES) || JSON.stringify(x).length > X_BYTES
  return isLarge ? { code: 'too-large', ...about } : { message: fields as unknown as ClientMessage }
}

function objectOf(text: string): Record<string, unknown> | 'no-json' | 'no-object' {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : 'no-object'
  } catch {
    return 'no-json'
  }
}
