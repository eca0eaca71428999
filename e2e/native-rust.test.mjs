/** `examples/native-peer`: a peer in Rust, with the SDK in browsers, through the real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { startCoturn } from './lib/coturn.mjs';
import * as demo from './lib/demo.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { ANYWHERE, LOOPBACK, countsOn, listen, startNativeRust, talk } from './lib/native-rust.mjs';
import { connected, join, steps, until } from './lib/sdk-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, PATIENCE_MS, assertQuiet } from './lib/tab.mjs';
import { prepareFaults, tamperWith } from './lib/tamper.mjs';

const OPEN = { Chromium: [openTab, LOOPBACK], Firefox: [openFirefoxTab, ANYWHERE] };
const NATIVE_FIRST = 'the native peer first';
const ORDERS = [NATIVE_FIRST, 'the page first'];

for (const [browser, orders] of [['Chromium', ORDERS], ['Firefox', ORDERS]]) {
  for (const order of orders) {
    test(`a page in ${browser} and a native peer talk, ${order}`, async (t) => {
      const { port } = await startAldis(t, 'dev');
      const { page, native } = await meet(t, port, browser, order);
      await countsOn(page);
      await talk(page, native, 'hello');

      // Whichever side has to start ICE afresh, and whichever adds to the call.
      const fragment = await page.page.evaluate(ownFragment);
      await page.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());
      await until(page, 'a fresh start of ICE', restarted, fragment);
      await countsOn(page);
      await renegotiate(page);
      await talk(page, native, 'still here');

      native.kill('SIGINT');
      assert.equal(await native.end(), 0);
      await until(page, 'the goodbye', () => window.log.some(({ name, reason }) => name === 'peer-left' && reason === 'left'));
      assert.equal(await page.page.evaluate(() => window.room.peers.size), 0);
      await assertWell(page);
    });
  }
}

for (const order of ORDERS) {
  test(`the count goes on while the server is gone, and so does the call when it is back, ${order}`, async (t) => {
    const cluster = { ALDIS_CLUSTER_SECRET: '0123456789abcdef0123456789abcdef' };
    const { port, program: server } = await startAldis(t, 'dev', cluster);
    const { page, native } = await meet(t, port, 'Chromium', order);
    await countsOn(page);
    const ids = await page.page.evaluate(bothIds);

    await server.stop();
    await until(page, 'that it reconnects', () => window.room.status === 'reconnecting');
    await native.says(/the way to the server is broken/, PATIENCE_MS);
    await countsOn(page);
    await talk(page, native, 'without a server');

    await startAldis(t, 'dev', cluster, { listen: `localhost:${port}` });
    await until(page, 'that it is back', () => window.room.status === 'joined');
    await native.says(/the server is back/, PATIENCE_MS);
    assert.deepEqual(await page.page.evaluate(bothIds), ids, 'both stays go on');
    await countsOn(page);
    const fragment = await page.page.evaluate(ownFragment);
    await page.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());
    await until(page, 'a fresh start of ICE', restarted, fragment);
    await renegotiate(page);
    await countsOn(page);
    await talk(page, native, 'with the server');
    assert.equal(await steps(page, 'offer-repeated'), 0);
    // What the browser says about a server that is gone is no complaint about the call.
    assert.deepEqual(await page.page.evaluate(rebuilds), 0);
  });
}

for (const order of ORDERS) {
  test(`what either side refuses is got over, ${order}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const { page, native } = await meet(t, port, 'Chromium', order);
    await talk(page, native, 'before');

    await page.page.evaluate(garbleNextOffer);
    await renegotiate(page);
    await native.says(/an offer is refused/, PATIENCE_MS);
    assert.equal(await steps(page, 'nack-received'), 1);
    await talk(page, native, 'after a refusal by the native peer');

    // To a browser that takes three answers for none the connection is broken, and both make another one.
    await tamperWith(page, { garble: { answer: 3 } });
    await page.page.evaluate(() => void [...window.room.peers.values()][0].connection.addTransceiver('audio'));
    await native.says(/the connection is made anew/, PATIENCE_MS);
    await until(page, 'another connection', () => [...window.room.peers.values()][0].counts.rebuilds === 1);
    await connected(page, 1);
    await talk(page, native, 'after a refusal by the page');
  });

  test(`the page hangs up and calls again, ${order}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const { page, native } = await meet(t, port, 'Chromium', order);
    await talk(page, native, 'in the first call');
    await page.page.evaluate(() => [...window.room.peers.values()][0].hangup());
    await native.says(/hung up/, PATIENCE_MS);
    await page.page.evaluate(() => [...window.room.peers.values()][0].connect());
    await talk(page, native, 'in the second call');
    await assertWell(page);
  });
}

test('three pages and a native peer are all connected, and each hears it count', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const pages = await Promise.all(['first', 'second', 'third'].map((name) => openTab(t, name, NO_DEVICES)));
  const [first, ...others] = pages;
  await join(first, port);
  const native = await startNativeRust(t, port);
  for (const page of others) await join(page, port);
  for (const page of pages) {
    await listen(page);
    await connected(page, 3);
    await countsOn(page);
    await talk(page, native, `hello from ${page.name}`);
  }
  assertQuiet(...pages);
});

test('a native peer is reached through the relay of its room', async (t) => {
  const turn = await startCoturn(t, { secret: 'a-secret-that-only-this-test-knows' });
  const { port } = await startAldis(t, 'dev', turn.env);
  const native = await startNativeRust(t, port);
  const page = await openTab(t, 'page', NO_DEVICES);
  await join(page, port, { rtc: { iceTransportPolicy: 'relay' } });
  await listen(page);
  await connected(page, 1);
  await talk(page, native, 'by relay');
  await until(page, 'a relay of the native peer', () => / typ relay /.test([...window.room.peers.values()][0].connection.remoteDescription.sdp));
  assertQuiet(page);
});

test('who writes in the demo is answered', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const native = await startNativeRust(t, port);
  const tab = await openTab(t, 'demo', FAKE_DEVICES);
  await demo.join(tab, port, { room: 'demo' });
  await native.says(/channel `chat` is open/, PATIENCE_MS);
  await tab.page.fill('#text', 'hello');
  await tab.page.click('#say button');
  await tab.page.getByText('you said: hello').waitFor();
  assertQuiet(tab);
});

/** A page that publishes, and a native peer, in the room of this order and connected. */
async function meet(t, port, browser, order) {
  const [open, reached] = OPEN[browser];
  const page = await open(t, 'page', FAKE_DEVICES);
  await prepareFaults(page);
  const early = order === NATIVE_FIRST && (await startNativeRust(t, port, reached));
  await join(page, port, { publish: { audio: true, video: true } });
  await listen(page);
  const native = early || (await startNativeRust(t, port, reached));
  await connected(page, 1);
  return { page, native };
}

