/**
 * A peer connection without a network: what WebRTC 1.0 and JSEP say about descriptions, rollback and `negotiationneeded`, and nothing
 * about media. Its session descriptions are as short as browsers would still take them.
 */

import { fragmentOf } from '../candidates.ts'
import { FakeDataChannel } from './data-channel.ts'
import type { FakeTrack } from './media.ts'
import { describe, sectionsOf } from './sdp.ts'
import { FakeTransceiver, type Replace } from './transceiver.ts'

/** A section of a description: a transceiver, or all data channels together. */
interface Section {
  readonly kind: string
  mid: number | undefined
  /** The direction that both sides know. */
  agreed: string | undefined
  readonly transceiver: FakeTransceiver | undefined
}

/** What the browser can be told to refuse. */
export type Operation = 'addIceCandidate' | 'replaceTrack' | 'rollback' | 'setLocalDescription' | 'setRemoteDescription'

/** How many turns of the microtask queue make it empty enough for what browsers queue as a task. */
const TASK_TURNS = 8

let made = 0

/** One end of a connection. */
export class FakePeerConnection extends EventTarget {
  readonly name: string = `c${++made}`
  configuration: RTCConfiguration
  connectionState: RTCPeerConnectionState = 'new'
  signalingState: RTCSignalingState = 'stable'
  currentLocalDescription: RTCSessionDescriptionInit | null = null
  currentRemoteDescription: RTCSessionDescriptionInit | null = null
  pendingLocalDescription: RTCSessionDescriptionInit | null = null
  pendingRemoteDescription: RTCSessionDescriptionInit | null = null
  iceGatheringState: RTCIceGatheringState = 'new'
  readonly channels: FakeDataChannel[] = []
  /** Whether the channels that both sides know open when the connection stands. */
  channelsOpen: 'never' | 'when-connected' = 'when-connected'
  /** Where what it carries goes through. */
  route: 'direct' | 'relayed' = 'direct'
  /** What it reports of itself; by default the way that it takes. */
  report: readonly { readonly id: string }[] | undefined
  /** What was done to it that has an order. */
  readonly calls: ('restartIce' | 'setConfiguration')[] = []
  /** The candidates that were taken. */
  readonly candidates: RTCIceCandidateInit[] = []
  /** How long an operation takes; by default no time. */
  delay: () => Promise<void> = () => Promise.resolve()
  readonly #sections: Section[] = []
  readonly #refusals = new Map<Operation, unknown[]>()
  #tail: Promise<unknown> = Promise.resolve()
  #queued = 0
  #needed = false
  #updateWhenIdle = false
  #descriptions = 0
  #fragments = 0
  #fragmentsToReplace = new Set<string>()
  #unsettled: Section[] = []
  /** The sections that the other side's pending offer has made. */
  #brought: Section[] = []

  constructor(configuration: RTCConfiguration = {}) {
    super()
    this.configuration = configuration
  }

  asBrowsers(): RTCPeerConnection {
    return this as unknown as RTCPeerConnection
  }

  get localDescription(): RTCSessionDescriptionInit | null {
    return this.pendingLocalDescription ?? this.currentLocalDescription
  }

  get remoteDescription(): RTCSessionDescriptionInit | null {
    return this.pendingRemoteDescription ?? this.currentRemoteDescription
  }

  get transceivers(): FakeTransceiver[] {
    return this.#sections.flatMap(({ transceiver }) => transceiver ?? [])
  }

  /** The tracks that it sends. */
  get sending(): (FakeTrack | null)[] {
    return this.transceivers.map(({ sender }) => sender.track).filter((track) => track !== null)
  }

  /** Whether there is anything left to tell the other side. */
  get unfinished(): boolean {
    return this.signalingState !== 'stable' || this.#queued > 0 || this.#isNeeded()
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers
  }

  getConfiguration(): RTCConfiguration {
    return this.configuration
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.#checkOpen()
    this.calls.push('setConfiguration')
    this.configuration = configuration
  }

