/** Tracks and streams, for a Node that has none. */

import { FakeStream, FakeTrack } from '../../src/testing/media.ts'

export { FakeStream, FakeTrack, tracks } from '../../src/testing/media.ts'

// The library asks `instanceof`, as any code on a page would.
Object.assign(globalThis, { MediaStream: FakeStream, MediaStreamTrack: FakeTrack })
