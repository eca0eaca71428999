/**
 * Perfect negotiation: two sides describe a connection to each other at any time, and when their offers cross one of them yields.
 *
 * It follows the W3C's example (WebRTC 1.0, section 10.7) and the `peer.js` of webrtc/samples thought by thought. Those need three
 * flags because their handlers overlap. Here one mailbox runs everything of a connection, one thing after the other, so that two of
 * the flags are facts: an offer is being made, or an answer is being applied, only while nothing else runs. The third, an ignored
 * offer, remains: candidates of it may still come.
 *
 * Six things go beyond the example, because browsers were seen to hang for ever without them:
 *
 * - The impolite side makes the first offer. The polite one waits for it, and asks for it after a while.
 * - Descriptions are numbered where both sides are this library: `d` names a description, `re` the offer that an answer is for. An
 *   answer to anything but the pending offer is dropped, and so is an offer that comes a second time.
 * - A candidate waits for the description with its `usernameFragment`: it may overtake it, and Firefox throws at one that it does
 *   not know where Chromium says nothing.
 * - An offer that the browser refuses is answered by `nack`: who made it takes it back and lets the other side offer. Where that does
 *   not help, the connection is *broken*: browsers have states that only a new one leaves.
 * - An offer that has had no answer for 10 s is taken back and made again.
 * - A Firefox that answers a fresh start of ICE lets the other side look for ways first (`head-start.ts`).
 */

import { belongs, Candidates } from './candidates.ts'
import { type Cancel, type Clock, systemClock } from './clock.ts'
import { type AldisError, asAldisError, rethrow } from './errors.ts'
import { HeadStart } from './head-start.ts'
import { checkBoolean, checkClock, checkFunction, checkObject, refuse } from './options.ts'

/**
 * Names of descriptions, so that an answer to an offer that was taken back is known as such.
 *
 * @example
 * const send = (message: NegotiationMessage) => {
 *   if (message.type === 'answer') show(`description ${message.x?.d} answers offer ${message.x?.re}`)
 *   port.postMessage(message)
 * }
 * negotiate(pc, { polite: true, send })
 */
export interface Numbers {
  /** Which description this is; its sender counts its own from 1. */
  readonly d?: number
  /** The `d` of the offer that this answers or refuses. */
  readonly re?: number
}

/**
 * What the two sides tell each other, as plain JSON: a description, a candidate (`null` ends them), the wish for a fresh start of ICE, or
 * that an offer was refused by the browser.
 *
 * @example
 * const send = (message: NegotiationMessage) => port.postMessage(message)
 * port.onmessage = ({ data }: MessageEvent<NegotiationMessage>) => void negotiation.receive(data)
 */
export type NegotiationMessage =
  | { readonly type: 'offer' | 'answer'; readonly sdp: string; readonly x?: Numbers }
  | { readonly type: 'ice-candidate'; readonly candidate: RTCIceCandidateInit | null }
  | { readonly type: 'restart' }
  | { readonly type: 'nack'; readonly x?: Numbers }

/**
 * What happened between the two sides, for counting and for showing.
 *
 * @example
 * const counts = new Map<NegotiationStep, number>()
 * room.on('negotiation', ({ step }) => counts.set(step, (counts.get(step) ?? 0) + 1))
 */
export type NegotiationStep =
  | 'offer-sent'
  | 'offer-received'
  | 'answer-sent'
  | 'answer-received'
  | 'candidate-sent'
  | 'candidate-received'
  | 'restart-sent'
  | 'restart-received'
  | 'nack-sent'
  | 'nack-received'
  /** An offer had no answer for too long, and is made again. */
  | 'offer-repeated'
  /** Both offered at once, and this side gave way. */
  | 'glare-yielded'
  /** Both offered at once, and this side goes on with its own. */
  | 'glare-ignored'
  /** Something came that no longer matters. */
  | 'stale-dropped'

/**
 * The way to the other side: what {@link negotiate} is given.
 *
 * @example
 * const link: NegotiationLink = {
 *   polite: true,
 *   send: (message) => port.postMessage(message),
 *   // In the first answer already, so that nothing has to be negotiated for them again.
 *   beforeAnswer: () => {
 *     if (pc.getSenders().some(({ track }) => track)) return
 *     for (const track of camera.getTracks()) pc.addTrack(track, camera)
 *   },
 *   reachable: () => navigator.onLine,
 *   onStep: (step) => show(step),
 *   onError: (error) => show(error.message),
 *   onBroken: () => show('Make a new connection, on both sides.'),
 * }
 * const negotiation = negotiate(pc, link)
 */
