/** What the server says of itself in `welcome`: the defaults of the real one, which a test compares. */

import type { ClientLimits, Heartbeat, ServerFeature } from '../generated/wire.ts'

/** What it understands. */
export const FEATURES: readonly ServerFeature[] = ['resume', 'receipts', 'check', 'frozen', 'broadcast', 'remove']

/** How many peers a room has. */
export const ROOM_PEERS = 100

/** How often there is a fresh resume token, in milliseconds. */
export const RESUME_EVERY_MS = 120_000

export const HEARTBEAT: Heartbeat = { intervalMs: 15_000, timeoutMs: 10_000 }

export const LIMITS: ClientLimits = {
  messageBytes: 65_536,
  smallMessageBytes: 8_192,
  postBytes: 131_072,
  jsonDepth: 32,
  xBytes: 1_024,
  attributesBytes: 1_024,
  messagesPerSecond: 50,
  messageBurst: 300,
  messageBurstPerPeer: 20,
  bytesPerSecond: 262_144,
  byteBurst: 1_048_576,
  acksPerSecond: 200,
  acksPerSecondPerPeer: 5,
  updatesPerSecond: 2,
  pairsOpening: 8,
}
