/** Time that stands still until the test moves it. */

export { settle, TestClock as FakeClock } from '../../src/testing/clock.ts'
