/** A data channel that carries what the test says. */

export { FakeDataChannel } from '../../src/testing/data-channel.ts'