export interface NegotiationLink {
  /**
   * Whether this side yields when both offer at once. Exactly one of the two must be polite. The other one makes the first offer; the
   * polite side asks for it after 10 s.
   */
  readonly polite: boolean
  /** Sends a message. All of them must arrive, in order: a lost description may leave both sides waiting. */
  send(message: NegotiationMessage): void
  /** Whether the other side understands {@link Numbers}; by default it does. */
  readonly numbered?: boolean
  /** Called when an offer was applied and its answer is not made yet: the moment to add tracks. The answer waits for it. */
  beforeAnswer?(): void | Promise<void>
  /** Called when the browser refuses a description or a candidate, with an `AldisError` `negotiation-failed`. */
  onError?(error: AldisError): void
  /**
   * Called once, when the browser's connection cannot be negotiated any more: make a new one, on both sides. Without it `onError` is told.
   */
  onBroken?(error: AldisError): void
  /** Whether the other side can be reached now: while it cannot, no offer counts as unanswered. By default it can. */
  reachable?(): boolean
  /** Called at every step, for counting and for showing. */
  onStep?(step: NegotiationStep): void
  /** Time; by default the system's. */
  readonly clock?: Clock
}

/**
 * A negotiation that goes on.
 *
 * @example
 * const negotiation: Negotiation = negotiate(pc, { polite: false, send: (message) => port.postMessage(message) })
 * port.onmessage = ({ data }) => void negotiation.receive(data)
 * addEventListener('online', () => negotiation.restart())
 * addEventListener('pagehide', () => negotiation.close())
 */
export interface Negotiation {
  /**
   * Takes a message of the other side. Resolves when it has been dealt with, and never rejects: failures go to `onError`.
   *
   * @example
   * port.onmessage = ({ data }) => void negotiation.receive(data)
   */
  receive(message: NegotiationMessage): Promise<void>
  /**
   * Restarts ICE. The polite side asks the other one to, since browsers fail where both do; where that one does without {@link Numbers},
   * it does so itself.
   *
   * @example
   * addEventListener('online', () => negotiation.restart())
   */
  restart(): void
  /**
   * Ends the negotiation: nothing is sent or taken any more. The connection is left as it is.
   *
   * @example
   * negotiation.close()
   * pc.close()
   */
  close(): void
}

/** How long the polite side waits for the first offer before it asks for it, in milliseconds. */
export const FIRST_OFFER_MS = 10_000

/** How soon after the last time the other side is heard when it asks for an offer, and ICE is started afresh, in milliseconds. */
const APART_MS = 1_000

/**
 * Keeps a connection negotiated over any transport: whatever is done to it (`addTrack`, `createDataChannel`, `restartIce`) reaches the
 * other side, also where both sides do it at once. It needs neither a server nor a room. A candidate that comes before its description
 * waits for it: up to 64 of them, for 10 s.
 *
 * @param pc a connection that nothing has been negotiated on yet
 * @param link how to reach the other side, which runs `negotiate` too
 * @throws AldisError `invalid-option` where `polite` is no boolean or `send` no function
 * @example
 * const negotiation = negotiate(pc, { polite: false, send: (message) => port.postMessage(message) })
 * port.onmessage = ({ data }) => void negotiation.receive(data)
 * pc.createDataChannel('chat')
 */
export function negotiate(pc: RTCPeerConnection, link: NegotiationLink): Negotiation {
  checkObject('link', link)
  if (typeof link.polite !== 'boolean') refuse('link.polite', '`true` on one side and `false` on the other', link.polite)
  checkFunction('link.send', link.send)
  // It may be an object of a class, with what else that needs.
  for (const key of LINK_FUNCTIONS) checkFunction(`link.${key}`, link[key] ?? link.send)
  checkBoolean('link.numbered', link.numbered ?? true)
  checkClock('link.clock', link.clock ?? systemClock)
  if (typeof pc?.setLocalDescription !== 'function') refuse('pc', 'an `RTCPeerConnection`', pc)
  return new Negotiator(pc, link)
}

const LINK_FUNCTIONS = ['beforeAnswer', 'onError', 'onBroken', 'reachable', 'onStep'] as const

/** How long an offer may go unanswered, in milliseconds, and how often it is made again before the connection counts as broken. */
const ANSWER_MS = 10_000
const REPEATS = 2

