/**
 * The second transport, event stream and POST, with the real SDK and the real server: through proxies that let no WebSocket through, that
 * cut streams or hold them back, from one transport to the other and back, and beside a WebSocket.
 *
 * With `ALDIS_SOAK=1` it lasts longer.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as last } from 'node:timers/promises';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { History } from './lib/history.mjs';
import { startHttpProxy } from './lib/http-proxy.mjs';
import { enter } from './lib/member.mjs';
import { startProxy } from './lib/proxy.mjs';
import { AldisError, joinRoom } from './lib/sdk.mjs';
import { chat, connected, join, until } from './lib/sdk-page.mjs';
import { NO_DEVICES } from './lib/tab.mjs';
import { KEYS, mint } from './lib/token.mjs';

const { TALK_S, CUT_MS, CUT_S } = process.env.ALDIS_SOAK
  ? { TALK_S: 120, CUT_MS: 30_000, CUT_S: 200 }
  : { TALK_S: 5, CUT_MS: 3_000, CUT_S: 10 };

const PATIENCE_MS = 20_000;

describe('in browsers', () => {
  for (const [name, open] of [['Chromium', openTab], ['Firefox', openFirefoxTab]]) {
    test(`where no WebSocket comes through ${name} calls all the same, by event stream`, async (t) => {
      const { port } = await startAldis(t, 'dev');
      const proxy = await startHttpProxy(t, port);
      const tabs = [await open(t, name, NO_DEVICES), await openTab(t, 'the other', NO_DEVICES)];
      const opened = performance.now();
      await join(tabs[0], port, { via: proxy.port, layout: 'data' });
      t.diagnostic(`joined by event stream ${Math.round(performance.now() - opened)} ms after the page was opened`);
      await join(tabs[1], port, { layout: 'data' });
      await Promise.all(tabs.map((tab) => connected(tab, 1)));
      await chat(tabs[0], 'by channel', tabs[1]);
      await chat(tabs[1], 'and back', tabs[0]);
      for (const tab of tabs) await tab.page.evaluate(listen);
      for (const [from, to] of [tabs, tabs.toReversed()]) {
        await from.page.evaluate(() => [...window.room.peers.values()][0].send({ text: 'by server' }));
        await until(to, 'a message', () => window.heard.includes('by server'));
      }
      assert.equal(proxy.streams, 1);
      await tabs[0].page.evaluate(() => window.room.leave());
      await until(tabs[1], 'the goodbye', () => window.log.some(({ name }) => name === 'peer-left'));
      assert.equal(await tabs[1].page.evaluate(() => window.log.find(({ name }) => name === 'peer-left').reason), 'left');
    });
  }
});

describe('a page that is closed has left, although its browser breaks the stream before it says so', { concurrency: 2 }, () => {
  const close = ({ page }) => page.close();
  const leave = ({ page }) => page.goto('about:blank');
  const CASES = [
    ['closed', close, 'of the same origin'],
    ['closed', close, 'of another origin'],
    ['left', leave, 'of another origin'],
  ];
  // Firefox forgets its last request every other time.
  for (const [how, end, where] of CASES) {
    test(`a tab of Chromium, ${how}, ${where}`, async (t) => {
      const { port } = await startAldis(t, 'dev');
      const via = where === 'of another origin' ? (await startProxy(t, port)).port : port;
      const [stays, goes] = [await openTab(t, 'stays', NO_DEVICES), await openTab(t, 'goes', NO_DEVICES)];
      await join(stays, port, { connect: 'manual' });
      await join(goes, port, { via, connect: 'manual', transport: 'sse' });
      await until(stays, 'the other', () => window.room.peers.size === 1);
      // What the test looks into does not outlive its page.
      await goes.page.unrouteAll();
      await end(goes);
      const ended = performance.now();
      await until(stays, 'that it left', () => window.log.some(({ name }) => name === 'peer-left'));
      t.diagnostic(`seen after ${Math.round(performance.now() - ended)} ms`);
      assert.equal(await stays.page.evaluate(() => window.log.find(({ name }) => name === 'peer-left').reason), 'left');
    });
  }
});

/** In the page: keeps what peers send. */
const listen = () => {
  window.heard = [];
  window.room.on('message', ({ data }) => window.heard.push(data.text));
};

