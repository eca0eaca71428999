/** A peer connection that does what the test says. */

export { FakePeerConnection } from '../../src/testing/connection.ts'
export { fragmentOf, sdpOf } from '../../src/testing/sdp.ts'