/** Adds a section to the call: it stays, and carries nothing, because the native peer watches nothing. */
async function renegotiate(tab) {
  const before = await tab.page.evaluate(() => {
    const [{ connection }] = window.room.peers.values();
    const before = connection.getTransceivers().length;
    connection.addTransceiver('video', { direction: 'sendrecv' });
    return before;
  });
  await until(tab, 'another section', (before) => {
    const [{ connection }] = window.room.peers.values();
    const added = connection.getTransceivers().slice(before);
    return connection.signalingState === 'stable' && added.length === 1 && added[0].currentDirection === 'inactive';
  }, before);
}

/** Nothing failed, and nothing had to be made anew. */
async function assertWell(tab) {
  assert.deepEqual(await tab.page.evaluate(() => window.log.filter(({ name }) => name === 'error')), []);
  assertQuiet(tab);
}

/** In the page: the next offer that it makes is none. */
const garbleNextOffer = () => {
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    const message = JSON.parse(data);
    if (message.type !== 'offer') return send.call(this, data);
    WebSocket.prototype.send = send;
    send.call(this, JSON.stringify({ ...message, sdp: 'no description at all' }));
  };
};

/** In the page. */
const bothIds = () => [window.room.me.id, ...window.room.peers.keys()];
const rebuilds = () => [...window.room.peers.values()][0].counts.rebuilds;
const ownFragment = () => [...window.room.peers.values()][0].connection.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
const restarted = (fragment) => {
  const [{ connection }] = window.room.peers.values();
  const found = connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
  return found !== fragment && connection.signalingState === 'stable';
};
