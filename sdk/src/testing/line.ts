/** One WebSocket in memory, with what networks do to it. */

import type { Clock } from '../clock.ts'
import type { ServerMessage } from '../generated/wire.ts'
import type { Socket, SocketEvents } from '../socket.ts'

/** What the server's end of a line hears. */
export interface LineEvents {
  message(text: string): void
  closed(code: number): void
}

/** A line: the client has the {@link Socket}, the server the rest. Nothing overtakes anything on it. */
export class Line implements Socket {
  /** The token that the client offered. */
  readonly token: string
  readonly #clock: Clock
  #client: SocketEvents | undefined
  #server: LineEvents | undefined
  /** How long everything takes, each way. */
  #delayMs: () => number
  /** When the last of what is on its way arrives, each way. */
  readonly #busyUntil = { client: 0, server: 0 }
  /** Whether it looks open and carries nothing. */
  #isSilent = false

  constructor(token: string, clock: Clock, client: SocketEvents, delayMs: () => number) {
    this.token = token
    this.#clock = clock
    this.#client = client
    this.#delayMs = delayMs
  }

  /** Whether nothing comes through. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  /** Opens it; from now on the server hears. */
  open(server: LineEvents): void {
    this.#server = server
    this.#later('client', () => this.#client?.onOpen())
  }

  /** From the client. */
  send(text: string): void {
    this.#later('server', () => this.#server?.message(text))
  }

  /** From the client: it hears nothing more. */
  close(code: number): void {
    this.#client = undefined
    this.#later('server', () => this.#takeServer()?.closed(code))
  }

  /** From the server. */
  say(message: ServerMessage): void {
    const text = JSON.stringify(message)
    this.#later('client', () => this.#client?.onMessage(text))
  }

  /** From the server: it hears nothing more. */
  end(code: number): void {
    this.#server = undefined
    this.#later('client', () => this.#takeClient()?.onClose(code))
  }

  /** It breaks, and both ends notice. */
  cut(): void {
    this.#takeClient()?.onClose(1006)
    this.#takeServer()?.closed(1006)
  }

  /** It never opens. */
  refuse(): void {
    this.#later('client', () => this.#takeClient()?.onClose(1006))
  }

  /** It breaks, and neither end notices, until it is asked to. */
  silence(): void {
    this.#isSilent = true
  }

  /** Both ends hear each other again; what was said meanwhile is lost. */
  hear(): void {
    this.#isSilent = false
  }

  #takeClient(): SocketEvents | undefined {
    const client = this.#client
    this.#client = undefined
    return client
  }

  #takeServer(): LineEvents | undefined {
    const server = this.#server
    this.#server = undefined
    return server
  }

  #later(to: 'client' | 'server', run: () => void): void {
    if (this.#isSilent) return
    const now = this.#clock.now()
    const at = Math.max(this.#busyUntil[to], now + this.#delayMs())
    this.#busyUntil[to] = at
    const arrive = (): void => {
      if (!this.#isSilent) run()
    }
    if (at > now) this.#clock.after(at - now, arrive)
    else queueMicrotask(arrive)
  }
}
