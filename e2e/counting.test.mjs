/** What flows from peer to peer is not touched by what happens to signaling: two data channels count at 20 Hz through all of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openHideableTab } from './lib/chromium.mjs';
import { startProxy } from './lib/proxy.mjs';
import { until } from './lib/sdk-page.mjs';
import { KEYS, mint } from './lib/token.mjs';

const ROOM = 'e2e';
/** How often each thing happens: in `make test`, and where there is time. */
const ROUNDS = process.env.ALDIS_SOAK ? 20 : 1;
/** Two seconds of counting. */
const A_WHILE = 40;
/** `token-expiring` comes 60 s before the end. */
const TOKEN_S = 65;

test('no count is missing while the server dies, the WebSocket breaks, tokens are renewed and a page is put away', async (t) => {
  const server = await serve(t);
  const proxy = await startProxy(t, server.port);
  const tabs = await Promise.all(['first', 'second'].map((name) => openHideableTab(t, name)));
  for (const tab of tabs) await join(tab, server.port, proxy.port);
  await count(tabs);
  const [first, second] = tabs;
  const started = performance.now();

  let running = server;
  const disturbances = {
    'the server is killed and started again': async () => {
      await running.program.stop();
      await Promise.all(tabs.map((tab) => until(tab, 'that it reconnects', () => window.room.status !== 'joined')));
      await count(tabs);
      running = await serve(t, server.port);
    },
    'the WebSockets are cut': async () => {
      const before = await Promise.all(tabs.map(opened));
      // There may be another one, of a request that the SDK has asked why it was refused.
      assert.ok(proxy.cut() >= 2);
      await Promise.all(tabs.map((tab, at) => until(tab, 'another', (before) => window.opened > before, before[at])));
    },
    'the tokens are renewed': async () => {
      for (const tab of tabs) {
        const before = await tab.page.evaluate(renewals);
        await until(tab, 'a new token', (before) => window.types.filter((type) => type === 'auth-ok').length > before, before);
      }
    },
    'a tab is hidden': async () => {
      await hide(first);
      await count([second, first]);
      await show(first);
    },
    'a page is frozen': async () => {
      const lifecycle = await second.context.newCDPSession(second.page);
      await lifecycle.send('Page.setWebLifecycleState', { state: 'frozen' });
      const sent = await first.page.evaluate(() => window.sent);
      await until(first, 'a while', (least) => window.sent >= least, sent + A_WHILE);
      await lifecycle.send('Page.setWebLifecycleState', { state: 'active' });
      assert.equal(await second.page.evaluate(() => window.frozen), true);
    },
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [what, happens] of Object.entries(disturbances)) {
      const before = await Promise.all(tabs.map(received));
      await happens();
      await Promise.all(tabs.map((tab) => until(tab, 'that it is joined', () => window.room.status === 'joined')));
      await count(tabs);
      const after = await Promise.all(tabs.map(received));
      t.diagnostic(`${what}: ${after.map((count, at) => count - before[at]).join(' and ')} counts`);
      for (const tab of tabs) assert.deepEqual(await tab.page.evaluate(undisturbed), UNDISTURBED, `${tab.name}, after ${what}`);
    }
  }
  const counts = await Promise.all(tabs.map(received));
  t.diagnostic(`${counts.join(' and ')} counts in ${Math.round((performance.now() - started) / 1_000)} s`);
});

/** A server that knows the sessions of the one before it. */
function serve(t, port = 0) {
  return startAldis(t, 'serve', { ...KEYS, ALDIS_CLUSTER_SECRET: 'what-both-servers-of-this-test-know' }, { listen: `127.0.0.1:${port}` });
}

/** Opens an almost empty page of the server and joins through another port. */
async function join(tab, port, via) {
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.exposeFunction('mint', () => mint(ROOM, tab.name, TOKEN_S));
  await tab.page.goto(`http://127.0.0.1:${port}/livez`);
  await tab.page.evaluate(enter, { url: `http://127.0.0.1:${via}`, room: ROOM });
}

/** In the page: joins, and counts for the other as soon as there is a channel. */
async function enter({ url, room }) {
  Object.assign(window, { opened: 0, types: [], left: [], gaps: [], sent: 0, received: 0, frozen: false });
  const { joinRoom, openWebSocket } = await import('/sdk.js');
  const openSocket = (url, protocols, events) => {
    window.opened += 1;
    const onMessage = (data) => {
      window.types.push(JSON.parse(data).type);
      events.onMessage(data);
    };
    return openWebSocket(url, protocols, { ...events, onMessage });
  };
  window.room = await joinRoom(url, { room, token: () => window.mint(), environment: { openSocket } });
  window.room.on('peer-left', ({ reason }) => window.left.push(reason));
  const channel = window.room.channel('count');
  channel.on('message', ({ data }) => {
    if (Number(data) !== window.received + 1) window.gaps.push([window.received, Number(data)]);
    window.received = Number(data);
  });
  channel.on('open', ({ peer }) => {
    window.connection = peer.connection;
    // The timers of a page slow down when nobody looks at it, those of its workers do not.
    const clock = new Worker(URL.createObjectURL(new Blob(['setInterval(() => postMessage(0), 50)'])));
    clock.onmessage = () => channel.send(String(++window.sent));
  });
  document.addEventListener('freeze', () => {
    window.frozen = true;
  });
}

/** In the page: all that must not have happened. */
const UNDISTURBED = { gaps: [], left: [], connections: 1, same: true, peers: 1, state: 'connected' };
const undisturbed = () => {
  const [peer] = window.room.peers.values();
  const { gaps, left, connections, connection } = window;
  const same = peer.connection === connection && connection === connections[0];
  return { gaps, left, connections: connections.length, same, peers: window.room.peers.size, state: peer.state };
};

const renewals = () => window.types.filter((type) => type === 'auth-ok').length;
const received = (tab) => tab.page.evaluate(() => window.received);
const opened = (tab) => tab.page.evaluate(() => window.opened);

/** Waits until all of them have heard the other count on for a while. */
async function count(tabs) {
  const before = await Promise.all(tabs.map(received));
  const heard = (least) => window.received >= least;
  await Promise.all(tabs.map((tab, at) => until(tab, 'counts', heard, before[at] + A_WHILE)));
}

/** Brings another tab to the front, as a user does. */
async function hide(tab) {
  tab.other = await tab.context.newPage();
  await tab.other.bringToFront();
  await until(tab, 'that it is hidden', () => document.visibilityState === 'hidden');
}

async function show(tab) {
  await tab.page.bringToFront();
  await tab.other.close();
  await until(tab, 'that it is seen', () => document.visibilityState === 'visible');
}