  async getStats(): Promise<Map<string, object>> {
    if (this.report !== undefined) return new Map(this.report.map((entry) => [entry.id, entry]))
    const candidateType = this.route === 'relayed' ? 'relay' : 'host'
    const stats = [
      { id: 'unused', type: 'candidate-pair', nominated: false, state: 'succeeded', localCandidateId: 'spare' },
      {
        id: 'used',
        type: 'candidate-pair',
        nominated: true,
        state: 'succeeded',
        localCandidateId: 'local',
        remoteCandidateId: 'remote',
      },
      { id: 'spare', type: 'local-candidate', candidateType: 'relay' },
      { id: 'local', type: 'local-candidate', candidateType },
      { id: 'remote', type: 'remote-candidate', candidateType: 'host' },
    ]
    return new Map(stats.map((entry) => [entry.id, entry]))
  }

  addTransceiver(what: FakeTrack | 'audio' | 'video', init: RTCRtpTransceiverInit = {}): FakeTransceiver {
    this.#checkOpen()
    const track = typeof what === 'string' ? null : what
    const transceiver = this.#newTransceiver(typeof what === 'string' ? what : what.kind, init.direction ?? 'sendrecv')
    transceiver.sender.track = track
    transceiver.sender.streams = init.streams ?? []
    this.#sections.push({ kind: transceiver.receiver.track.kind, mid: undefined, agreed: undefined, transceiver })
    this.#update()
    return transceiver
  }