/** How long the other side's offer is waited for after it refused ours, in milliseconds. */
const YIELD_MS = 3_000

/** Whose turn the first offer is. */
type Opening = 'ours' | 'theirs' | 'made'

class Negotiator implements Negotiation {
  readonly #pc: RTCPeerConnection
  readonly #link: NegotiationLink
  readonly #clock: Clock
  readonly #numbered: boolean
  readonly #listening = new AbortController()
  #mailbox: Promise<void> = Promise.resolve()
  #opening: Opening
  /** The other side's latest offer was ignored, and its candidates are on their way. */
  #ignoring = false
  /** The number of our latest description. */
  #counter = 0
  /** The number of our offer that has no answer yet. */
  #pending: number | undefined
  /** The number of the other side's latest offer. */
  #seen = 0
  /** How many of our offers in a row came to nothing, and how many of theirs. */
  #failed = { ours: 0, theirs: 0 }
  #unanswered: Cancel | undefined
  /** While the other side's offer goes first, because one of the two was refused. */
  #yielding: Cancel | undefined
  /** Whether the other side has an offer to make again that we refused: ours would only cross it another time. */
  #refusedTheirs = false
  #broken = false
  /** When it was last done as the other side asked, or ICE started afresh. */
  #askedAt = Number.NEGATIVE_INFINITY
  readonly #candidates: Candidates
  readonly #headStart: HeadStart
  #asking: Cancel | undefined

  constructor(pc: RTCPeerConnection, link: NegotiationLink) {
    this.#pc = pc
    this.#link = link
    this.#clock = link.clock ?? systemClock
    this.#candidates = new Candidates(this.#clock)
    this.#headStart = new HeadStart(pc, this.#clock)
    this.#numbered = link.numbered ?? true
    this.#opening = link.polite ? 'theirs' : 'ours'
    const { signal } = this.#listening
    pc.addEventListener('negotiationneeded', () => this.#negotiationNeeded(), { signal })
    pc.addEventListener('icecandidate', ({ candidate }) => this.#found(candidate), { signal })
  }

  receive(message: NegotiationMessage): Promise<void> {
    return this.#run(() => {
      checkObject('message', message)
      return this.#handle(message)
    })
  }

  restart(): void {
    // A page without this library may not know the word, once there is a connection to say it about.
    const asks = this.#link.polite && (this.#numbered || this.#pc.remoteDescription === null)
    if (asks) this.#tell({ type: 'restart' }, 'restart-sent')
    else this.#startIce()
  }

  close(): void {
    this.#listening.abort()
    this.#asking?.()
    this.#unanswered?.()
    this.#yielding?.()
    this.#headStart.end()
    this.#candidates.clear()
  }