describe('under Node', { concurrency: true }, () => {
  test('where no WebSocket comes through, two failed ones are enough', async (t) => {
    const { history, bob, proxy } = await meetThrough(t);
    assert.deepEqual(history.of('opened', 'bob').map(({ stream }) => stream === true), [false, false, true]);
    assert.equal(proxy.streams, 1);
    await bob.room.leave();
    await history.until(PATIENCE_MS, 'the goodbye', () => history.seen('ann').at(-1) === 'bob left: left');
  });

  test(`streams that are cut after ${CUT_MS} ms lose nothing, and nobody is seen to leave`, async (t) => {
    const { history, ann, bob, proxy } = await meetThrough(t, { mostMs: CUT_MS });
    const id = bob.room.me.id;
    ann.talk('bob', 50);
    bob.talk('ann', 50);
    await last(CUT_S * 1_000);
    proxy.mostMs = undefined;
    await finish(t, history, ann, bob);
    assert.equal(bob.room.me.id, id);
    assert.deepEqual(history.of('rejected'), []);
    assert.ok(proxy.streams > 2, 'they were cut');
  });

  test('a proxy that holds the stream back is noticed, and the error says so', async (t) => {
    const server = await serve(t);
    const proxy = await startHttpProxy(t, server.port, { buffers: true });
    const token = () => mint('e2e', 'bob');
    const refused = await joinRoom(`http://127.0.0.1:${proxy.port}`, { room: 'e2e', token, transport: 'sse' }).then(
      () => assert.fail('nothing could be heard'),
      (error) => error,
    );
    assert.ok(refused instanceof AldisError);
    assert.equal(refused.code, 'timed-out');
    assert.match(`${refused}`, /event stream.*A proxy may hold it back/);
  });

  test('a session goes on by event stream where WebSockets are blocked in its middle, and by WebSocket again on another network', async (t) => {
    const { history, ann, bob, proxy } = await meetThrough(t, { upgrades: true });
    const id = bob.room.me.id;
    assert.equal(proxy.streams, 0);
    ann.talk('bob', 50);
    bob.talk('ann', 50);
    await last(500);
    proxy.upgrades = false;
    proxy.cut();
    await history.until(PATIENCE_MS, 'a stream', () => proxy.streams === 1);
    await joined(history, bob);
    await last(500);
    proxy.upgrades = true;
    bob.page('network-changed');
    proxy.cut();
    await history.until(PATIENCE_MS, 'another way', () => history.of('opened', 'bob').length >= 5);
    await joined(history, bob);
    await last(500);
    await finish(t, history, ann, bob);
    assert.equal(proxy.streams, 1);
    assert.equal(bob.room.me.id, id);
    assert.deepEqual(history.of('rejected'), []);
    assert.deepEqual(history.of('left'), []);
  });

  test('on a good network and on a bad one everything arrives, in order and once', async (t) => {
    const server = await serve(t);
    const proxy = await startProxy(t, server.port);
    const history = new History();
    const ann = await enter(t, 'ann', server.port, history, { transport: 'sse' });
    const bob = await enter(t, 'bob', proxy.port, history, { transport: 'sse' });
    await history.until(PATIENCE_MS, 'that they meet', () => ann.peer('bob'));
    const id = bob.room.me.id;
    ann.talk('bob', 50);
    bob.talk('ann', 50);
    await last(TALK_S * 500);
    proxy.slow({ ms: 50 });
    for (let second = 0; second < TALK_S; second += 1) {
      await last(1_000);
      // All connections: the answer to a POST is lost as well as a stream.
      proxy.cut();
    }
    proxy.open();
    await joined(history, bob);
    await finish(t, history, ann, bob);
    assert.equal(bob.room.me.id, id);
    assert.deepEqual(history.of('rejected'), []);
    assert.deepEqual(history.of('left'), []);
  });
});

test('what it costs beside a WebSocket: time for a message, and POSTs at rest', async (t) => {
  const server = await serve(t);
  const proxies = {};
  const took = {};
  for (const transport of ['websocket', 'sse']) {
    const proxy = await startHttpProxy(t, server.port, { upgrades: true });
    proxies[transport] = proxy;
    const history = new History();
    const names = [`${transport}-a`, `${transport}-b`];
    const [one, other] = await Promise.all(names.map((name) => enter(t, name, proxy.port, history, { transport })));
    await history.until(PATIENCE_MS, 'that they meet', () => one.peer(names[1]) && other.peer(names[0]));
    for (let count = 1; count <= 200; count += 1) {
      one.say(names[1]);
      await history.until(PATIENCE_MS, 'the message', () => history.of('heard').length === count);
    }
    const heard = history.of('heard');
    const times = history.of('sent').map(({ at }, count) => heard[count].at - at).sort((a, b) => a - b);
    took[transport] = times;
    t.diagnostic(`${transport}: p50 ${times[100].toFixed(1)} ms, p95 ${times[190].toFixed(1)} ms until a message is heard`);
  }
  const before = proxies.sse.posts;
  await last(process.env.ALDIS_SOAK ? 120_000 : 32_000);
  const posts = proxies.sse.posts - before;
  t.diagnostic(`${posts} POSTs of two clients at rest`);
  // One in 15 s each, and no more than two.
  assert.ok(posts <= (process.env.ALDIS_SOAK ? 36 : 10), `${posts} POSTs`);
  assert.ok(took.sse[100] < 1_000);
});

/** Ann, who reaches the server, and bob who reaches it through a proxy for HTTP, whatever that lets through. */
async function meetThrough(t, options) {
  const server = await serve(t);
  const proxy = await startHttpProxy(t, server.port, options);
  const history = new History();
  const ann = await enter(t, 'ann', server.port, history);
  const bob = await enter(t, 'bob', proxy.port, history);
  await history.until(PATIENCE_MS, 'that they meet', () => ann.peer('bob'));
  return { proxy, history, ann, bob };
}

async function serve(t) {
  const server = await startAldis(t, 'serve', KEYS);
  t.after(() => assert.doesNotMatch(server.program.output, /"level":"ERROR"/));
  return server;
}

const joined = (history, { name, room }) => history.until(PATIENCE_MS, `that ${name} is back`, () => room.status === 'joined');

/** Lets them say no more, and checks all that they have seen. */
async function finish(t, history, ...members) {
  for (const member of members) member.hush();
  await history.settled();
  await history.assertKept(t);
}
