/** Calls whose network changes under them, and a room whose peers come and go, all behind NATs of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { counts, joinFrom } from './lib/counting-page.mjs';
import { startNetwork } from './lib/net.mjs';
import { startAldisOn, startCoturnOn } from './lib/net-servers.mjs';
import { openFirefoxTabOn, openTabOn } from './lib/net-tab.mjs';
import { chat, connected, until } from './lib/sdk-page.mjs';
import { mint } from './lib/token.mjs';

/** How long the way between two peers is cut: longer than a browser takes to call it disconnected, and ICE to begin afresh. */
const CUT_MS = process.env.ALDIS_SOAK ? 25_000 : 12_000;

/** So many hosts behind home routers, in a room where a relay may be had; each opens its browser by one of these. */
async function homes(t, count, open = Array(count).fill(openTabOn)) {
  const network = await startNetwork(t);
  const [signaling, turn] = [await network.host('signaling'), await network.host('turn')];
  const { origin } = await startAldisOn(t, signaling, (await startCoturnOn(t, turn)).relay('udp'));
  const all = [];
  for (let number = 1; number <= count; number += 1) {
    const home = await network.home(`peer-${number}`);
    const tab = await open[number - 1](t, home.host, `peer-${number}`);
    all.push({ home, tab, enter: () => joinFrom(tab, origin, { room: 'net', token: mint('net', tab.name) }) });
  }
  return all;
}

/** Two of them in a call that counts. */
async function call(t, open) {
  const both = await homes(t, 2, open);
  for (const { enter } of both) await enter();
  const tabs = both.map(({ tab }) => tab);
  for (const tab of tabs) {
    await connected(tab, 1);
    await until(tab, 'a count', () => Object.keys(window.counted).length === 1);
    await tab.page.evaluate(() => {
      const [{ connection, id }] = window.room.peers.values();
      window.before = { connection, peer: id, me: window.room.me.id, fragment: connection.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1] };
    });
  }
  return { tabs, home: both[0].home };
}

/** In the page: whether the call has been in a state, or its room in a status. */
const hasBeen = (state) => window.log.some((event) => event.state === state || event.status === state);

/** Waits until the count goes on, and asserts that none was lost and nothing of the call was made anew, except ICE. */
async function assertWentOn(tabs) {
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  for (const tab of tabs) {
    const reached = await counts(tab);
    const more = (least) => Object.values(window.counted).every((list) => list.length >= least);
    // Two seconds of counting beyond what there was.
    await until(tab, 'more counts', more, Math.max(...Object.values(reached.last)) + 40);
    assert.deepEqual((await counts(tab)).broken, [], tab.name);
    const { restarted, ...same } = await tab.page.evaluate(() => {
      const { before, log, room } = window;
      const [{ connection, id }] = room.peers.values();
      return {
        restarted: connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1] !== before.fragment,
        connection: connection === before.connection,
        peer: id === before.peer,
        me: room.me.id === before.me,
        channel: !log.some(({ name }) => name === 'counter-closed'),
      };
    });
    assert.deepEqual(same, { connection: true, peer: true, me: true, channel: true }, `the same at ${tab.name}`);
    assert.ok(restarted, `ICE began afresh at ${tab.name}`);
  }
}

/** Says how long it took, and which states each page saw. */
async function report(t, began, tabs) {
  t.diagnostic(`connected again ${Math.round(performance.now() - began)} ms after the change began`);
  for (const tab of tabs) {
    const steps = await tab.page.evaluate(() => window.log.flatMap(({ state, status, step, error }) => state ?? status ?? error?.code ?? (/restart|nack|offer|answer/.test(step) ? step : [])));
    t.diagnostic(`${tab.name}: ${steps.join(', ')}`);
  }
}

test('a call comes back when the public address of one side has changed, on the same connection and in the same stay', async (t) => {
  const { tabs, home } = await call(t);
  const began = performance.now();
  await home.changeAddress();
  await Promise.all(tabs.map((tab) => until(tab, 'the interruption', hasBeen, 'interrupted')));
  await until(tabs[0], 'the loss of the WebSocket', hasBeen, 'reconnecting');
  await until(tabs[0], 'the server again', () => window.room.status === 'joined');
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await report(t, began, tabs);
  await assertWentOn(tabs);
  // Else a Firefox in its place would have closed the channel.
  for (const tab of tabs) assert.ok(!(await tab.page.evaluate(hasBeen, 'failed')), `ICE began afresh in time at ${tab.name}`);
});

