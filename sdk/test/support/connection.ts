/** A peer connection that does what the test says. */

export { fragmentOf } from '../../src/candidates.ts'
export { FakePeerConnection } from '../../src/testing/connection.ts'
export { sdpOf } from '../../src/testing/sdp.ts'
