/** Keeps out of a report what nobody should paste into a bug report. */

import type { Details } from './report.ts'

/** Addresses as they stand in texts and URLs: IPv6 in brackets or bare, also with an IPv4 tail or a zone; IPv4. */
const ADDRESS =
  /\[?(?<![\w:.])[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?(?:%\w+)?(?![\w:])\]?|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)/gi

/** What stands before the host of a URL. */
const USER = /\b([a-z][\w+.-]*:\/\/)[^\s/?#]*@/gi

/** What follows the path of a URL, and may be a secret; not that of TURN, which is none. */
const QUERY = /(?<=:\/\/[^\s?#]*)[?#][^\s"'`<>]*|[?#](?!transport=\w+(?![\w&=]))[\w.~-]+=[^\s"'`<>]*/gi

/** The name that a browser gives out in the place of an address. */
const HIDDEN = /\b[\w-]+\.local\b/gi

/** JSON Web Tokens, of whoever. */
const TOKEN = /\beyJ[\w-]+(?:\.[\w-]*)*/g

/** Secrets that are shorter would be found in every word. */
const SHORTEST_SECRET = 6

/** Knows the secrets of one diagnosis. */
export class Redaction {
  readonly #secrets = new Set<string>()

  /** Keeps this out from now on. */
  add(secret: string | undefined): void {
    if (secret !== undefined && secret.length >= SHORTEST_SECRET) this.#secrets.add(secret)
  }

  /** The text without secrets, tokens and addresses. */
  text(text: string): string {
    let clean = text
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, '(secret)')
    return clean
      .replace(TOKEN, '(token)')
      .replace(USER, '$1(secret)@')
      .replace(QUERY, '?(secret)')
      .replace(ADDRESS, (address) => `(${networkOf(address)})`)
      .replace(HIDDEN, '(hidden address)')
  }

  /** The same of figures. */
  details(details: Details): Details {
    const clean = (value: Details[string]): Details[string] => {
      if (typeof value === 'string') return this.text(value)
      return Array.isArray(value) ? value.map((entry) => (typeof entry === 'string' ? this.text(entry) : entry)) : value
    }
    return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, clean(value)]))
  }
}

/** What kind of network an address is of. */
export function networkOf(address: string): string {
  const bare = address.replace(/^\[|\]$/g, '').toLowerCase()
  const v4 = /(?:\d{1,3}\.){3}\d{1,3}$/.exec(bare)?.[0]
  if (v4 !== undefined) return `${kindOf4(v4.split('.').map(Number))} IPv4`
  return bare.includes(':') ? `${kindOf6(bare)} IPv6` : 'hidden address'
}

function kindOf4([a = 0, b = 0]: number[]): string {
  if (a === 127) return 'loopback'
  if (a === 169 && b === 254) return 'link-local'
  // RFC 6598.
  if (a === 100 && b >= 64 && b < 128) return "carrier's"
  return a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ? 'private' : 'public'
}

function kindOf6(address: string): string {
  if (/^(0{0,4}:)*:?0{0,3}1$/.test(address)) return 'loopback'
  if (/^fe[89ab]/.test(address)) return 'link-local'
  return /^f[cd]/.test(address) ? 'private' : 'public'
}

/** A browser's name for itself, with versions of one number: those of four would look like addresses, and tell nothing. */
export function shortAgent(agent: string): string {
  return agent.replace(/(\d+)(?:\.\d+)+/g, '$1')
}
