/** The way messages travel between this client and the server. */

/** An open or opening way to the server; what {@link OpenSocket} returns. */
export interface Socket {
  /** Sends a message; called only when it is open. */
  send(text: string): void
  /** Closes it with a WebSocket close code; none of its {@link SocketEvents} may follow. */
  close(code: number): void
}

/** What a socket tells; what {@link OpenSocket} is given. */
export interface SocketEvents {
  /** It is open. */
  onOpen(): void
  /** A message came. */
  onMessage(data: unknown): void
  /** It has closed, or has never opened; with the WebSocket close code. */
  onClose(code: number): void
}

/** Opens a way to the server at a `wss:` or `ws:` URL, which offers these subprotocols. */
export type OpenSocket = (url: string, protocols: string[], events: SocketEvents) => Socket

/** The browser's WebSocket; for those who want to wrap it. */
export const openWebSocket: OpenSocket = (url, protocols, events) => {
  const socket = new WebSocket(url, protocols)
  socket.onopen = () => events.onOpen()
  socket.onmessage = ({ data }) => events.onMessage(data)
  socket.onclose = ({ code }) => events.onClose(code)
  return {
    send: (text) => socket.send(text),
    close: (code) => {
      socket.onopen = null
      socket.onmessage = null
      socket.onclose = null
      socket.close(code)
    },
  }
}
