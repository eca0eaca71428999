/** Many peers without a browser: the SDK on libdatachannel under Node, through the real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { joinNative } from './lib/native-peer.mjs';
import { KEYS } from './lib/token.mjs';
import { within } from './lib/within.mjs';

const PATIENCE_MS = 120_000;
const MESH = process.env.ALDIS_SOAK ? 40 : 20;
const PAIRS = 200;

test(`${MESH} peers in one room all connect, and each hears from each of the others`, async (t) => {
  const { port } = await startAldis(t, 'serve', KEYS);
  const crowd = new Crowd(t, port);
  const names = Array.from({ length: MESH }, (_, at) => `peer-${at}`);
  await Promise.all(names.map((identity) => crowd.add({ room: 'mesh', identity }, MESH - 1)));
  await crowd.assertComplete(MESH * (MESH - 1));
});

test(`${PAIRS} pairs connect at once, each in a room of its own`, async (t) => {
  const { port } = await startAldis(t, 'serve', KEYS);
  const crowd = new Crowd(t, port);
  const everybody = Array.from({ length: 2 * PAIRS }, (_, at) => ({ room: `room-${at >> 1}`, identity: `peer-${at}` }));
  await Promise.all(everybody.map((who) => crowd.add(who, 1)));
  await crowd.assertComplete(2 * PAIRS);
});

/** Peers that greet whoever they are connected to, and what became of it. */
class Crowd {
  #t;
  #port;
  #started = performance.now();
  #memory = residentMiB();
  #members = [];

  constructor(t, port) {
    this.#t = t;
    this.#port = port;
  }

  /** Lets one more in, who is to hear from so many others. */
  async add(who, others) {
    const began = performance.now();
    const { room, warnings } = await joinNative(this.#t, this.#port, who);
    const [heard, times] = [new Map(), []];
    const member = { who, room, warnings, others, heard, times };
    this.#members.push(member);
    const chat = room.channel('chat');
    chat.on('open', ({ peer }) => {
      times.push(performance.now() - began);
      chat.send(`to ${peer.identity}`, { to: peer });
    });
    member.done = new Promise((resolve) => {
      chat.on('message', ({ data, from }) => {
        heard.set(from.identity, [...(heard.get(from.identity) ?? []), data]);
        if (heard.size === others) resolve();
      });
    });
  }

  /** Waits until each has heard from all of its others, `words` in all, and asserts that each did so once and nothing else happened. */
  async assertComplete(words) {
    const all = Promise.all(this.#members.map(({ done }) => done));
    await within(PATIENCE_MS, 'a word from everybody to everybody', all).catch((error) => {
      const missing = this.#members.filter(({ heard, others }) => heard.size < others);
      throw new Error(`${error.message}: ${missing.map(({ who, heard }) => `${who.identity} has ${heard.size}`).join(', ')}`, { cause: error });
    });
    this.#report();
    for (const { who, room, warnings, others, heard } of this.#members) {
      for (const [from, said] of heard) assert.deepEqual(said, [`to ${who.identity}`], `from ${from}`);
      assert.deepEqual([...room.peers.values()].map(({ state }) => state), Array(others).fill('connected'), who.identity);
      assert.deepEqual(warnings, []);
    }
    assert.equal(this.#members.reduce((sum, { heard }) => sum + heard.size, 0), words);
  }

  #report() {
    const took = Math.round(performance.now() - this.#started);
    const times = this.#members.flatMap((member) => member.times).sort((a, b) => a - b);
    const [median, longest] = [times[times.length >> 1], times.at(-1)].map(Math.round);
    this.#t.diagnostic(`${times.length / 2} connections: all have spoken after ${took} ms`);
    this.#t.diagnostic(`from joining to an open channel: ${median} ms (median), ${longest} ms (longest)`);
    this.#t.diagnostic(`${residentMiB() - this.#memory} MiB more memory`);
  }
}

function residentMiB() {
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}
