import type { Room, RoomEvents } from 'aldis-client'
import { expect, test } from 'vitest'
import { type Join, Stay } from '../src/stay.ts'

/** A room of which a stay sees nothing but its status. */
function newRoom(): { room: Room; say: (event: RoomEvents['status']) => void } {
  const listeners = new Set<(event: RoomEvents['status']) => void>()
  const on = (_: 'status', listener: (event: RoomEvents['status']) => void): void => void listeners.add(listener)
  const say = (event: RoomEvents['status']): void => listeners.forEach((listener) => void listener(event))
  return { room: { on } as unknown as Room, say }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

test('begun, ended and begun again in one breath, it joins once', async () => {
  const { room } = newRoom()
  const stay = new Stay()
  const signals: AbortSignal[] = []
  const join: Join = async (signal) => {
    signals.push(signal)
    return room
  }
  stay.begin('a', join)()
  const end = stay.begin('a', join)
  await settle()
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  expect(stay.get()).toEqual({ key: 'a', room })
  end()
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  expect(stay.get()).toBe(stay.getOnServer())
})

test('whoever listens is told of each change, and of none after the end', async () => {
  const { room, say } = newRoom()
  const stay = new Stay()
  const told: unknown[] = []
  const off = stay.subscribe(() => told.push(stay.get()))
  const end = stay.begin('a', async () => room)
  await settle()
  const error = new Error('away') as never
  say({ status: 'reconnecting', error })
  say({ status: 'joined' })
  end()
  say({ status: 'left' })
  expect(told).toEqual([{ key: 'a', room }, { key: 'a', room, error }, { key: 'a', room }, {}])
  off()
  stay.begin('b', async () => room)
  await settle()
  expect(told).toHaveLength(4)
})

test('a refusal is its error, and one that comes after the end is nobody’s', async () => {
  const stay = new Stay()
  const refuse: Join = () => Promise.reject('refused')
  stay.begin('a', refuse)
  await settle()
  expect(stay.get()).toEqual({ key: 'a', error: 'refused' })

  const late = new Stay()
  let reject: (reason: unknown) => void = () => undefined
  const end = late.begin('a', () => new Promise((_, refuse) => (reject = refuse)))
  await settle()
  end()
  reject('too late')
  await settle()
  expect(late.get()).toBe(late.getOnServer())
})
