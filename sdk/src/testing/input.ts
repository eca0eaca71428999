/** What a test may hand in: where it is wrong, the test would go on and test something else. */

import { checkRoom } from '../endpoint.ts'
import {
  type Check,
  type Checks,
  checkClock,
  checkFunction,
  checkNothing,
  checkOptions,
  numberOf,
  oneOf,
  refuse,
} from '../options.ts'
import { STATUS } from './refusals.ts'

/** How a test server is made. */
export const SERVER_OPTIONS: Checks = { clock: checkClock, createConnection: checkFunction, iceServers: checkList }

/** What a token may allow. */
const CAN = oneOf("'broadcast', 'message', 'moderate', 'signal' or 'turn'")

const CLAIMS = {
  room: checkRoom,
  exp: numberOf('seconds'),
  name: checkText,
  metadata: checkNothing,
  can: (option: string, found: unknown): void => {
    checkList(option, found)
    for (const each of found as unknown[]) CAN(option, each)
  },
  maxPeers: checkCount,
  duplicates: oneOf("'allow', 'reject' or 'replace'"),
}

/** Refuses what are no claims of somebody, whose identity has this name. */
export function checkClaims(claims: object, identity: 'identity' | 'sub'): void {
  checkOptions(claims, { [identity]: checkText, ...CLAIMS })
  const { room, [identity]: who } = claims as { room?: unknown; identity?: unknown; sub?: unknown }
  checkText(identity, who)
  checkRoom('room', room)
}

/** Refuses what is no text, or empty. */
function checkText(option: string, found: unknown): void {
  if (typeof found !== 'string' || found === '') refuse(option, 'a string', found)
}

function checkList(option: string, found: unknown): void {
  if (!Array.isArray(found)) refuse(option, 'a list', found)
}

/** Refuses what counts nothing. */
export function checkCount(option: string, found: unknown): void {
  if (!(Number.isInteger(found) && Number(found) >= 0)) refuse(option, 'a whole number', found)
}

/** Refuses what names nobody. */
export function checkWhom(option: string, found: unknown): void {
  if (typeof found !== 'object') return checkText(option, found)
  checkText(option, (found as { readonly me?: { readonly id?: unknown } } | null)?.me?.id)
}

/** Refuses what is no code of the protocol. */
export function checkCode(option: string, found: unknown): void {
  if (!STATUS.has(String(found))) refuse(option, `one of ${[...STATUS.keys()].join(', ')}`, found)
}

/** Refuses what is no length of time. */
export const checkMs: Check = numberOf('milliseconds')
