/** Where the connections of the test server come in: who is let in, under which id, and what each of them may say. */

import type { Clock } from '../clock.ts'
import { AldisError } from '../errors.ts'
import type { ClientMessage, ErrorCode, HelloRequest, RemoveRequest, Signal } from '../generated/wire.ts'
import { BEARER_PREFIX, PROTOCOL, type WelcomeMessage } from '../generated/wire.ts'
import { Scope } from '../scope.ts'
import type { SocketEvents } from '../socket.ts'
import { claimsOf, type TestClaims, tokenOf } from './claims.ts'
import { readMessage } from './envelope.ts'
import { checkWhom } from './input.ts'
import { Line } from './line.ts'
import { closeCodeOf, problemOf, wireError } from './refusals.ts'
import { RESUME_WINDOW_MS, TestRoom } from './room.ts'
import { nameOf, type Script, type Whom } from './script.ts'
import { Session } from './session.ts'
import { Tickets } from './tickets.ts'
import { FEATURES, HEARTBEAT, LIMITS, RESUME_EVERY_MS, ROOM_PEERS } from './welcome.ts'

/** When the clock of a test stood at 0, in Unix milliseconds. */
const EPOCH = 1_800_000_000_000

const TOKEN_SECONDS = 3_600

/** How long before its end a token is said to expire, in milliseconds. */
const EXPIRING_MS = 60_000

export interface Seat {
  readonly room: TestRoom
  readonly session: Session
}

/** What a connection is about. */
export interface Guest {
  readonly line: Line
  readonly roomId: string
  readonly scope: Scope
  claims: TestClaims & { readonly exp: number }
  seat: Seat | undefined
}

/** What it needs. */
export interface DeskOptions {
  readonly clock: Clock
  readonly script: Script
  readonly iceServers: readonly RTCIceServer[]
}

/** The desk. */
export class Desk {
  readonly guests: Set<Guest> = new Set()
  readonly rooms: Map<string, TestRoom> = new Map()
  readonly #options: DeskOptions
  readonly #clock: Clock
  readonly #script: Script
  readonly #tickets: Tickets
  /** Until when a moderator keeps an identity out of a room; by both, and no room has a space in its name. */
  readonly #keptOut = new Map<string, number>()
  #made = 0

  constructor(options: DeskOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#script = options.script
    this.#tickets = new Tickets(options.clock)
  }