  createDataChannel(label: string, init: RTCDataChannelInit = {}): RTCDataChannel {
    this.#checkOpen()
    checkChannel(label, init)
    const channel = new FakeDataChannel(label, init)
    this.channels.push(channel)
    if (!this.#sections.some(({ kind }) => kind === 'application')) this.#addApplication()
    this.#update()
    return channel.asBrowsers()
  }

  restartIce(): void {
    if (this.signalingState === 'closed') return
    this.calls.push('restartIce')
    const descriptions = [this.currentLocalDescription, this.pendingLocalDescription]
    this.#fragmentsToReplace = new Set(descriptions.flatMap((description) => fragmentOf(description) ?? []))
    this.#update()
  }

  setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
    if (description?.type === 'rollback') return this.#takeBack('have-local-offer')
    return this.#operate('setLocalDescription', () => {
      if (this.signalingState === 'have-remote-offer') return this.#conclude(this.#makeAnswer(), this.pendingRemoteDescription)
      const offer = this.#makeOffer()
      this.pendingLocalDescription = offer
      this.signalingState = 'have-local-offer'
    })
  }

  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    if (description.type === 'rollback') return this.#takeBack('have-remote-offer')
    return this.#operate('setRemoteDescription', () => {
      if (!description.sdp?.startsWith('v=0')) throw new DOMException('No session description.', 'OperationError')
      if (description.type === 'answer') {
        if (this.signalingState !== 'have-local-offer') throw new DOMException('No offer is pending.', 'InvalidStateError')
        return this.#conclude(this.pendingLocalDescription, description)
      }
      if (this.signalingState === 'have-local-offer') this.#rollBack()
      this.pendingRemoteDescription = description
      this.signalingState = 'have-remote-offer'
      this.#associate(description)
    })
  }

  addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    return this.#operate('addIceCandidate', () => {
      if (this.remoteDescription === null) throw new DOMException('There is no remote description.', 'InvalidStateError')
      const known = [this.currentRemoteDescription, this.pendingRemoteDescription].map(fragmentOf)
      const fragment = candidate.usernameFragment ?? undefined
      if (fragment !== undefined && !known.includes(fragment)) throw new DOMException('An unknown ufrag.', 'OperationError')
      this.candidates.push(candidate)
    })
  }

  close(): void {
    this.signalingState = 'closed'
    this.connectionState = 'closed'
    const open = this.channels.filter(({ readyState }) => readyState !== 'closed')
    for (const channel of open) channel.readyState = 'closed'
    // Browsers tell of it, although the specification does not ask for it.
    void inATask(() => {
      for (const channel of open) channel.end()
    })
  }

  /** Refuses the next operation of a kind, or the one after those that it refuses already. */
  refuse(operation: Operation, error: unknown): void {
    this.#refusals.set(operation, [...(this.#refusals.get(operation) ?? []), error])
  }

  /** Begins to look for candidates. */
  startGathering(): void {
    this.iceGatheringState = 'gathering'
    this.#dispatch('icegatheringstatechange', {})
  }

  /** Finds a candidate of the local description. */
  gather(): void {
    const usernameFragment = fragmentOf(this.pendingLocalDescription ?? this.currentLocalDescription)
    if (usernameFragment === undefined || this.signalingState === 'closed') return
    const candidate = { candidate: 'candidate:1', sdpMid: '0', usernameFragment }
    this.#dispatch('icecandidate', { candidate: { ...candidate, toJSON: () => candidate } })
  }

  /** Says so. */
  finishGathering(): void {
    this.iceGatheringState = 'complete'
    this.#dispatch('icegatheringstatechange', {})
  }

  /** The transceiver of a section. */
  transceiverOf(mid: number): FakeTransceiver | undefined {
    return this.#sections.find((section) => section.mid === mid)?.transceiver
  }

  /** Has found every candidate. */
  gathered(): void {
    this.#dispatch('icecandidate', { candidate: null })
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state
    this.#dispatch('connectionstatechange', {})
    if (state !== 'connected' || this.channelsOpen === 'never') return
    for (const channel of this.channels) if (channel.init.negotiated && channel.readyState === 'connecting') channel.open()
  }

  /** The other side sends a track. */
  bring(track: FakeTrack, streams: readonly object[]): void {
    this.#dispatch('track', { track, streams })
  }

  /** The other side opens a channel. */
  offerChannel(channel: FakeDataChannel): void {
    this.#dispatch('datachannel', { channel })
  }

  failAtTurn(errorCode: number): void {
    this.#dispatch('icecandidateerror', { errorCode, url: 'turn:turn.example.org' })
  }

  #dispatch(type: string, fields: object): void {
    this.dispatchEvent(Object.assign(new Event(type), fields))
  }

  #checkOpen(): void {
    if (this.signalingState === 'closed') throw new DOMException('The connection is closed.', 'InvalidStateError')
  }

  /** The operations chain: one after the other; what a closed connection was still doing never ends. */
  #operate(operation: Operation, run: () => void | Promise<void>): Promise<void> {
    if (this.signalingState === 'closed') return Promise.reject(new DOMException('It is closed.', 'InvalidStateError'))
    this.#queued += 1
    const result = this.#tail.then(async () => {
      await this.delay()
      if (this.signalingState === 'closed') return new Promise<void>(() => undefined)
      const refusals = this.#refusals.get(operation) ?? []
      if (refusals.length > 0) throw refusals.shift()
      return run()
    })
    this.#tail = result.then(
      () => this.#idle(),
      () => this.#idle(),
    )
    return result
  }

  #idle(): void {
    this.#queued -= 1
    if (this.#queued > 0 || !this.#updateWhenIdle) return
    this.#updateWhenIdle = false
    this.#update()
  }

  /** WebRTC 1.0, section 4.7.3: update the negotiation-needed flag. */
  #update(): void {
    if (this.#queued > 0) {
      this.#updateWhenIdle = true
      return
    }
    void inATask(() => {
      if (this.signalingState === 'closed') return
      if (this.#queued > 0) {
        this.#updateWhenIdle = true
        return
      }
      if (this.signalingState !== 'stable') return
      const before = this.#needed
      this.#needed = this.#isNeeded()
      if (this.#needed && !before) this.#dispatch('negotiationneeded', {})
    })
  }

  #isNeeded(): boolean {
    const fragment = fragmentOf(this.currentLocalDescription)
    if (fragment !== undefined && this.#fragmentsToReplace.has(fragment)) return true
    return this.#sections.some((section) => section.mid === undefined || section.agreed !== directionOf(section))
  }

  #makeOffer(): RTCSessionDescriptionInit {
    for (const section of this.#sections.filter(({ mid }) => mid === undefined)) {
      section.mid = Math.max(-1, ...this.#sections.map(({ mid }) => mid ?? -1)) + 1
      this.#unsettled.push(section)
    }
    const current = fragmentOf(this.currentLocalDescription)
    const fresh = current === undefined || this.#fragmentsToReplace.has(current)
    return this.#describe('offer', this.#sections, fresh ? this.#newFragment() : current)
  }

  #makeAnswer(): RTCSessionDescriptionInit {
    const offered = sectionsOf(this.pendingRemoteDescription)
    const sections = this.#sections.filter(({ mid }) => offered.some((line) => line.mid === mid))
    const current = fragmentOf(this.currentLocalDescription)
    const restarts = fragmentOf(this.pendingRemoteDescription) !== fragmentOf(this.currentRemoteDescription)
    return this.#describe('answer', sections, current === undefined || restarts ? this.#newFragment() : current)
  }

  #newFragment(): string {
    return `${this.name}u${++this.#fragments}`
  }

  #describe(type: 'offer' | 'answer', sections: readonly Section[], fragment: string): RTCSessionDescriptionInit {
    const described = sections.map((section) => ({ kind: section.kind, mid: section.mid ?? 0, direction: directionOf(section) }))
    return { type, sdp: describe(`${this.name} ${++this.#descriptions}`, type, fragment, described) }
  }

  #conclude(local: RTCSessionDescriptionInit | null, remote: RTCSessionDescriptionInit | null): void {
    this.currentLocalDescription = local
    this.currentRemoteDescription = remote
    this.pendingLocalDescription = null
    this.pendingRemoteDescription = null
    this.#unsettled = []
    this.#brought = []
    const own = sectionsOf(local)
    for (const section of this.#sections) section.agreed = own.find(({ mid }) => mid === section.mid)?.direction ?? section.agreed
    const fragment = fragmentOf(local)
    if (fragment !== undefined && !this.#fragmentsToReplace.has(fragment)) this.#fragmentsToReplace.clear()
    this.#stable()
  }

  #takeBack(expected: RTCSignalingState): Promise<void> {
    return this.#operate('rollback', () => {
      if (this.signalingState !== expected) throw new DOMException('There is nothing to take back.', 'InvalidStateError')
      if (expected === 'have-local-offer') return this.#rollBack()
      // JSEP, section 4.1.10.2: what the offer has made goes with it.
      for (const section of this.#brought.splice(0)) {
        section.mid = undefined
        if (section.kind !== 'application') this.#sections.splice(this.#sections.indexOf(section), 1)
      }
      this.pendingRemoteDescription = null
      this.#stable()
    })
  }

  #rollBack(): void {
    this.pendingLocalDescription = null
    for (const section of this.#unsettled.splice(0)) section.mid = undefined
    this.#stable()
  }

  #stable(): void {
    this.signalingState = 'stable'
    this.#needed = false
    this.#update()
  }

  /** Finds or makes a section for each one of an offer. */
  #associate(offer: RTCSessionDescriptionInit): void {
    for (const { mid, kind } of sectionsOf(offer)) {
      if (this.#sections.some((section) => section.mid === mid)) continue
      const application = this.#sections.find((section) => section.kind === 'application')
      if (kind !== 'application') {
        const transceiver = this.#newTransceiver(kind === 'audio' ? 'audio' : 'video', 'recvonly')
        const section = { kind, mid, agreed: undefined, transceiver }
        this.#sections.push(section)
        this.#brought.push(section)
      } else {
        const section = application ?? this.#addApplication()
        section.mid = mid
        this.#brought.push(section)
      }
    }
  }

  #addApplication(): Section {
    const section: Section = { kind: 'application', mid: undefined, agreed: undefined, transceiver: undefined }
    this.#sections.push(section)
    return section
  }

  #newTransceiver(kind: 'audio' | 'video', direction: RTCRtpTransceiverDirection): FakeTransceiver {
    // WebRTC 1.0, section 5.2: one of the operations, and the sender has the track only in a task after it.
    const replace: Replace = (run) => this.#operate('replaceTrack', () => inATask(run))
    return new FakeTransceiver(kind, direction, () => this.#update(), replace)
  }
}

/** WebRTC 1.0, section 6.1, and what WebIDL makes of numbers that are no `unsigned short`. */
function checkChannel(label: string, { maxPacketLifeTime, maxRetransmits }: RTCDataChannelInit): void {
  const numbers = [maxPacketLifeTime, maxRetransmits].filter((number) => number !== undefined)
  const fits = numbers.every((number) => number >= 0 && number <= 65_535)
  if (numbers.length === 2 || !fits || new TextEncoder().encode(label).length > 65_535) throw new TypeError('No such channel.')
}

function directionOf({ transceiver }: Section): string {
  return transceiver?.direction ?? 'sendrecv'
}

async function inATask(run: () => void): Promise<void> {
  for (let turn = 0; turn < TASK_TURNS; turn += 1) await Promise.resolve()
  run()
}
