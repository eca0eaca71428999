/** The way messages travel between this client and the server. */

/** An open or opening way. */
export interface Socket {
  /** Sends a message. */
  send(text: string): void
  /** Closes it; none of its {@link SocketEvents} follow. */
  close(code: number): void
}

/** What a socket tells. */
export interface SocketEvents {
  onOpen(): void
  onMessage(data: unknown): void
  /** It has closed, or has never opened. */
  onClose(code: number): void
}

/** Opens a socket. */
export type OpenSocket = (url: string, protocols: string[], events: SocketEvents) => Socket

/** The browser's WebSocket. */
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