  token(claims: TestClaims): string {
    return tokenOf({ exp: Math.floor(this.#wallMs() / 1_000) + TOKEN_SECONDS, ...claims })
  }

  /** Forgets everybody, as a process that was killed, and with their sessions what it signed. */
  forget(sessions: 'kept' | 'lost'): void {
    const lines = [...this.guests].map(({ line }) => line)
    for (const guest of this.guests) guest.scope.end()
    for (const { sessions: known } of this.rooms.values()) for (const { away } of known) away?.scope.end()
    this.guests.clear()
    this.rooms.clear()
    if (sessions === 'lost') this.#tickets.forget()
    for (const line of lines) line.end(1006)
  }

  /** A moderator removes somebody. */
  kick(guest: Guest, reason: string | undefined): void {
    const { seat } = guest
    this.expel(guest, 'removed', reason === undefined ? undefined : `Removed by a moderator: ${reason}`)
    if (seat !== undefined) seat.room.gone(seat.session, 'removed')
  }

  find(who: Whom): Guest[] {
    checkWhom('who', who)
    const name = nameOf(who)
    const found = [...this.guests].filter(({ seat }) => seat?.session.claims.sub === name || seat?.session.id === name)
    if (found.length === 0)
      throw new AldisError('invalid-option', `Nobody called ${name} is connected to the test server.`, { hint: '' })
    return found
  }

  #wallMs(): number {
    return EPOCH + this.#clock.now()
  }

  open(url: string, protocols: readonly string[], events: SocketEvents): Line {
    const token = protocols.find((protocol) => protocol.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length) ?? ''
    const line = new Line(token, this.#clock, events, () => this.#script.delayMs)
    if (this.#script.refuses) {
      line.refuse()
      return line
    }
    const roomId = new URL(url).searchParams.get('room') ?? ''
    const claims = claimsOf(token)
    const scope = new Scope(this.#clock)
    if (claims === undefined) {
      line.open({ message: () => undefined, closed: () => undefined })
      this.#say(line, 'token-invalid')
      return line
    }
    const guest: Guest = { line, roomId, scope, claims, seat: undefined }
    line.open({ message: (text) => this.#heard(guest, text), closed: (code) => this.closed(guest, code) })
    const refusal = this.#refusal(claims, roomId)
    if (refusal === undefined) this.guests.add(guest)
    else this.#say(line, refusal)
    return line
  }

  /** Says why, and closes. */
  #say(line: Line, code: ErrorCode, message?: string): void {
    line.say({ type: 'error', ...wireError(code, message) })
    line.end(closeCodeOf(code))
  }

  expel(guest: Guest, code: ErrorCode, message?: string): void {
    this.#say(guest.line, code, message)
    this.closed(guest, closeCodeOf(code))
  }

  #refusal(claims: TestClaims & { readonly exp: number }, roomId: string): ErrorCode | undefined {
    if (claims.exp * 1_000 <= this.#wallMs()) return 'token-expired'
    if ((this.#keptOut.get(`${roomId} ${claims.sub}`) ?? 0) > this.#wallMs()) return 'token-revoked'
    return claims.room === roomId ? undefined : 'forbidden'
  }

  /** A request that is no WebSocket: the probe, or one for a development token. */
  answer(url: string, init: RequestInit): Response {
    const { pathname, searchParams } = new URL(url)
    const room = searchParams.get('room') ?? ''
    if (pathname === '/dev/token') {
      return new Response(JSON.stringify({ token: this.token({ sub: searchParams.get('identity') ?? 'guest', room }) }))
    }
    const claims = claimsOf((new Headers(init.headers).get('authorization') ?? '').replace(/^Bearer /, ''))
    const code = this.#script.takeRefusal() ?? (claims === undefined ? 'token-invalid' : this.#refusal(claims, room))
    return code === undefined ? new Response('{}') : problemOf(wireError(code))
  }

  #heard(guest: Guest, text: string): void {
    const read = readMessage(text)
    if (read === 'too-big') {
      guest.line.say({ type: 'error', ...wireError('too-large') })
      guest.line.end(1009)
      return this.closed(guest, 1009)
    }
    if ('code' in read) {
      const { code, ...about } = read
      return guest.line.say({ type: 'error', ...wireError(code), ...about })
    }
    const { message } = read
    if (guest.seat !== undefined) return this.#handle(guest, guest.seat, message)
    if (message.type !== 'hello') return guest.line.say({ type: 'error', ...wireError('bad-envelope') })
    if (message.protocol !== PROTOCOL) return this.expel(guest, 'protocol-unsupported')
    this.#join(guest, message)
  }

  #handle(guest: Guest, seat: Seat, message: ClientMessage): void {
    const { room, session } = seat
    const { line } = guest
    // Any message of a frozen page thaws it.
    if (message.type !== 'frozen' && session.away !== undefined) room.handOver(session, room.back(session))
    switch (message.type) {
      case 'hello':
        return line.say({ type: 'error', ...wireError('bad-envelope') })
      case 'ping':
        return line.say({ type: 'pong', ...(message.t !== undefined && { t: message.t }) })
      case 'ice-servers':
        return line.say({ type: 'ice-servers', ...this.#iceServers() })
      case 'auth':
        return this.#renew(guest, seat, message.token)
      case 'update':
        session.attributes = message.attributes
        return room.show(session, 'peer-updated')
      case 'check':
        return room.check(session, message.id, (dead) => this.#lose(dead))
      case 'frozen':
        return room.away(session)
      case 'leave':
        line.end(1000)
        guest.scope.end()
        this.guests.delete(guest)
        return room.gone(session, 'left')
      case 'remove':
        return this.#remove(room, session, message)
      default:
        return this.#signal(room, session, message)
    }
  }

  #signal(room: TestRoom, session: Session, signal: Signal): void {
    const code = this.#script.takeError(signal, session)
    if (code === undefined) room.signal(session, signal)
    else room.refuse(session, signal, code)
  }

  #remove(room: TestRoom, session: Session, { id, reason, forMs }: RemoveRequest): void {
    const target = [...this.guests].find(({ seat }) => seat?.session.id === id && seat.session !== session)
    const refuse = (code: ErrorCode): void => room.tell(session, { type: 'error', ...wireError(code), to: id })
    if (!session.can('moderate')) return refuse('forbidden')
    if (target === undefined) return refuse(room.left.includes(id) ? 'peer-gone' : 'unknown-peer')
    const { sub } = target.claims
    this.kick(target, reason)
    if (forMs === undefined) return
    this.#keptOut.set(`${room.id} ${sub}`, this.#wallMs() + forMs)
    // Whoever else is there as the same identity.
    for (const guest of this.guests) if (guest.seat?.room === room && guest.claims.sub === sub) this.kick(guest, reason)
  }

  #renew(guest: Guest, { room, session }: Seat, token: string): void {
    const claims = claimsOf(token)
    const code = claims === undefined ? 'token-invalid' : this.#refusal(claims, guest.roomId)
    if (claims === undefined || code !== undefined || claims.sub !== session.claims.sub) {
      return guest.line.say({ type: 'error', ...wireError(code ?? 'forbidden') })
    }
    const isChanged = describes(session) !== describes({ claims, features: session.features })
    guest.claims = claims
    session.claims = claims
    guest.line.say({ type: 'auth-ok', tokenExpiresAt: claims.exp * 1_000 })
    this.#watchToken(guest)
    if (isChanged) room.show(session, 'peer-updated')
  }

  #join(guest: Guest, { resume, features = [] }: HelloRequest): void {
    const { claims, line, roomId } = guest
    const room = this.rooms.get(roomId) ?? new TestRoom(roomId, this.#clock, this.#script)
    this.rooms.set(roomId, room)
    const ticket = this.#tickets.read(resume, claims.sub, roomId)
    const known = ticket && room.find(ticket.id)
    if (known !== undefined) return this.#resume(guest, room, known, features)
    const isRecalled = ticket?.isFresh === true && !room.left.includes(ticket.id)
    const code = isRecalled ? undefined : this.#admission(room, claims)
    if (code !== undefined) return this.expel(guest, code)
    room.seq = Math.max(room.seq + (isRecalled ? 0 : 1), isRecalled ? ticket.place : 0)
    const id = isRecalled ? ticket.id : `peer-${++this.#made}`
    const previous = isRecalled ? undefined : ticket?.id
    const place = isRecalled ? ticket.place : room.seq
    const generation = isRecalled ? ticket.generation + 1 : 1
    if (claims.duplicates === 'replace' && !isRecalled) this.#replace(room, claims.sub)
    const session = new Session({ id, place, generation, claims, features, previous, line })
    this.#seat(guest, room, session, isRecalled ? 'resumed' : 'new')
    room.enter(session)
  }

  #replace(room: TestRoom, identity: string): void {
    for (const other of room.sessions.filter(({ claims }) => claims.sub === identity)) {
      const guest = [...this.guests].find(({ seat }) => seat?.session === other)
      if (guest !== undefined) this.expel(guest, 'replaced')
      room.gone(other, 'replaced')
    }
  }

  /** A session that is known goes on with a new connection; the old one is fenced. */
  #resume(guest: Guest, room: TestRoom, session: Session, features: readonly string[]): void {
    const old = [...this.guests].find(({ seat }) => seat?.session === session)
    if (old !== undefined) {
      old.seat = undefined
      this.expel(old, 'superseded')
    }
    const isChanged = describes(session) !== describes({ claims: guest.claims, features })
    session.generation += 1
    session.claims = guest.claims
    session.features = features
    session.line = guest.line
    const parked = room.back(session)
    this.#seat(guest, room, session, 'resumed')
    room.handOver(session, parked)
    if (isChanged) room.show(session, 'peer-updated')
  }

  #admission(room: TestRoom, { sub, maxPeers = ROOM_PEERS, duplicates }: TestClaims): ErrorCode | undefined {
    const same = room.sessions.filter(({ claims }) => claims.sub === sub).length
    if (duplicates === 'reject' && same > 0) return 'identity-taken'
    const before = room.sessions.length - (duplicates === 'replace' ? same : 0)
    return before >= Math.min(maxPeers, this.#mostIn(room.id)) ? 'room-full' : undefined
  }

  #mostIn(room: string): number {
    return this.#script.mostIn(room) ?? ROOM_PEERS
  }

  #seat(guest: Guest, room: TestRoom, session: Session, continuity: 'new' | 'resumed'): void {
    guest.seat = { room, session }
    guest.line.say(this.#welcome(room, session, continuity))
    this.#watchToken(guest)
    const renew = (): void => {
      guest.line.say({ type: 'resume', token: this.#tickets.write(room.id, session) })
      guest.scope.after(RESUME_EVERY_MS, renew)
    }
    guest.scope.after(RESUME_EVERY_MS, renew)
  }

  #watchToken(guest: Guest): void {
    const { claims, scope } = guest
    const leftMs = claims.exp * 1_000 - this.#wallMs()
    const isStill = (): boolean => guest.claims === claims
    scope.after(Math.max(0, leftMs - EXPIRING_MS), () => {
      if (isStill()) guest.line.say({ type: 'token-expiring', tokenExpiresAt: claims.exp * 1_000 })
    })
    scope.after(leftMs, () => {
      if (isStill()) this.expel(guest, 'token-expired')
    })
  }

  #welcome(room: TestRoom, session: Session, continuity: 'new' | 'resumed'): WelcomeMessage {
    const others = room.sessions.filter((other) => other !== session)
    return {
      type: 'welcome',
      protocol: PROTOCOL,
      features: FEATURES,
      node: 'test',
      peer: session.seenFrom(session),
      room: { id: room.id, maxPeers: Math.min(session.claims.maxPeers ?? ROOM_PEERS, this.#mostIn(room.id)) },
      peers: others.map((other) => other.seenFrom(session)),
      left: continuity === 'resumed' ? room.left : [],
      resumed: continuity === 'resumed',
      resume: { token: this.#tickets.write(room.id, session), windowMs: RESUME_WINDOW_MS },
      ...this.#iceServers(),
      heartbeat: HEARTBEAT,
      limits: LIMITS,
      tokenExpiresAt: session.claims.exp === undefined ? 0 : session.claims.exp * 1_000,
    }
  }

  #iceServers(): Pick<WelcomeMessage, 'iceCutsAtExpiry' | 'iceServers'> {
    const servers = this.#options.iceServers
    return { iceServers: servers.map((server) => ({ ...server, urls: [server.urls].flat() })), iceCutsAtExpiry: false }
  }

  #lose(session: Session): void {
    const guest = [...this.guests].find(({ seat }) => seat?.session === session)
    if (guest !== undefined) this.closed(guest, 1006)
  }

  /** A connection has ended. */
  closed(guest: Guest, code: number): void {
    guest.scope.end()
    this.guests.delete(guest)
    const { seat } = guest
    guest.seat = undefined
    if (seat === undefined || seat.session.line !== guest.line) return
    seat.session.line = undefined
    if (code === 1000) seat.room.gone(seat.session, 'left')
    else seat.room.away(seat.session)
  }
}

/** What the others see of a peer. */
function describes({ claims, features }: Pick<Session, 'claims' | 'features'>): string {
  return JSON.stringify([claims.name, claims.metadata, features])
}
