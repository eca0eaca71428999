/** What happens, for handlers that may be written in place: the latest is called, and none is subscribed again for being another. */

import type { Channel, ChannelEvents, ChannelOptions, Emitter, Room } from 'aldis-client'
import { useEffect, useState } from 'react'
import { check, checkHandlers, refuse } from './check.ts'
import { useLatest } from './latest.ts'

/**
 * Calls `handler` at each event of this name while the component is mounted. In the component that calls `useRoom`, and in those that are
 * rendered with the room at once, it hears everything since joining.
 *
 * @param target a room, one without calls, or a channel; nothing happens without one
 * @param name the event
 * @param handler whatever there is to do; the one of the last render counts
 * @example
 * useRoomEvent(room, 'message', ({ peer, data }) => show(peer.identity, data))
 */
export function useRoomEvent<Events, Name extends keyof Events>(
  target: Emitter<Events> | undefined,
  name: Name,
  handler: (event: Events[Name]) => void,
): void {
  check('target', 'a room or a channel', target, 'on')
  if (typeof handler !== 'function') refuse('handler', 'a function', handler)
  const latest = useLatest(handler)
  useEffect(() => target?.on(name, (event) => latest.current(event)), [target, name, latest])
}

/**
 * What is to be done at the events of a channel.
 *
 * @example
 * const handlers: ChannelHandlers = {
 *   open: ({ peer }) => show(`${peer.identity} can hear you`),
 *   message: ({ data, from }) => show(from.identity, data),
 * }
 * const chat = useChannel(room, 'chat', handlers)
 */
export type ChannelHandlers = { readonly [Name in keyof ChannelEvents]?: (event: ChannelEvents[Name]) => void }

/**
 * The data channel of a name, once the component is mounted and there is a room. The handlers hear everything, also what came before.
 * The channel goes on when the component is unmounted: it is the room's.
 *
 * @param room a room
 * @param name what both sides call it
 * @param handlers what to do when something comes, and when the way to a peer opens or closes
 * @param options how it delivers; those of the first call count
 * @example
 * const chat = useChannel(room, 'chat', { message: ({ data, from }) => show(from.identity, data) })
 * const say = () => chat?.send('hello')
 */
export function useChannel(
  room: Room | undefined,
  name: string,
  handlers: ChannelHandlers = {},
  options: ChannelOptions = {},
): Channel | undefined {
  check('room', 'a room', room, 'channel')
  checkHandlers(handlers)
  const latest = useLatest({ handlers, options })
  const [held, hold] = useState<{ readonly room: Room; readonly channel: Channel }>()
  useEffect(() => {
    if (room === undefined) return
    // Not while rendering: whoever asks for a channel gets what waits for it, and has to listen by then.
    const channel = room.channel(name, latest.current.options)
    const offs = [
      channel.on('message', (event) => latest.current.handlers.message?.(event)),
      channel.on('open', (event) => latest.current.handlers.open?.(event)),
      channel.on('close', (event) => latest.current.handlers.close?.(event)),
    ]
    hold({ room, channel })
    return () => {
      for (const off of offs) off()
    }
  }, [room, name, latest])
  return held?.room === room && held?.channel.name === name ? held.channel : undefined
}
