import { expect, test } from 'vitest'
import { Snapshots } from '../src/snapshots.ts'
import { joinAlone } from './support/alone.ts'
import { settle } from './support/clock.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { callFrom, comeBack, join, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'
import { uncaughtDuring } from './support/uncaught.ts'

// The values

function holding<T>(value: T): { snapshots: Snapshots<T>; change(next: T): void } {
  let current = value
  const snapshots = new Snapshots(() => current)
  return {
    snapshots,
    change: (next) => {
      current = next
      snapshots.touch()
    },
  }
}

test('a value is the same object until something in it is another one', () => {
  const { snapshots, change } = holding<object>({ a: { b: [1, { c: 2 }] }, d: 'x' })
  const first = snapshots.get()
  expect(snapshots.get()).toBe(first)
  change({ a: { b: [1, { c: 2 }] }, d: 'x' })
  expect(snapshots.get()).toBe(first)
  change({ a: { b: [1, { c: 2 }] }, d: 'y' })
  const second = snapshots.get() as typeof first & { a: object }
  expect(second).not.toBe(first)
  expect(second.a).toBe((first as typeof second).a)
})

test.each<[string, object, object]>([
  ['a key more', { a: 1 }, { a: 1, b: undefined }],
  ['a key less', { a: 1, b: 2 }, { a: 1 }],
  ['another key', { a: 1, b: undefined }, { a: 1, c: undefined }],
  ['another order of a list', [1, 2], [2, 1]],
  ['a list in the place of an object', { 0: 'a' }, ['a']],
  ['nothing in the place of an object', { a: {} }, { a: null }],
])('%s is a change', (_, before, after) => {
  const { snapshots, change } = holding<object>(before)
  const first = snapshots.get()
  change(after)
  expect(snapshots.get()).not.toBe(first)
  expect(snapshots.get()).toEqual(after)
})

test('a value cannot be changed, and what is not ours is left as it is', () => {
  const stream = new FakeStream()
  const data = { list: [1] }
  const { snapshots } = holding({ stream, data })
  const { data: held } = snapshots.get()
  expect(() => Object.assign(held.list, { 0: 2 })).toThrow(TypeError)
  expect(Object.isFrozen(stream)).toBe(false)
  expect(Object.isFrozen(data)).toBe(false)
  expect(snapshots.get().stream).toBe(stream)
})

test('listeners hear once of all that changed in one moment, and of nothing that is as it was', async () => {
  const { snapshots, change } = holding({ n: 0 })
  const heard: number[] = []
  const off = snapshots.subscribe(() => heard.push(snapshots.get().n))
  change({ n: 1 })
  change({ n: 2 })
  expect(heard).toEqual([])
  await settle()
  expect(heard).toEqual([2])
  change({ n: 3 })
  change({ n: 2 })
  await settle()
  expect(heard).toEqual([2])
  off()
  off()
  change({ n: 4 })
  await settle()
  expect(heard).toEqual([2])
})

test('who looked at the value before its listeners are told does not keep them from it', async () => {
  const { snapshots, change } = holding({ n: 0 })
  const heard: number[] = []
  snapshots.subscribe(() => heard.push(snapshots.get().n))
  change({ n: 1 })
  expect(snapshots.get()).toEqual({ n: 1 })
  await settle()
  expect(heard).toEqual([1])
})

test('a listener that throws keeps nobody from hearing, and one that is no function is refused', async () => {
  const { snapshots, change } = holding({ n: 0 })
  const heard: number[] = []
  snapshots.subscribe(() => {
    throw new Error('mine')
  })
  snapshots.subscribe(() => heard.push(1))
  const caught = await uncaughtDuring(() => change({ n: 1 }))
  expect(caught).toMatchObject([{ message: 'mine' }])
  expect(heard).toEqual([1])
  expect(() => snapshots.subscribe(undefined as never)).toThrow('`listener` must be a function, not undefined.')
})

// A room

test('the snapshot of a room has what is visible of it', async () => {
  const party = await join({ peers: [wirePeer('b', { name: 'Bea', attributes: { hand: 'up' } })] })
  expect(party.room.getSnapshot()).toEqual({
    status: 'joined',
    me: { id: 'k7nq2vx5m4wzt3jy6rbhcdfpea', identity: 'bob', name: undefined, attributes: undefined },
    peers: [
      {
        id: 'b',
        identity: 'the b',
        name: 'Bea',
        metadata: undefined,
        attributes: { hand: 'up' },
        presence: 'here',
        state: 'connecting',
        streams: [],
        tracks: [],
      },
    ],
    published: [],
    publishedTracks: [],
  })
})

