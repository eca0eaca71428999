/**
 * The candidates of a description, in a few bytes each: seven for an IPv4 address. What the other side can make up is left out:
 *
 * - foundations, since each candidate may have its own;
 * - priorities: the order says as much, and every candidate of a kind keeps its rank (RFC 8445, section 5.1.2);
 * - related addresses, which browsers hide anyhow;
 * - candidates that only call by TCP: nobody can call them.
 */

import { FORMS, formOf, readAddress, writeAddress } from './addresses.ts'
import { type ByteReader, type ByteWriter, Unreadable } from './bytes.ts'

/** The kinds, as they are counted in a text, each with its type preference. */
const KINDS: readonly (readonly [kind: string, preference: number])[] = [
  ['host', 126],
  ['srflx', 100],
  ['prflx', 110],
  ['relay', 2],
]

/** How many candidates of a kind a text has: those of the highest priority. */
const MOST = 6

/** One way to a side. */
export interface Way {
  readonly kind: string
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
}

const CANDIDATE = /^a=candidate:\S+ 1 (udp|tcp) (\d+) (\S+) (\d+) typ (\w+)(.*)$/gim

/** The candidates of a session description that a text can name, best first. */
export function waysOf(sdp: string): Way[] {
  const found = [...sdp.matchAll(CANDIDATE)].map(([, protocol = '', priority, address = '', port, kind = '', rest = '']) => ({
    way: { kind, protocol: protocol.toLowerCase() === 'tcp' ? 'tcp' : 'udp', address, port: Number(port) } satisfies Way,
    priority: Number(priority),
    usable: formOf(address) !== undefined && !rest.includes('tcptype active'),
  }))
  const ways = found.filter(({ usable }) => usable).sort((one, other) => other.priority - one.priority)
  return KINDS.flatMap(([kind]) => ways.filter(({ way }) => way.kind === kind).slice(0, MOST)).map(({ way }) => way)
}

/** Writes ways. */
export function writeWays(to: ByteWriter, ways: readonly Way[]): void {
  to.number(ways.length, 1)
  for (const { kind, protocol, address, port } of ways) {
    const form = formOf(address) ?? 'name'
    const kindAt = KINDS.findIndex(([name]) => name === kind)
    to.number(kindAt | (protocol === 'tcp' ? 4 : 0) | (FORMS.indexOf(form) << 3), 1).number(port, 2)
    writeAddress(to, form, address)
  }
}

/** Reads ways. */
export function readWays(from: ByteReader): Way[] {
  return Array.from({ length: from.number(1) }, () => {
    const head = from.number(1)
    const kind = KINDS[head & 3]?.[0] ?? 'host'
    const form = FORMS[head >> 3]
    if (form === undefined) throw new Unreadable()
    return { kind, protocol: head & 4 ? 'tcp' : 'udp', port: from.number(2), address: readAddress(from, form) }
  })
}

/** The lines of a session description for ways, best first. */
export function candidateLines(ways: readonly Way[]): string[] {
  return ways.map(({ kind, protocol, address, port }, at) => {
    const preference = KINDS.find(([name]) => name === kind)?.[1] ?? 0
    const priority = (preference - (protocol === 'tcp' ? 1 : 0)) * 2 ** 24 + (65_535 - at) * 2 ** 8 + 255
    const related = kind === 'host' ? '' : ' raddr 0.0.0.0 rport 0'
    const passive = protocol === 'tcp' ? ' tcptype passive' : ''
    return `a=candidate:${at + 1} 1 ${protocol} ${priority} ${address} ${port} typ ${kind}${related}${passive}`
  })
}
