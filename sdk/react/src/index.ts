'use client'

/**
 * React hooks for rooms: {@link useRoom} is where to begin.
 *
 * @module aldis-client-react
 */

export { type ChannelHandlers, useChannel, useRoomEvent } from './events.ts'
export { type SnapshotSource, usePeer, usePeers, useSnapshot } from './snapshot.ts'
export { type InsideRoom, type OutsideRoom, type RoomOptions, type RoomState, useRoom } from './use-room.ts'
export { useStream, Video, type VideoProps } from './video.ts'