  /** Puts something into the mailbox. */
  #run(task: () => Promise<void> | void): Promise<void> {
    this.#mailbox = this.#mailbox.then(async () => {
      if (this.#isOver()) return
      try {
        await task()
      } catch (error) {
        // What a closed connection refuses is nobody's failure.
        if (!this.#isOver()) this.#report(refused(error))
      }
    })
    return this.#mailbox
  }

  #report(error: AldisError, to = this.#link.onError?.bind(this.#link)): void {
    try {
      to?.(error)
    } catch (thrown) {
      // The mailbox goes on, whatever the application does.
      rethrow(thrown)
    }
  }

  #isOver(): boolean {
    return this.#listening.signal.aborted || this.#pc.signalingState === 'closed'
  }

  #negotiationNeeded(): void {
    if (this.#opening === 'theirs') {
      this.#asking ??= this.#clock.after(FIRST_OFFER_MS, () => this.restart())
    } else {
      void this.#run(() => this.#offer())
    }
  }

  async #offer(): Promise<void> {
    // The browser asks again as soon as the offer under way is answered, or the other side's has come.
    if (this.#pc.signalingState !== 'stable' || this.#yielding !== undefined) return
    this.#opening = 'made'
    try {
      await this.#pc.setLocalDescription()
    } catch (error) {
      return void this.#break(error)
    }
    this.#sendOffer(++this.#counter)
  }

  #sendOffer(d: number): void {
    this.#pending = d
    this.#sendDescription('offer', { d })
    this.#watch(d)
  }

  /** Makes an offer again that has no answer, as long as the other side is there to give one. */
  #watch(d: number): void {
    this.#unanswered?.()
    // A side that does without numbers could not say which of two offers it answers.
    if (!this.#numbered) return
    this.#unanswered = this.#clock.after(ANSWER_MS, () => {
      if (this.#link.reachable?.() === false) return this.#watch(d)
      void this.#run(() => (this.#pending === d ? this.#again() : undefined))
    })
  }

  /** No answer is waited for any more. */
  #answered(): void {
    this.#pending = undefined
    this.#unanswered?.()
  }

  async #again(): Promise<void> {
    this.#link.onStep?.('offer-repeated')
    if (await this.#takeBack(new Error('An offer has had no answer.'))) await this.#offer()
  }

  /** Takes our offer back because it came to nothing. Returns whether another one is worth a try. */
  async #takeBack(why: unknown): Promise<boolean> {
    this.#answered()
    this.#failed.ours += 1
    return this.#failed.ours <= REPEATS ? await this.#rollBack(why) : this.#break(why)
  }

  /** Gives up whatever description is pending: browsers differ in what a failure leaves behind. */
  async #rollBack(why: unknown): Promise<boolean> {
    const { signalingState } = this.#pc
    try {
      if (signalingState === 'have-local-offer') await this.#pc.setLocalDescription({ type: 'rollback' })
      if (signalingState === 'have-remote-offer') await this.#pc.setRemoteDescription({ type: 'rollback', sdp: '' })
      return true
    } catch {
      return this.#break(why)
    }
  }

  /** Nothing can be negotiated on this connection any more. */
  #break(why: unknown): false {
    // What a closed connection refuses is nobody's failure.
    if (this.#isOver() || this.#broken) return false
    this.#broken = true
    const error = refused(why)
    const { onBroken } = this.#link
    this.#report(error, onBroken ? (told) => onBroken.call(this.#link, told) : undefined)
    return false
  }

  #sendDescription(type: 'offer' | 'answer', x: Numbers): void {
    const sdp = this.#pc.localDescription?.sdp ?? ''
    this.#tell(this.#numbered ? { type, sdp, x } : { type, sdp }, `${type}-sent`)
  }

  #tell(message: NegotiationMessage, step: NegotiationStep): void {
    // It may have been closed while the browser was busy.
    if (this.#isOver()) return
    this.#link.send(message)
    this.#link.onStep?.(step)
  }

  #handle(message: NegotiationMessage): Promise<void> | void {
    switch (message.type) {
      case 'offer':
        return this.#answer(message.sdp, message.x?.d)
      case 'answer':
        return this.#conclude(message.sdp, message.x?.re)
      case 'ice-candidate':
        return this.#candidate(message.candidate)
      case 'restart':
        return this.#restartFor()
      case 'nack':
        return this.#refused(message.x?.re)
      default:
        refuse('message.type', '`offer`, `answer`, `ice-candidate`, `restart` or `nack`', (message as { type: unknown }).type)
    }
  }

  async #answer(sdp: string, d: number | undefined): Promise<void> {
    this.#link.onStep?.('offer-received')
    if (d !== undefined && d <= this.#seen) return this.#link.onStep?.('stale-dropped')
    this.#seen = d ?? 0
    const collides = this.#pc.signalingState === 'have-local-offer'
    this.#ignoring = collides && !this.#link.polite
    if (this.#ignoring) return this.#link.onStep?.('glare-ignored')
    if (collides) this.#link.onStep?.('glare-yielded')
    this.#unblock()
    try {
      // Rolls our own offer back, if there is one.
      await this.#pc.setRemoteDescription({ type: 'offer', sdp })
      this.#answered()
      this.#opening = 'made'
      this.#asking?.()
      await this.#link.beforeAnswer?.()
      if (this.#isOver()) return
      if (this.#headStart.isDue) this.#goSecond()
      await this.#pc.setLocalDescription()
    } catch (error) {
      return this.#refuse(d, error)
    }
    this.#failed.theirs = 0
    this.#refusedTheirs = false
    this.#sendDescription('answer', { d: ++this.#counter, ...(d !== undefined && { re: d }) })
    await this.#release()
  }

  /** The other side starts ICE afresh, and has to look for ways before this one does. */
  #goSecond(): void {
    this.#headStart.begin(
      () => void this.#run(() => this.#release()),
      () => this.#break(new Error('ICE was started afresh, and nothing came of it.')),
    )
  }

  /** The browser does not take the other side's offer: it may take ours. */
  async #refuse(re: number | undefined, why: unknown): Promise<void> {
    this.#answered()
    this.#failed.theirs += 1
    if (this.#failed.theirs >= REPEATS) return void this.#break(why)
    if (!(await this.#rollBack(why))) return
    this.#refusedTheirs = true
    this.#tell(re === undefined ? { type: 'nack' } : { type: 'nack', x: { re } }, 'nack-sent')
    // The first offer is always the other side's.
    if (this.#pc.remoteDescription !== null) await this.#offer()
  }

  /** The other side's browser does not take our offer: it goes first. */
  async #refused(re: number | undefined): Promise<void> {
    this.#link.onStep?.('nack-received')
    const expected = this.#pending !== undefined && (re === undefined || re === this.#pending)
    if (!expected) return this.#link.onStep?.('stale-dropped')
    if (!(await this.#takeBack(new Error('The other side refused an offer.')))) return
    if (this.#pc.remoteDescription === null) return this.#offer()
    this.#yield()
  }

  /** Lets the other side offer first, for a while. */
  #yield(): void {
    this.#unblock()
    this.#yielding = this.#clock.after(YIELD_MS, () => {
      this.#unblock()
      void this.#run(() => this.#offer())
    })
  }

  /** Our own offers may go again. */
  #unblock(): void {
    this.#yielding?.()
    this.#yielding = undefined
  }

  async #conclude(sdp: string, re: number | undefined): Promise<void> {
    this.#link.onStep?.('answer-received')
    const expected = this.#pc.signalingState === 'have-local-offer' && (re === undefined || re === this.#pending)
    if (!expected) return this.#link.onStep?.('stale-dropped')
    this.#answered()
    try {
      await this.#pc.setRemoteDescription({ type: 'answer', sdp })
    } catch (error) {
      if (await this.#takeBack(error)) await this.#offer()
      return
    }
    this.#failed.ours = 0
    if (this.#refusedTheirs) this.#yield()
    this.#refusedTheirs = false
    await this.#release()
  }

  /** The other side wants a fresh start of ICE, or has never had an offer. */
  async #restartFor(): Promise<void> {
    this.#link.onStep?.('restart-received')
    if (this.#pc.remoteDescription !== null) return this.#startIce()
    if (this.#isTooSoon()) return
    if (this.#pc.signalingState === 'have-local-offer') {
      // The same one, so that its number tells: whoever has answered it meanwhile drops it. Without numbers nobody could.
      if (this.#pending !== undefined && this.#numbered) this.#sendOffer(this.#pending)
    } else {
      await this.#offer()
    }
  }

  /**
   * Starts ICE afresh, some time after the last time: a candidate that comes when the next start has begun is dropped. Where Chromium has
   * learned of it from a check meanwhile, it counts more than all others for ever, and so it stays on relays of before.
   */
  #startIce(): void {
    this.#asking?.()
    if (this.#isTooSoon()) this.#asking = this.#clock.after(APART_MS, () => this.#startIce())
    else this.#pc.restartIce()
  }

  /** Whether the last time was a moment ago; otherwise this is the time. */
  #isTooSoon(): boolean {
    const now = this.#clock.now()
    if (now - this.#askedAt < APART_MS) return true
    this.#askedAt = now
    return false
  }

  #found(candidate: RTCIceCandidate | null): void {
    // The end of candidates is of use only to sides that do without numbers: browsers disagree on how they say it.
    if (candidate === null && this.#numbered) return
    this.#tell({ type: 'ice-candidate', candidate: candidate?.toJSON() ?? null }, 'candidate-sent')
  }

  async #candidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (candidate === null) return
    this.#link.onStep?.('candidate-received')
    if (belongs(candidate, this.#pc) && !this.#headStart.lasts) await this.#add(candidate)
    else this.#candidates.hold(candidate)
  }

  async #release(): Promise<void> {
    if (this.#headStart.lasts) return
    for (const candidate of this.#candidates.release(this.#pc)) await this.#add(candidate)
  }

  async #add(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#pc.addIceCandidate(candidate)
    } catch (error) {
      // Of an ignored offer, or of a generation that has passed in the meantime: the browser may not know it.
      if (!this.#ignoring && belongs(candidate, this.#pc)) throw error
    }
  }
}

function refused(thrown: unknown): AldisError {
  return asAldisError(thrown, 'negotiation-failed', 'The browser refused a description', 'Make another connection.')
}
