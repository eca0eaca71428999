/** Where a candidate is: an IP address, a name of multicast DNS as browsers make them, or any other name. */

import { type ByteReader, type ByteWriter, Unreadable } from './bytes.ts'

/** The forms, as they are counted in a text. */
export const FORMS = ['ipv4', 'ipv6', 'mdns', 'name'] as const

/** A form of address. */
export type Form = (typeof FORMS)[number]

/** What browsers say instead of an address of the local network: a UUID. */
const MDNS = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\.local$/

/** The form of an address; `undefined` where it cannot be written. */
export function formOf(address: string): Form | undefined {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(address)) return 'ipv4'
  if (address.includes(':')) return groupsOf(address) && 'ipv6'
  if (MDNS.test(address)) return 'mdns'
  return /^[\w.-]{1,255}$/.test(address) ? 'name' : undefined
}

/** Writes an address of a form. */
export function writeAddress(to: ByteWriter, form: Form, address: string): void {
  if (form === 'ipv4') to.bytes(address.split('.').map(Number))
  else if (form === 'name') to.ascii(address)
  else if (form === 'ipv6') for (const group of groupsOf(address) ?? []) to.number(group, 2)
  else to.bytes((address.match(/[0-9a-f]{2}(?=.*\.)/g) ?? []).map((pair) => Number.parseInt(pair, 16)))
}

/** Reads an address of a form. */
export function readAddress(from: ByteReader, form: Form): string {
  if (form === 'ipv4') return from.bytes(4).join('.')
  if (form === 'ipv6') return Array.from({ length: 8 }, () => from.number(2).toString(16)).join(':')
  if (form === 'mdns') {
    const hex = from.bytes(16).map((byte) => byte.toString(16).padStart(2, '0'))
    const parts = [hex.slice(0, 4), hex.slice(4, 6), hex.slice(6, 8), hex.slice(8, 10), hex.slice(10)]
    return `${parts.map((part) => part.join('')).join('-')}.local`
  }
  const name = from.ascii()
  // It becomes part of a session description, where a space or a line break would begin something else.
  if (formOf(name) !== 'name') throw new Unreadable()
  return name
}

/** The eight groups of an IPv6 address: RFC 4291, section 2.2. */
function groupsOf(address: string): number[] | undefined {
  const [head = '', tail, more] = address.split('::')
  if (more !== undefined) return undefined
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')))
  const groups = [...(before ?? []), ...(after ?? [])]
  const missing = 8 - groups.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const zeros = Array<string>(missing).fill('0')
  return [...(before ?? []), ...zeros, ...(after ?? [])].map((group) => Number.parseInt(group, 16))
}
