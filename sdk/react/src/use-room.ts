/** Being in a room for as long as a component is mounted. */

import { type AldisError, type JoinOptions, joinRoom, type Room, type RoomSnapshot, type Status } from 'aldis-client'
import { useEffect, useReducer, useState, useSyncExternalStore } from 'react'
import { useLatest } from './latest.ts'
import { useSnapshot } from './snapshot.ts'
import { Stay } from './stay.ts'

/**
 * How to join: as for `joinRoom`, without its `signal`, because being mounted says it.
 *
 * @example
 * const options: RoomOptions = { room: 'standup', token: () => fetch('/token').then((answer) => answer.text()) }
 * const { room } = useRoom('https://rtc.example.org', options)
 */
export type RoomOptions = Omit<JoinOptions, 'signal'>

/**
 * Not in a room: not wanted, not yet, or not let in.
 *
 * @example
 * function Lobby({ status, error, rejoin }: OutsideRoom) {
 *   if (status === 'failed') return createElement('button', { onClick: rejoin }, error?.hint)
 *   return status === 'connecting' ? 'Joining …' : 'You are in no room.'
 * }
 */
export interface OutsideRoom {
  /** `idle` without options, `connecting` while joining, `failed` where that failed: `error` says why. */
  readonly status: 'idle' | 'connecting' | 'failed'
  /** There is none. */
  readonly room: undefined
  /** There is none. */
  readonly snapshot: undefined
  /** Why joining failed. */
  readonly error: AldisError | undefined
  /** Joins again. */
  readonly rejoin: () => void
}

/**
 * In a room, or in one that has ended.
 *
 * @example
 * function People({ snapshot, status }: InsideRoom) {
 *   const names = snapshot.peers.map(({ identity }) => identity)
 *   return createElement('p', { className: status }, names.join(', '))
 * }
 */
export interface InsideRoom {
  /** How the connection to the server is. `failed` is final for it, not for the calls; `error` says why. */
  readonly status: Status
  /** The room. */
  readonly room: Room
  /** What is visible of it. */
  readonly snapshot: RoomSnapshot
  /** Why it reconnects or has ended. */
  readonly error: AldisError | undefined
  /** Leaves and joins again, as somebody new. */
  readonly rejoin: () => void
}

/**
 * What {@link useRoom} returns.
 *
 * @example
 * const state: RoomState = useRoom('https://rtc.example.org', { room: 'standup', token })
 * show(state.room ? state.snapshot.peers.length : state.status)
 */
export type RoomState = InsideRoom | OutsideRoom

/**
 * Is in a room while the component is mounted and there are options; otherwise it is not, and leaves if it was. Another `url` or another
 * `room` is another stay. Whatever else changes does not rejoin: other options count when it joins next, and of `token` and `connect` the
 * latest function is called, so all of them may be written in place.
 *
 * A second component that calls it is a second peer: call it once, and pass the room on.
 *
 * @param url the server
 * @param options the room, and how to join it; `null` to be in none
 * @example
 * function Call({ token }: { token: () => Promise<string> }) {
 *   const { room, snapshot, status, error, rejoin } = useRoom('https://rtc.example.org', { room: 'standup', token })
 *   if (status === 'failed') return createElement('button', { onClick: rejoin }, error?.hint)
 *   if (!room) return status
 *   return snapshot.peers.map(({ id, identity }) => createElement('p', { key: id }, identity))
 * }
 */
export function useRoom(url: string | URL, options: RoomOptions | null): RoomState {
  const [stay] = useState(() => new Stay())
  const [attempt, rejoin] = useReducer((count: number) => count + 1, 0)
  const latest = useLatest({ url, options })
  // Where there are none by mistake joining says so.
  const key = options === null ? undefined : `${url} ${options?.room}`

  const state = useSyncExternalStore(stay.subscribe, stay.get, stay.getOnServer)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt is another stay
  useEffect(() => {
    const { url, options } = latest.current
    if (key === undefined || options === null) return
    if (typeof options !== 'object') return stay.begin(key, () => joinRoom(url, options))
    const now = live(options, () => latest.current.options ?? options)
    return stay.begin(key, (signal) => joinRoom(url, { ...now, signal }))
  }, [stay, latest, key, attempt])

  const { room, error } = state.key === key ? state : {}
  const snapshot = useSnapshot(room)
  if (room && snapshot) return { status: snapshot.status, room, snapshot, error, rejoin }
  const status = key === undefined ? 'idle' : error ? 'failed' : 'connecting'
  return { status, room: undefined, snapshot: undefined, error, rejoin }
}

/** The options, with functions that call those of the last render. */
function live(options: RoomOptions, now: () => RoomOptions): RoomOptions {
  const { token, connect } = options
  return {
    ...options,
    ...(typeof token === 'function' && { token: () => pick(now().token, token)() }),
    ...(typeof connect === 'function' && { connect: (peer) => pick(now().connect, connect)(peer) }),
  }
}

/** The function of now; the one from before where it is none any more. */
function pick<F>(now: unknown, before: F): F {
  return typeof now === 'function' ? (now as F) : before
}
