/**
 * For tests of applications: a server in memory that does what the real one does, faults included, connections between peers that need no
 * browser, and a clock that the test moves.
 *
 * {@link createTestServer} is where to begin.
 *
 * @module testing
 */

export type { TestClaims } from './claims.ts'
export { settle, TestClock } from './clock.ts'
export { TestNetwork } from './network.ts'
export type { Whom } from './script.ts'
export { createTestServer, TestServer, type TestServerOptions } from './server.ts'
