// @ts-check
/** A network that can be dropped: what the library opens goes through it, so the page sees what a real break looks like. */

import { AldisError, openWebSocket } from '/sdk.js'
import { button, press } from './dom.js'
import { complain, settle } from './notice.js'

/** @import { OpenSocket, Room, Socket, SocketEvents } from '/sdk.js' */

const DROP_MS = 10_000

/** What a browser reports of a connection that broke: RFC 6455, section 7.4.1. */
const BROKEN = 1006

/** A client's close that keeps its session, as a break does. */
const WILL_RESUME = 3001

const EXPLANATION = new AldisError('server-unreachable', 'You dropped the network.', {
  hint: `Only the way to the server is cut. Video, sound and chat go on: they run straight between the browsers. It comes back in ${DROP_MS / 1000} s, or when you press the button again.`,
})

export class Network {
  /** @type {Map<Socket, SocketEvents>} */
  #sockets = new Map()
  /** @type {'up' | 'down'} */
  #state = 'up'
  #timer = 0

  /** What `joinRoom` takes in the place of the browser's own. */
  environment = {
    /** @type {OpenSocket} */
    openSocket: (url, protocols, events) => (this.#state === 'up' ? this.#open(url, protocols, events) : refuse(events)),
    /** @type {(url: string, init: RequestInit) => Promise<Response>} */
    fetch: async (url, init) => {
      if (this.#state === 'down') throw new TypeError('The network is dropped.')
      return fetch(url, init)
    },
  }

  /** @param {Room} room */
  watch(room) {
    button('drop').onclick = () => (this.#state === 'up' ? this.#drop() : this.#restore())
    room.on('status', ({ status }) => {
      if (status === 'left' || status === 'failed') this.#restore()
    })
  }

  #drop() {
    this.#state = 'down'
    this.#timer = setTimeout(() => this.#restore(), DROP_MS)
    press(button('drop'), true)
    complain('network', EXPLANATION)
    for (const [socket, events] of this.#sockets) {
      this.#sockets.delete(socket)
      socket.close(WILL_RESUME)
      events.onClose(BROKEN)
    }
  }

  #restore() {
    this.#state = 'up'
    clearTimeout(this.#timer)
    press(button('drop'), false)
    settle('network')
  }

  /** @type {OpenSocket} */
  #open(url, protocols, events) {
    /** @type {(code: number) => void} */
    const onClose = (code) => {
      this.#sockets.delete(socket)
      events.onClose(code)
    }
    const socket = openWebSocket(url, protocols, { ...events, onClose })
    this.#sockets.set(socket, events)
    return {
      send: (text) => socket.send(text),
      close: (code) => {
        this.#sockets.delete(socket)
        socket.close(code)
      },
    }
  }
}

/**
 * A socket that never opens.
 *
 * @param {SocketEvents} events
 * @returns {Socket}
 */
function refuse(events) {
  const refusal = setTimeout(() => events.onClose(BROKEN))
  return { send() {}, close: () => clearTimeout(refusal) }
}
