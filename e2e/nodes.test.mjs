/** Calls whose peers are at different nodes, behind a load balancer: nobody can tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CHROMIUM, FIREFOX, freshTab, launch } from './lib/browsers.mjs';
import { metric, startNodes } from './lib/nodes.mjs';
import { chat, connected, join, until } from './lib/sdk-page.mjs';
import { PATIENCE_MS, assertQuiet, receives } from './lib/tab.mjs';
import { mint } from './lib/token.mjs';
import { within } from './lib/within.mjs';

const ROOM = 'demo';
const MEDIA = { audio: true, video: true };

/** Opens a tab of a browser, and joins by the load balancer: what the page is made of comes from the first node, so that each may die. */
async function come(t, { nodes, port }, browser, name, options = {}) {
  const tab = await freshTab(t, browser, name);
  await tab.page.exposeFunction('mint', () => mint(ROOM, name));
  await join(tab, nodes[0].port, { via: port, room: ROOM, ...options });
  return tab;
}

/** Whether each node has one of them. */
async function assertApart({ nodes }) {
  assert.deepEqual(await Promise.all(nodes.map((node) => metric(node, 'aldis_sessions'))), nodes.map(() => 1));
}

/** Waits until somebody has lost its way to the server and everybody has one, and returns how many had lost it. */
async function comeBack(tabs) {
  const statuses = () => Promise.all(tabs.map((tab) => tab.page.evaluate(() => ({ now: window.room.status, were: window.log.flatMap(({ name, status }) => (name === 'status' ? [status] : [])) }))));
  const all = async () => {
    for (;;) {
      const seen = await statuses();
      const lost = seen.filter(({ were }) => were.includes('reconnecting')).length;
      if (lost > 0 && seen.every(({ now }) => now === 'joined')) return lost;
      await pause(50);
    }
  };
  return within(PATIENCE_MS, 'a way to the server for everybody', all());
}

async function assertPicturesMove(tabs) {
  for (const tab of tabs) {
    const before = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
  }
}

for (const broker of ['redis', 'nats']) {
  test(`${broker}: a Chromium at one node and a Firefox at another see, hear and write to each other`, async (t) => {
    const cluster = await startNodes(t, 2, broker);
    const tabs = [];
    for (const kind of [CHROMIUM, FIREFOX]) tabs.push(await come(t, cluster, await launch(t, kind), kind, { publish: MEDIA }));
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await assertApart(cluster);
    await assertPicturesMove(tabs);
    const [first, second] = tabs;
    await chat(first, 'hello from one node', second);
    await chat(second, 'hello from another', first);
    assert.deepEqual(await Promise.all(tabs.map((tab) => tab.page.evaluate(() => [...window.room.peers.values()][0].polite))), [false, true]);
    assertQuiet(...tabs);
  });
}

for (const count of [3, 5]) {
  test(`${count} peers at ${count} nodes: each pair connects, and whoever leaves has left everywhere`, async (t) => {
    const cluster = await startNodes(t, count);
    const browser = await launch(t, CHROMIUM);
    const tabs = [];
    for (let before = 0; before < count; before += 1) {
      tabs.push(await come(t, cluster, browser, `peer ${before + 1}`));
      await Promise.all(tabs.map((tab) => connected(tab, before)));
    }
    await assertApart(cluster);
    for (const tab of tabs) await chat(tab, `hello from ${tab.name}`, ...tabs.filter((other) => other !== tab));
    const [gone, ...others] = tabs;
    await gone.page.evaluate(() => window.room.leave());
    await Promise.all(others.map((tab) => connected(tab, count - 2)));
    for (const tab of others) {
      assert.deepEqual(await tab.page.evaluate(() => window.log.filter(({ name }) => name === 'peer-left').map(({ reason }) => reason)), ['left']);
    }
    assertQuiet(...tabs);
  });
}

test('a node that is killed in a call: the same stay goes on at another node, and nobody notices', async (t) => {
  const cluster = await startNodes(t, 3);
  const browser = await launch(t, CHROMIUM);
  const tabs = [];
  for (const name of ['first', 'second', 'third']) tabs.push(await come(t, cluster, browser, name, { publish: MEDIA }));
  await Promise.all(tabs.map((tab) => connected(tab, 2)));
  await assertApart(cluster);
  await Promise.all(tabs.map((tab) => until(tab, 'the media of all', () => [...window.room.peers.values()].every(({ streams }) => streams.length === 1))));
  const ids = await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.room.me.id)));
  const [first, second, third] = tabs;

  // The pages came from the first node, so it is not that one.
  await cluster.nodes[1].program.stop();
  assert.equal(await comeBack(tabs), 1, 'one of them had to find another node');
  const alive = [cluster.nodes[0], cluster.nodes[2]];
  const claims = await Promise.all(alive.map((node) => metric(node, 'aldis_cluster_claims_total{outcome="unanswered"}')));
  assert.deepEqual(claims.sort(), [0, 1]);
  for (const tab of tabs) await chat(tab, `still here, ${tab.name}`, ...tabs.filter((other) => other !== tab));
  await assertPicturesMove(tabs);
  assert.deepEqual(await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.room.me.id))), ids);

  // What needs the server goes on too, between all of them.
  const sends = (from, ...others) =>
    from.page.evaluate((ids) => Promise.all(ids.map((id) => window.room.peers.get(id).send('by the server'))), others.map((tab) => ids[tabs.indexOf(tab)]));
  await sends(first, second, third);
  await sends(second, first, third);
  await sends(third, first, second);
  for (const tab of tabs) {
    const events = await tab.page.evaluate(() => window.log.filter(({ name, state }) => name === 'peer-left' || (name === 'peer-state' && state !== 'connecting' && state !== 'connected')));
    assert.deepEqual(events, [], tab.name);
  }
});
