/**
 * Why Firefox lets the other side go first when ICE starts afresh.
 *
 * When Chromium starts ICE afresh on a connection that is well, it tries its new addresses with Firefox's old ones at once. Firefox answers
 * the checks, so that is what Chromium uses; but Firefox drops whatever else comes from there. It hears again on a way between the new
 * addresses of both. If Firefox checks those before its candidates have come to Chromium, that one learns of them from the checks: then they
 * count less than what it uses, and it drops them for good. So Chromium speaks for ever where Firefox is deaf, and both say `connected`. It was
 * seen with Chromium 156 and Firefox 153 whenever checks were faster than signals, as they are on most networks.
 *
 * Firefox checks nothing without candidates of the other side. So it gets them only when its own have had the time to arrive.
 */

import { fragmentOf } from './candidates.ts'
import type { Clock } from './clock.ts'
import { Scope } from './scope.ts'

/** How long Firefox's candidates may take to the other side, in milliseconds. */
const HEAD_START_MS = 500

/** How long the new way may take from then on, in milliseconds. */
const DEAF_MS = 5_000

/** What begins the descriptions that Firefox makes. */
export const FIREFOX: RegExp = /^o=mozilla/m

/** What a connection says that does not stand. Firefox calls one that does `connecting`, or `new`, as soon as a section is added. */
const NOTHING_COMES = /^(disconnected|failed|closed)$/

/** The head start that the other side of a connection gets; see the module. */
export class HeadStart {
  readonly #pc: RTCPeerConnection
  #scope: Scope
  #lasts = false

  constructor(pc: RTCPeerConnection, clock: Clock) {
    this.#pc = pc
    this.#scope = new Scope(clock)
  }

  /** Whether candidates of the other side have to wait. */
  get lasts(): boolean {
    return this.#lasts
  }

  /** Whether the offer that was applied and has no answer yet asks for it. */
  get isDue(): boolean {
    const { connectionState, currentLocalDescription, currentRemoteDescription, pendingRemoteDescription } = this.#pc
    // Where nothing comes through, Chromium has no old way to stay on, and there is no time to lose.
    const stands = !NOTHING_COMES.test(connectionState)
    const isFirefox = FIREFOX.test(currentLocalDescription?.sdp ?? '')
    return stands && isFirefox && fragmentOf(pendingRemoteDescription) !== fragmentOf(currentRemoteDescription)
  }

  /** Begins it. Calls `over` when it ends, and `deaf` where nothing has come of the fresh start some time later. */
  begin(over: () => void, deaf: () => void): void {
    this.#scope = this.#scope.next()
    this.#lasts = true
    this.#scope.after(HEAD_START_MS, () => {
      this.#lasts = false
      over()
    })
    const scope = this.#scope
    scope.after(HEAD_START_MS + DEAF_MS, async () => {
      if ((await this.#isDeaf()) && scope.live) deaf()
    })
  }

  /** Nothing of it is of use any more. */
  end(): void {
    this.#scope.end()
  }

  /** The connection says that it stands, because its old ways do. */
  async #isDeaf(): Promise<boolean> {
    const report = await this.#pc.getStats().catch(() => new Map<string, { type: string; iceState?: string }>())
    const transports = [...report.values()].filter(({ type }) => type === 'transport')
    const checks = transports.length > 0 && transports.every(({ iceState }) => iceState === 'checking')
    return checks && !NOTHING_COMES.test(this.#pc.connectionState)
  }
}