test('every visible change is another snapshot, and nothing else is', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  let seen = party.room.getSnapshot()
  let told = 0
  party.room.subscribe(() => {
    told += 1
  })
  const changes = async (run: () => unknown): Promise<boolean> => {
    const before = told
    await run()
    await settle()
    const now = party.room.getSnapshot()
    const changed = now !== seen
    expect(told - before).toBe(changed ? 1 : 0)
    seen = now
    return changed
  }
  const say = party.server.socket.say.bind(party.server.socket)
  const stream = new FakeStream([new FakeTrack('audio')])
  const mine = new FakeStream([new FakeTrack('video')]).asBrowsers()
  // The same as it is, said again; a message; a candidate.
  expect(await changes(() => say({ type: 'peer-updated', peer: wirePeer('b') }))).toBe(false)
  expect(await changes(() => relay(party, { type: 'message', from: 'b', data: 1 }))).toBe(false)
  expect(await changes(() => say({ type: 'pong' }))).toBe(false)
  // The roster.
  expect(await changes(() => say({ type: 'peer-joined', peer: wirePeer('c') }))).toBe(true)
  expect(await changes(() => say({ type: 'peer-away', id: 'c' }))).toBe(true)
  expect(await changes(() => say({ type: 'peer-updated', peer: wirePeer('c', { attributes: { a: 1 } }) }))).toBe(true)
  expect(await changes(() => say({ type: 'peer-left', id: 'c', reason: 'left', final: true }))).toBe(true)
  // The call.
  expect(await changes(() => callFrom(party, 'b'))).toBe(true)
  expect(await changes(() => party.connection().bring(new FakeTrack('video'), [stream]))).toBe(true)
  expect(await changes(() => stream.lose(stream.getTracks()[0] as FakeTrack))).toBe(true)
  // What this side does.
  expect(await changes(() => party.room.publish(mine))).toBe(true)
  expect(party.room.getSnapshot().published).toEqual([mine])
  expect(await changes(() => party.room.unpublish(mine))).toBe(true)
  expect(await changes(() => party.room.setAttributes({ muted: true }))).toBe(true)
  expect(await changes(() => party.room.setAttributes({ muted: true }))).toBe(false)
  expect(party.room.getSnapshot().me.attributes).toEqual({ muted: true })
  // The server.
  expect(await changes(() => party.server.socket.drop(1006))).toBe(true)
  expect(party.room.getSnapshot().status).toBe('reconnecting')
  expect(await changes(() => party.room.leave())).toBe(true)
  expect(party.room.getSnapshot().status).toBe('left')
})

test('a peer that did not change is the same object in the next snapshot', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b', { metadata: { deep: ['x'] } }), wirePeer('c')] })
  const before = party.room.getSnapshot()
  party.server.socket.say({ type: 'peer-away', id: 'c' })
  const after = party.room.getSnapshot()
  expect(after.peers[0]).toBe(before.peers[0])
  expect(after.me).toBe(before.me)
  expect(after.peers[1]).not.toBe(before.peers[1])
})

test('a reconnect that finds everything as it was ends where it began', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  const before = party.room.getSnapshot()
  await comeBack(party, { peers: [wirePeer('b')] })
  expect(party.room.getSnapshot().peers).toBe(before.peers)
})

test('a client without calls has the same', async () => {
  const { client, server } = await joinAlone({ peers: [wirePeer('b')] })
  const { getSnapshot, subscribe } = client
  const seen: unknown[] = []
  subscribe(() => seen.push(getSnapshot()))
  const before = getSnapshot()
  expect(before).toEqual({ status: 'joined', me: client.me, peers: [wirePeer('b')] })
  server.socket.say({ type: 'peer-joined', peer: wirePeer('c') }, { type: 'peer-updated', peer: wirePeer('b') })
  await settle()
  expect(seen).toEqual([getSnapshot()])
  expect(getSnapshot().peers[0]).toBe(before.peers[0])
  client.setAttributes({ a: 1 })
  client.leave()
  await settle()
  expect(getSnapshot()).toMatchObject({ status: 'left', me: { attributes: { a: 1 } } })
  expect(seen).toHaveLength(2)
})