test(`a call goes on when its way was cut for ${CUT_MS / 1_000} s, and nothing on its channel is lost`, async (t) => {
  const { tabs, home } = await call(t);
  const began = performance.now();
  await home.cutUdp();
  await pass(CUT_MS);
  await home.mendUdp();
  await Promise.all(tabs.map((tab) => until(tab, 'the interruption', hasBeen, 'interrupted')));
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await report(t, began, tabs);
  await assertWentOn(tabs);
  for (const tab of tabs) assert.ok(!(await tab.page.evaluate(hasBeen, 'reconnecting')), 'the server was there all the time');
});

test('a Firefox whose way is cut starts ICE afresh in time; one whose connection has failed closes its channels, and goes on on another', async (t) => {
  const { tabs, home } = await call(t, [openFirefoxTabOn, openTabOn]);
  const [firefox] = tabs;
  const began = performance.now();
  await home.cutUdp();
  // Chromium notices after 6 s and Firefox after 10 s; and 20 s after that it has failed.
  await Promise.race(tabs.map((tab) => until(tab, 'a fresh start of ICE', () => [...window.room.peers.values()][0].counts.restarts > 0)));
  await home.mendUdp();
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await report(t, began, tabs);
  await assertWentOn(tabs);
  for (const tab of tabs) assert.equal((await stats(tab)).rebuilds, 0);

  await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.log.splice(0))));
  const cut = performance.now();
  await home.cutUdp();
  await until(firefox, 'the failure of its connection', () => window.connections[0].connectionState === 'failed');
  t.diagnostic(`failed after ${Math.round(performance.now() - cut)} ms`);
  await home.mendUdp();
  await Promise.all(tabs.map((tab) => until(tab, 'another connection', isAnother)));
  await report(t, cut, tabs);
  await chat(tabs[0], 'hello on the same channel', tabs[1]);
  await chat(tabs[1], 'hello to you', tabs[0]);
  for (const tab of tabs) {
    assert.equal((await stats(tab)).rebuilds, 1);
    const seen = await tab.page.evaluate(() => ({
      states: window.log.flatMap(({ name, state }) => (name === 'peer-state' ? state : [])),
      isTheSame: window.room.channel('chat') === window.chat,
      isGone: window.before.connection.connectionState === 'closed',
      stay: window.room.me.id === window.before.me && window.room.peers.has(window.before.peer),
    }));
    assert.deepEqual(seen, { states: ['interrupted', 'connected'], isTheSame: true, isGone: true, stay: true }, tab.name);
  }
});

/** In the page: whether the call goes on on another connection than at first, and the old one is over. */
const isAnother = () => {
  const [{ connection, state }] = window.room.peers.values();
  return state === 'connected' && connection !== window.before.connection && window.before.connection.connectionState === 'closed';
};

const stats = (tab) => tab.page.evaluate(() => [...window.room.peers.values()][0].counts);

test('five peers behind five routers are all connected, whoever came and went', async (t) => {
  const all = await homes(t, 5);
  const present = new Set();
  const come = async (...who) => {
    for (const one of who) await one.enter();
    for (const one of who) present.add(one);
    await settled();
  };
  const settled = () => Promise.all([...present].map(({ tab }) => connected(tab, present.size - 1)));
  const go = async (who, how) => {
    present.delete(who);
    await how(who.tab.page);
    await settled();
  };
  const [first, second, third, fourth, fifth] = all;

  await come(first, second, third);
  await come(fourth, fifth);
  // In good order, by going elsewhere, and by coming back at once.
  await go(second, (page) => page.evaluate(() => window.room.leave()));
  await go(fourth, (page) => page.goto('about:blank'));
  await first.enter();
  await settled();
  // Two at once, into a room that somebody leaves at that moment.
  present.delete(third);
  await Promise.all([second.enter(), fourth.enter(), third.tab.page.evaluate(() => window.room.leave())]);
  for (const one of [second, fourth]) present.add(one);
  await settled();
  await come(third);

  for (const { tab } of present) {
    await until(tab, 'a count from everybody', () => [...window.room.peers.keys()].every((id) => (window.counted[id]?.length ?? 0) >= 20));
    assert.deepEqual((await counts(tab)).broken, [], tab.name);
    const identities = await tab.page.evaluate(() => [window.room.me, ...window.room.peers.values()].map(({ identity }) => identity).sort());
    assert.deepEqual(identities, all.map((one) => one.tab.name), tab.name);
  }
});
