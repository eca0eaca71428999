/** The way messages travel between this client and the server. */

import type { AldisError } from './errors.ts'

/**
 * An open or opening way to the server; what {@link OpenSocket} returns.
 *
 * @example
 * // Counts what is said to the server.
 * let said = 0
 * const openSocket: OpenSocket = (...how) => {
 *   const socket: Socket = openWebSocket(...how)
 *   const send = (text: string) => {
 *     said += 1
 *     socket.send(text)
 *   }
 *   return { send, close: (code) => socket.close(code) }
 * }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { openSocket } })
 */
export interface Socket {
  /** Sends a message; called only when it is open. */
  send(text: string): void
  /** Closes it with a WebSocket close code; none of its {@link SocketEvents} may follow. */
  close(code: number): void
}

/**
 * What a socket tells; what {@link OpenSocket} is given.
 *
 * @example
 * // Shows what the server says.
 * const shown = (events: SocketEvents): SocketEvents => ({
 *   onOpen: () => events.onOpen(),
 *   onMessage: (data) => {
 *     show(data)
 *     events.onMessage(data)
 *   },
 *   onClose: (code, refusal) => events.onClose(code, refusal),
 * })
 * const openSocket: OpenSocket = (url, protocols, events) => openWebSocket(url, protocols, shown(events))
 */
export interface SocketEvents {
  /** It is open. */
  onOpen(): void
  /** A message came. */
  onMessage(data: unknown): void
  /** It has closed, or has never opened; with the WebSocket close code, and the server's refusal where it said one. */
  onClose(code: number, refusal?: AldisError): void
}

/**
 * How messages travel: by WebSocket, or where none opens by event stream and POST (`auto`); or by one of them alone.
 *
 * @example
 * // A setting of your own, for who knows that his network lets no WebSocket through.
 * const transport: Transport = localStorage.getItem('transport') === 'sse' ? 'sse' : 'auto'
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, transport })
 */
export type Transport = 'auto' | 'websocket' | 'sse'

/**
 * Opens a way to the server at a `wss:` or `ws:` URL, which offers these subprotocols.
 *
 * @example
 * // The same server under another name.
 * const openSocket: OpenSocket = (url, protocols, events) =>
 *   openWebSocket(url.replace('rtc.example.org', 'rtc-2.example.org'), protocols, events)
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { openSocket } })
 */
export type OpenSocket = (url: string, protocols: string[], events: SocketEvents) => Socket

/**
 * The class `WebSocket`, as far as it is used: the browser's, that of Node 22, or that of the package `ws`.
 *
 * @example
 * // In Node 20, after `import WebSocket from 'ws'`:
 * await SignalingClient.join('https://rtc.example.org', { room: 'standup', token, WebSocket })
 */
export type WebSocketClass = new (
  url: string,
  protocols: string[],
) => {
  /** As the browser's. */
  onopen: unknown
  /** As the browser's. */
  onmessage: unknown
  /** As the browser's. */
  onclose: unknown
  /** As the browser's. */
  onerror: unknown
  /** As the browser's. */
  send(text: string): void
  /** As the browser's. */
  close(code: number): void
}

/** Opens sockets of a class. */
export function socketsOf(WebSocketClass: WebSocketClass): OpenSocket {
  return (url, protocols, events) => {
    const socket = new WebSocketClass(url, protocols)
    socket.onopen = () => events.onOpen()
    socket.onmessage = ({ data }: { data: unknown }) => events.onMessage(data)
    socket.onclose = ({ code }: { code: number }) => events.onClose(code)
    // Its close follows. The package `ws` throws what nobody listens for.
    socket.onerror = () => undefined
    return {
      send: (text) => socket.send(text),
      close: (code) => {
        socket.onopen = socket.onmessage = socket.onclose = null
        socket.close(code)
      },
    }
  }
}

/**
 * The WebSocket of browsers and of Node 22; for those who want to wrap it.
 *
 * @example
 * const openSocket: OpenSocket = (url, protocols, events) => {
 *   show(`connecting to ${new URL(url).host}`)
 *   return openWebSocket(url, protocols, events)
 * }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { openSocket } })
 */
export const openWebSocket: OpenSocket = (url, protocols, events) => socketsOf(WebSocket)(url, protocols, events)
