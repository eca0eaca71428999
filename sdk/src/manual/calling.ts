/**
 * Calling a side that cannot answer yet, because it has not got the reply.
 *
 * ICE is made for two who hear of each other within seconds. Chromium stops calling after 15 s, so that the doors which its calls opened in
 * routers on the way close again; it goes on when it is told the same candidate once more. Firefox gives the whole connection up after
 * 11 s, unless there is a candidate that it has not tried yet. So every few seconds both are told what they want to hear.
 */

import type { Cancel, Clock } from '../clock.ts'
import { candidateLines, type Way } from './ways.ts'

/** How often, in milliseconds, and how many times: for half an hour. */
const EVERY_MS = 4_000
const TIMES = 450

/** A place where nobody is: RFC 5737 keeps the addresses free, and these ports belong to no service. */
const NOWHERE = '192.0.2.1'
const FIRST_PORT = 50_000

/** Calls until it is cancelled, which is when the connection stands. */
export function keepCalling(connection: RTCPeerConnection, ufrag: string, ways: readonly Way[], clock: Clock): Cancel {
  let times = 0
  let next: Cancel = () => undefined
  const call = (): void => {
    const nowhere: Way = { kind: 'host', protocol: 'udp', address: NOWHERE, port: FIRST_PORT + times }
    for (const line of candidateLines([...ways, nowhere])) {
      // What it refuses it has, or does not need.
      connection
        .addIceCandidate({ candidate: line.slice('a='.length), sdpMid: '0', usernameFragment: ufrag })
        .catch(() => undefined)
    }
    times += 1
    if (times < TIMES) next = clock.after(EVERY_MS, call)
  }
  next = clock.after(EVERY_MS, call)
  return () => next()
}
