import { expect, test } from 'vitest'
import { belongs, Candidates } from '../src/candidates.ts'
import { FakeClock } from './support/clock.ts'
import { sdpOf } from './support/connection.ts'

interface Descriptions {
  readonly current?: string
  readonly pending?: string
}

/** A connection with remote descriptions of these fragments. */
function connection({ current, pending }: Descriptions): RTCPeerConnection {
  const describe = (type: RTCSdpType, fragment: string | undefined): RTCSessionDescriptionInit | null =>
    fragment === undefined ? null : { type, sdp: sdpOf(fragment) }
  const descriptions = {
    currentRemoteDescription: describe('answer', current),
    pendingRemoteDescription: describe('offer', pending),
  }
  return descriptions as unknown as RTCPeerConnection
}

function candidate(usernameFragment?: string, name = '1'): RTCIceCandidateInit {
  return { candidate: `candidate:${name}`, ...(usernameFragment !== undefined && { usernameFragment }) }
}

test.each<[string, Descriptions, string | undefined, boolean]>([
  ['of the current description', { current: 'a' }, 'a', true],
  ['of the pending description', { current: 'a', pending: 'b' }, 'b', true],
  ['of the current one while another is pending', { current: 'a', pending: 'b' }, 'a', true],
  ['of no description that is there', { current: 'a', pending: 'b' }, 'c', false],
  ['whose fragment is only the beginning of one', { current: 'abc' }, 'ab', false],
  ['whose fragment only begins with one', { current: 'ab' }, 'abc', false],
  ['of a description, where there is none', {}, 'a', false],
  ['without a fragment, where there is a description', { current: 'a' }, undefined, true],
  ['with an empty fragment, where there is a description', { pending: 'a' }, '', true],
  ['without a fragment, where there is no description', {}, undefined, false],
])('a candidate %s', (_, descriptions, fragment, expected) => {
  expect(belongs(candidate(fragment), connection(descriptions))).toBe(expected)
})

test('a candidate is given back once, when its description has come, and the others go on waiting', () => {
  const candidates = new Candidates(new FakeClock())
  candidates.hold(candidate('a', '1'))
  candidates.hold(candidate('b', '2'))
  candidates.hold(candidate('a', '3'))
  expect(candidates.release(connection({ current: 'a' }))).toEqual([candidate('a', '1'), candidate('a', '3')])
  expect(candidates.release(connection({ current: 'a' }))).toEqual([])
  expect(candidates.release(connection({ current: 'a', pending: 'b' }))).toEqual([candidate('b', '2')])
})

test.each([
  [9_999, 1],
  [10_000, 0],
])('after %i ms it has waited for %i description', async (ms, count) => {
  const clock = new FakeClock()
  const candidates = new Candidates(clock)
  candidates.hold(candidate('a'))
  await clock.advance(ms)
  expect(candidates.release(connection({ current: 'a' }))).toHaveLength(count)
})

test('of more than 64 the oldest are forgotten', () => {
  const candidates = new Candidates(new FakeClock())
  for (let n = 0; n < 70; n += 1) candidates.hold(candidate('a', String(n)))
  const released = candidates.release(connection({ current: 'a' }))
  expect(released).toHaveLength(64)
  expect(released[0]).toEqual(candidate('a', '6'))
})

test('what is forgotten is not given back', () => {
  const candidates = new Candidates(new FakeClock())
  candidates.hold(candidate('a'))
  candidates.clear()
  expect(candidates.release(connection({ current: 'a' }))).toEqual([])
})
