/** A server that says what the test tells it to. */

import type { ClientMessage, JsonObject, ServerMessage, WelcomeMessage, WirePeer } from '../../src/generated/wire.ts'
import type { StreamHeader } from '../../src/outgoing.ts'
import type { OpenSocket, Socket, SocketEvents } from '../../src/socket.ts'
import { server as blocks } from '../generated/fixtures.ts'
import { settle } from './clock.ts'
import { last } from './lists.ts'

/**
 * One WebSocket, seen from the server. As with a browser's, nothing is heard of it once its own side has closed it. Whoever a stream goes
 * to acknowledges it, unless the test says otherwise; what streams add is not in what was {@link FakeSocket.sent}.
 */
export class FakeSocket implements Socket {
  readonly url: string
  readonly protocols: readonly string[]
  readonly sent: ClientMessage[] = []
  /** The same with what streams add, and what was sent again. */
  readonly wire: ClientMessage[] = []
  /** Whether the peers acknowledge. */
  acknowledges = true
  /** The code that the client closed it with. */
  closedWith: number | undefined
  readonly #answersPings: () => boolean
  #events: SocketEvents | undefined

  constructor(url: string, protocols: readonly string[], events: SocketEvents, answersPings: () => boolean) {
    this.url = url
    this.protocols = protocols
    this.#events = events
    this.#answersPings = answersPings
  }

  /** The token that the client offered. */
  get token(): string {
    return last(this.protocols).replace('aldis.bearer.', '')
  }

  send(text: string): void {
    if (this.#events === undefined) throw new Error('The client sends on a closed socket.')
    const message: ClientMessage = JSON.parse(text)
    this.wire.push(message)
    this.#record(message)
    if (message.type === 'ping' && this.#answersPings()) queueMicrotask(() => this.say({ type: 'pong' }))
  }

  #record(message: ClientMessage): void {
    const { s, a, ...others } = ('x' in message && message.x ? message.x : {}) as StreamHeader & JsonObject
    if (message.type === 'ack') return
    if (s === undefined || !('to' in message) || message.to === undefined) return void this.sent.push(message)
    const { x, ...rest } = message
    this.sent.push((Object.keys(others).length > 0 ? { ...rest, x: others } : rest) as ClientMessage)
    const { to } = message
    if (this.acknowledges) queueMicrotask(() => this.say({ type: 'ack', from: to, x: { a: s } }))
  }

  close(code: number): void {
    if (this.#events === undefined) return
    this.#events = undefined
    this.closedWith = code
  }

  /** The messages of one type that came. */
  of<Type extends ClientMessage['type']>(type: Type): Extract<ClientMessage, { type: Type }>[] {
    return this.sent.filter((message): message is Extract<ClientMessage, { type: Type }> => message.type === type)
  }

  open(): void {
    this.#events?.onOpen()
  }

  say(...messages: ServerMessage[]): void {
    for (const message of messages) this.#events?.onMessage(JSON.stringify(message))
  }

  /** Says something that no server of this protocol says. */
  utter(data: unknown): void {
    this.#events?.onMessage(data)
  }

  /** Closes it from the server's side, or from the network's. */
  drop(code: number): void {
    const events = this.#events
    this.#events = undefined
    events?.onClose(code)
  }
}

/** A request that is no WebSocket. */
export interface FakeRequest {
  readonly url: string
  readonly authorization: string | null
}

/** The server: it takes sockets, and answers requests as the test says. */
export class FakeServer {
  readonly sockets: FakeSocket[] = []
  readonly requests: FakeRequest[] = []
  /** Answers requests; by default as where nothing is wrong. */
  answer: () => Response | Promise<Response> = () => new Response('{}')

  /** Whether it is there to answer a `ping`. */
  answersPings = true

  readonly openSocket: OpenSocket = (url, protocols, events) => {
    const socket = new FakeSocket(url, protocols, events, () => this.answersPings)
    this.sockets.push(socket)
    return socket
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    this.requests.push({ url, authorization: new Headers(init.headers).get('authorization') })
    return this.answer()
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    return last(this.sockets)
  }

  /** Lets the newest socket in. */
  async welcome(changes: Partial<WelcomeMessage> = {}): Promise<FakeSocket> {
    await settle()
    this.socket.open()
    this.socket.say(welcome(changes))
    await settle()
    return this.socket
  }
}

/** The `welcome` of the protocol's page, alone in the room where nothing else is said. */
export function welcome(changes: Partial<WelcomeMessage> = {}): WelcomeMessage {
  const block = blocks.find((message): message is WelcomeMessage => message.type === 'welcome')
  if (block === undefined) throw new Error('The protocol page has no `welcome`.')
  return { ...block, peers: [], ...changes }
}

/** Somebody in the room: by default an older one with this library, so that the client under test is polite. */
export function wirePeer(id: string, changes: Partial<WirePeer> = {}): WirePeer {
  return { id, identity: `the ${id}`, presence: 'here', polite: true, features: ['streams'], ...changes }
}

/** A refusal as the server words it. */
export function problem(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } })
}
