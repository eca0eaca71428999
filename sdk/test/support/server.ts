/** A server that says what the test tells it to. */

import type { ClientMessage, ServerMessage, WelcomeMessage, WirePeer } from '../../src/generated/wire.ts'
import type { OpenSocket, Socket, SocketEvents } from '../../src/socket.ts'
import { server as blocks } from '../generated/fixtures.ts'
import { settle } from './clock.ts'
import { last } from './lists.ts'

/** One WebSocket, seen from the server. As with a browser's, nothing is heard of it once its own side has closed it. */
export class FakeSocket implements Socket {
  readonly url: string
  readonly protocols: readonly string[]
  readonly sent: ClientMessage[] = []
  /** The code that the client closed it with. */
  closedWith: number | undefined
  #events: SocketEvents | undefined

  constructor(url: string, protocols: readonly string[], events: SocketEvents) {
    this.url = url
    this.protocols = protocols
    this.#events = events
  }

  /** The token that the client offered. */
  get token(): string {
    return last(this.protocols).replace('aldis.bearer.', '')
  }

  send(text: string): void {
    if (this.#events === undefined) throw new Error('The client sends on a closed socket.')
    this.sent.push(JSON.parse(text))
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

  readonly openSocket: OpenSocket = (url, protocols, events) => {
    const socket = new FakeSocket(url, protocols, events)
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
  return { id, identity: `the ${id}`, presence: 'here', polite: true, features: ['numbered'], ...changes }
}

/** A refusal as the server words it. */
export function problem(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } })
}
