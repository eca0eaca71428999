import { expect, test } from 'vitest'
import { settle } from './support/clock.ts'
import type { FakePeerConnection } from './support/connection.ts'
import { alive, type Couple, couple } from './support/couple.ts'
import { at, last } from './support/lists.ts'
import { seeded } from './support/random.ts'

const theOther = { older: 'newer', newer: 'older' } as const

type Which = keyof typeof theOther

/** The network between two pages: ends that have each other's descriptions find each other, unless what they have found is broken. */
class Network {
  readonly #pages: Couple
  /** Ends that find nobody any more, by their name, or by their name and what ICE calls itself. */
  readonly #broken = new Set<string>()

  constructor(pages: Couple) {
    this.#pages = pages
  }

  /** Time goes by. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.#pages.pass(Math.min(left, 250))
      this.#find()
      await settle()
    }
  }

  /** The newest connection of a page breaks, if it stands: until ICE starts afresh, or for good. */
  break(which: Which, how: 'for good' | 'until restarted'): void {
    const connection = last(this.#pages[which].connections)
    if (connection.connectionState !== 'connected') return
    this.#broken.add(how === 'for good' ? connection.name : nameOf(connection))
    if (how === 'for good') for (const channel of connection.channels) channel.end()
    this.#find()
    if (how === 'for good') connection.become('failed')
  }

  #find(): void {
    for (const one of this.#pages.older.connections) {
      for (const other of this.#pages.newer.connections) {
        const met = knows(one, other) && knows(other, one)
        const well = [one, other].every((end) => end.connectionState !== 'closed' && !this.#isBroken(end))
        if (met) for (const end of [one, other]) turn(end, well)
      }
    }
  }

  #isBroken(end: FakePeerConnection): boolean {
    return this.#broken.has(end.name) || this.#broken.has(nameOf(end))
  }
}

function knows(one: FakePeerConnection, other: FakePeerConnection): boolean {
  const theirs = one.currentRemoteDescription?.sdp
  return theirs !== undefined && theirs === other.currentLocalDescription?.sdp
}

function nameOf(end: FakePeerConnection): string {
  return /a=ice-ufrag:.*/.exec(end.currentLocalDescription?.sdp ?? '')?.[0] ?? end.name
}

function turn(end: FakePeerConnection, well: boolean): void {
  const { connectionState } = end
  if (connectionState === 'closed') return
  if (well && connectionState !== 'connected') end.become('connected')
  if (!well && connectionState === 'connected') end.become('disconnected')
}

/** What two pages do to each other, at random; tells what is wrong in the end. */
async function history(seed: number): Promise<{ wrong: string[]; connected: boolean; rebuilds: number }> {
  const random = seeded(seed)
  const pages = await couple({ connect: random() < 0.5 ? 'mesh' : 'manual' })
  const network = new Network(pages)
  const one = (): Which => (random() < 0.5 ? 'older' : 'newer')
  const call = (which: Which): void => {
    pages[which]
      .peer(theOther[which])
      .connect()
      .catch(() => undefined)
  }
  const wanted: { now: 'a call' | 'whatever comes' } = { now: 'a call' }
  const hangup = (which: Which): void => {
    wanted.now = 'whatever comes'
    pages[which].peer(theOther[which]).hangup()
  }
  /** The server is away for one side, and the other one hears of it. */
  const outage = async (which: Which, ms: number): Promise<void> => {
    const [here, there] = [pages[which], pages[theOther[which]]]
    here.server.socket.drop(1006)
    there.server.socket.say({ type: 'peer-away', id: which })
    await network.pass(ms)
    for (let tries = 0; tries < 40 && here.room.status !== 'joined'; tries += 1) {
      await here.server.welcome({ resumed: true, peers: [here.peer(theOther[which]).wire] })
      await network.pass(500)
    }
    there.server.socket.say({ type: 'peer-back', id: which })
  }
  const doings: (() => unknown)[] = [
    () => call(one()),
    () => call(one()),
    () => hangup(one()),
    () => network.break(one(), 'for good'),
    () => network.break(one(), 'until restarted'),
    () => alive(pages[one()]).length > 0 && last(pages[one()].connections).refuse('setRemoteDescription', new Error('No')),
    () => alive(pages[one()]).length > 0 && last(pages[one()].connections).restartIce(),
    () => outage(one(), Math.floor(random() * 3_000)),
    () => outage(one(), Math.floor(random() * 60_000)),
    async () => {
      const cut = one()
      pages.ways[cut] = 'cut'
      await network.pass(Math.floor(random() * 4_000))
      pages.ways[cut] = 'up'
    },
  ]
  call(one())
  await network.pass(1_000)
  for (let count = 3 + random() * 9; count > 0; count -= 1) {
    const doing = at(doings, Math.floor(random() * doings.length))
    if (pages.older.connections.length > 0 && pages.newer.connections.length > 0) await doing()
    // Some things happen at once.
    if (random() < 0.6) await network.pass(Math.floor(random() * 3_000))
  }
  await network.pass(90_000)
  const states = [pages.older.peer('newer').state, pages.newer.peer('older').state]
  const open = [alive(pages.older).length, alive(pages.newer).length]
  const connected = states.includes('connected')
  const joined = [pages.older, pages.newer].every(({ room }) => room.status === 'joined')
  const settled = connected
    ? states.every((state) => state === 'connected') && open.every((count) => count === 1)
    : wanted.now === 'whatever comes' && states.every((state) => /^(closed|failed|new)$/.test(state))
  return {
    wrong: settled && joined ? [] : [...states, ...open.map(String)],
    connected,
    rebuilds: pages.older.peer('newer').counts.rebuilds,
  }
}

test('whatever two pages do to each other and the networks to both, in the end they are connected, or one has hung up and neither thinks so', async () => {
  const histories = 60
  const count = { connected: 0, rebuilt: 0 }
  for (let seed = 1; seed <= histories; seed += 1) {
    const { wrong, connected, rebuilds } = await history(seed)
    expect(wrong, `seed ${seed}`).toEqual([])
    if (connected) count.connected += 1
    if (rebuilds > 0) count.rebuilt += 1
  }
  expect(Math.min(count.connected, count.rebuilt)).toBeGreaterThan(histories / 4)
})
