/** Pictures go on while nothing comes through to the server, however long that lasts: also when the stay is over and another one begins. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { startAldis } from './lib/aldis.mjs';
import { CHROMIUM, freshTab, launch } from './lib/browsers.mjs';
import { startProxy } from './lib/proxy.mjs';
import { connected, join, until } from './lib/sdk-page.mjs';
import { assertQuiet } from './lib/tab.mjs';

/** How often a page looks whether its picture has moved, in milliseconds, and how many looks in a row may see that it has not. */
const LOOK_MS = 100;
const STILL_MAX = 25;

// They wait most of the time.
describe('a call with pictures, of which one side does not reach the server', { concurrency: true }, () => {
  test('for 40 s, notices nothing, in the same stay', async (t) => {
    const { tabs, proxy, seen } = await call(t);
    const before = await Promise.all(tabs.map(ids));
    await silence(proxy, 40_000);
    await until(tabs[0], 'the server again', () => window.room.status === 'joined');
    await stillMoves(tabs);
    assert.deepEqual(await Promise.all(tabs.map(ids)), before);
    for (const tab of tabs) {
      const { longest, ...rest } = await seen(tab);
      assert.deepEqual(rest, { states: [], handovers: [], connections: 1, left: [] }, tab.name);
      assert.ok(longest <= STILL_MAX, `the picture at ${tab.name} stood still for ${longest * LOOK_MS} ms`);
    }
    assertQuiet(tabs[1]);
  });

  test('for 70 s, goes on in another stay, and its pictures are handed over', async (t) => {
    const { tabs, proxy, seen } = await call(t);
    const [first, second] = tabs;
    const [me] = await ids(first);
    await silence(proxy, 70_000);
    await until(first, 'another stay', (me) => window.room.me.id !== me, me);
    await Promise.all(tabs.map((tab) => until(tab, 'another connection', () => window.connections.length === 2)));
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await Promise.all(tabs.map((tab) => until(tab, 'the new picture', () => window.handovers.length > 0)));
    await stillMoves(tabs);
    const [{ id, previous }] = await second.page.evaluate(() => [...window.room.peers.values()].map(({ id, previous }) => ({ id, previous })));
    assert.deepEqual({ id, previous }, { id: (await ids(first))[0], previous: me });
    for (const tab of tabs) {
      const { longest, handovers, left, connections } = await seen(tab);
      assert.ok(handovers.every((how) => how === 'in one step'), `${tab.name}: ${handovers}`);
      assert.deepEqual({ connections, left }, { connections: 2, left: tab === second ? ['timeout'] : [] }, tab.name);
      assert.ok(longest <= STILL_MAX, `the picture at ${tab.name} stood still for ${longest * LOOK_MS} ms`);
    }
  });
});

/** Two tabs that show each other's pictures; the first reaches the server through a proxy. */
async function call(t) {
  const { port } = await startAldis(t, 'dev');
  const proxy = await startProxy(t, port);
  const tabs = [];
  for (const name of ['first', 'second']) {
    const tab = await freshTab(t, await launch(t, CHROMIUM), name);
    await join(tab, port, name === 'first' ? { via: proxy.port } : {});
    await tab.page.evaluate(watch, LOOK_MS);
    await tab.page.evaluate(() => window.room.publish(window.fakeStream('video')).then(() => undefined));
    tabs.push(tab);
  }
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await stillMoves(tabs);
  for (const { page } of tabs) await page.evaluate(() => Object.assign(window, { longest: 0, handovers: [], calm: window.log.length }));
  const seen = async (tab) => {
    const found = await tab.page.evaluate(() => {
      const since = window.log.slice(window.calm);
      return {
        longest: window.longest,
        handovers: window.handovers,
        connections: window.connections.length,
        states: since.flatMap(({ name, state }) => (name === 'peer-state' ? state : [])),
        left: since.flatMap(({ name, reason }) => (name === 'peer-left' ? reason : [])),
      };
    });
    t.diagnostic(`${tab.name}: the picture stood still for ${found.longest * LOOK_MS} ms at most`);
    return found;
  };
  return { tabs, proxy, seen };
}

/** In the page: shows the other's picture, as an application would, and looks how long it stands still. */
function watch(lookMs) {
  Object.assign(window, { still: 0, longest: 0, moved: 0, handovers: [] });
  // One that came before anybody looked is shown too.
  let shown = [...window.room.peers.values()].flatMap(({ streams }) => streams.flatMap((stream) => stream.getTracks())).at(-1);
  let removed;
  window.room.on('track-removed', () => {
    const step = { is: 'in one step' };
    removed = step;
    queueMicrotask(() => (step.is = 'later'));
  });
  window.room.on('track', ({ track }) => {
    shown = track;
    if (removed) window.handovers.push(removed.is);
  });
  const decoded = async () => {
    const receivers = window.connections.flatMap((connection) => connection.getReceivers());
    const stats = await receivers.find(({ track }) => track === shown)?.getStats();
    return [...(stats?.values() ?? [])].find(({ type }) => type === 'inbound-rtp')?.framesDecoded ?? 0;
  };
  const look = async (before) => {
    const now = await decoded();
    if (now === before) window.still += 1;
    else Object.assign(window, { still: 0, moved: window.moved + 1 });
    window.longest = Math.max(window.longest, window.still);
    setTimeout(look, lookMs, now);
  };
  void look(0);
}

/** Waits until the pictures of all have moved on for a while. */
async function stillMoves(tabs) {
  const before = await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.moved)));
  await Promise.all(tabs.map((tab, at) => until(tab, 'a picture that moves', (least) => window.moved >= least, before[at] + 20)));
}

async function silence(proxy, ms) {
  proxy.silence();
  await pass(ms);
  proxy.open();
}

/** The stays: one's own, and the other's. */
const ids = (tab) => tab.page.evaluate(() => [window.room.me.id, ...window.room.peers.keys()]);
