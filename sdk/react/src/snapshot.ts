/**
 * What is visible of a room, as values of React. Whatever in a snapshot did not change is the same object, so that a component which looks
 * at a part is only rendered when that part changes.
 */

import { useCallback, useSyncExternalStore } from 'react'
import { check } from './check.ts'

/**
 * Whatever has snapshots: a `Room`, or a `SignalingClient`.
 *
 * @example
 * function Status({ source }: { source: SnapshotSource<{ status: string }> }) {
 *   return useSnapshot(source)?.status
 * }
 * createElement(Status, { source: room })
 */
export interface SnapshotSource<Snapshot> {
  /** What is visible now. */
  readonly getSnapshot: () => Snapshot
  /** Tells of changes. */
  readonly subscribe: (listener: () => void) => () => void
}

const NOBODY: readonly never[] = Object.freeze([])

/**
 * What is visible of a room; rendered again after every change of it.
 *
 * @param room a room; without one there is nothing to see
 * @example
 * const snapshot = useSnapshot(room)
 * show(snapshot?.me.identity, snapshot?.published.length)
 */
export function useSnapshot<Snapshot>(room: SnapshotSource<Snapshot> | undefined): Snapshot | undefined {
  return usePart(room, all, undefined)
}

/**
 * The others in a room, oldest first; nobody without a room. Rendered again when one of them changes, and not when only the status does.
 *
 * @param room a room
 * @example
 * const peers = usePeers(room)
 * show(peers.map(({ identity, state }) => `${identity}: ${state}`))
 */
export function usePeers<Peer>(room: SnapshotSource<{ readonly peers: readonly Peer[] }> | undefined): readonly Peer[] {
  return usePart(room, peersOf<Peer>, NOBODY)
}

/**
 * One of the others, by its id; rendered again when it changes, and not when another does.
 *
 * @param room a room
 * @param id whom, as a snapshot says it; nobody has an id that has left
 * @example
 * const peer = usePeer(room, id)
 * show(peer?.identity, peer?.streams[0])
 */
export function usePeer<Peer extends { readonly id: string }>(
  room: SnapshotSource<{ readonly peers: readonly Peer[] }> | undefined,
  id: string | undefined,
): Peer | undefined {
  const find = useCallback(({ peers }: { readonly peers: readonly Peer[] }) => peers.find((peer) => peer.id === id), [id])
  return usePart(room, find, undefined)
}

/** A part of the snapshot; `look` returns what is in it, and nothing that it makes. */
function usePart<Snapshot, Part>(
  room: SnapshotSource<Snapshot> | undefined,
  look: (snapshot: Snapshot) => Part,
  none: Part,
): Part {
  check('room', 'a room', room, 'getSnapshot')
  const subscribe = useCallback((listener: () => void) => room?.subscribe(listener) ?? nothing, [room])
  const get = (): Part => (room ? look(room.getSnapshot()) : none)
  return useSyncExternalStore(subscribe, get, () => none)
}

function all<Snapshot>(snapshot: Snapshot): Snapshot {
  return snapshot
}

function peersOf<Peer>({ peers }: { readonly peers: readonly Peer[] }): readonly Peer[] {
  return peers
}

function nothing(): void {}
