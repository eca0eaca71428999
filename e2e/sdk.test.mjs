/** The SDK in real browsers, through the real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { startProxy } from './lib/proxy.mjs';
import * as raw from './lib/raw-page.mjs';
import { agreed, chat, connected, hold, join, release, steps, turn, until } from './lib/sdk-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const MEDIA = { audio: true, video: true };

const open = (t, devices, ...names) => Promise.all(names.map((name) => openTab(t, name, devices)));

for (const transport of ['websocket', 'sse']) {
  test(`${transport}: two browsers see, hear and write to each other`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const [first, second] = await open(t, FAKE_DEVICES, 'first', 'second');
    await join(first, port, { transport, publish: MEDIA });
    await join(second, port, { transport, publish: MEDIA });
    await Promise.all([connected(first, 1), connected(second, 1)]);
    for (const tab of [first, second]) {
      const before = await receives(tab, { audio: 1, video: 1 });
      await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
    }
    await chat(first, 'hello from the first', second);
    await chat(second, 'hello from the second', first);
    assertQuiet(first, second);
  });

  test(`${transport}: a third and a fourth peer join and each pair connects`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await open(t, NO_DEVICES, 'first', 'second', 'third', 'fourth');
    for (const [before, tab] of tabs.entries()) {
      await join(tab, port, { transport });
      await Promise.all(tabs.slice(0, before + 1).map((tab) => connected(tab, before)));
    }
    for (const tab of tabs) await chat(tab, `hello from ${tab.name}`, ...tabs.filter((other) => other !== tab));
    assertQuiet(...tabs);
  });

  test(`${transport}: a call survives the death of its way to the server`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const proxy = await startProxy(t, port);
    const tabs = await open(t, FAKE_DEVICES, 'first', 'second');
    const [first, second] = tabs;
    await join(first, port, { transport, via: proxy.port, publish: MEDIA });
    await join(second, port, { transport, publish: MEDIA });
    await Promise.all(tabs.map((tab) => until(tab, 'the media of both', agreed, 'sendrecv')));
    const id = await first.page.evaluate(() => window.room.me.id);

    proxy.refuse();
    proxy.cut();
    await until(first, 'that it reconnects', () => window.room.status === 'reconnecting');
    await chat(first, 'without a server', second);
    await chat(second, 'me too', first);
    const before = await receives(second, { audio: 1, video: 1 });
    await receives(second, { audio: before.audio + 1, video: before.video + 10 });

    proxy.open();
    await until(first, 'that it is back', () => window.room.status === 'joined');
    assert.equal(await first.page.evaluate(() => window.room.me.id), id, 'the same stay goes on');
    const offers = await Promise.all(tabs.map((tab) => steps(tab, 'offer-received')));
    await first.page.evaluate(turn, 'recvonly');
    await until(second, 'a new offer', (before) => window.log.filter(({ step }) => step === 'offer-received').length > before, offers[1]);
    await until(first, 'agreement', agreed, 'recvonly');
    await second.page.evaluate(turn, 'recvonly');
    await until(second, 'agreement', agreed, 'inactive');
    const states = await second.page.evaluate(() => window.log.filter(({ name }) => name === 'peer-state').map(({ state }) => state));
    assert.ok(!states.includes('interrupted') && states.at(-1) === 'connected', 'the call was never interrupted');
    assertQuiet(second);
  });

  test(`${transport}: a stream that takes the place of another arrives as itself`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await open(t, FAKE_DEVICES, 'first', 'second');
    for (const tab of tabs) await join(tab, port, { transport, publish: MEDIA });
    const [first, second] = tabs;
    await Promise.all(tabs.map((tab) => until(tab, 'the media of both', agreed, 'sendrecv')));
    for (let round = 0; round < 3; round += 1) {
      const id = await first.page.evaluate(async () => {
        window.room.unpublish(window.mine);
        window.mine = await window.room.publish({ audio: true, video: true });
        return window.mine.id;
      });
      const only = (id) => {
        const [{ streams, connection }] = window.room.peers.values();
        return connection.signalingState === 'stable' && streams.length === 1 && streams[0].id === id && streams[0].getTracks().length === 2;
      };
      await until(second, `the stream of round ${round} alone`, only, id);
      await receives(second, { audio: 1, video: 1 });
    }
    assertQuiet(...tabs);
  });

  test(`${transport}: either side calls, hangs up and calls again`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await open(t, FAKE_DEVICES, 'older', 'newcomer');
    for (const tab of tabs) await join(tab, port, { transport, connect: 'manual', publish: MEDIA });
    const [older, newcomer] = tabs;
    const meet = (tab) => until(tab, 'the other', () => window.room.peers.size === 1);
    await Promise.all(tabs.map(meet));
    for (const [caller, ender] of [[newcomer, older], [older, older], [newcomer, newcomer]]) {
      await caller.page.evaluate(() => [...window.room.peers.values()][0].connect());
      await Promise.all(tabs.map((tab) => connected(tab, 1)));
      await chat(caller, `hello from ${caller.name}`, ...tabs.filter((tab) => tab !== caller));
      for (const tab of tabs) await until(tab, 'the media of both', agreed, 'sendrecv');
      await ender.page.evaluate(() => [...window.room.peers.values()][0].hangup('enough'));
      for (const tab of tabs) await until(tab, 'the end of the call', () => [...window.room.peers.values()][0].state === 'closed');
    }
    // Both at once.
    await Promise.all(tabs.map((tab) => tab.page.evaluate(() => [...window.room.peers.values()][0].connect())));
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await chat(older, 'and again', newcomer);
    assertQuiet(...tabs);
  });

  test(`${transport}: a reload leaves no ghost`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await open(t, NO_DEVICES, 'first', 'second');
    const [first, second] = tabs;
    for (const tab of tabs) await join(tab, port, { transport });
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await join(second, port, { transport });
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    const left = await first.page.evaluate(() => window.log.filter(({ name }) => name === 'peer-left').map(({ reason }) => reason));
    assert.deepEqual(left, ['left']);
    assertQuiet(...tabs);
  });
}

test('offers that cross fifty times leave both sides stable and connected', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = await open(t, FAKE_DEVICES, 'impolite', 'polite');
  const [impolite, polite] = tabs;
  for (const tab of tabs) await join(tab, port, { publish: MEDIA });
  await Promise.all(tabs.map((tab) => until(tab, 'the media of both', agreed, 'sendrecv')));

  for (let round = 1; round <= 50; round += 1) {
    // Neither hears of the other's offer before it has made its own.
    await Promise.all(tabs.map(hold));
    const before = await Promise.all(tabs.map((tab) => steps(tab, 'offer-sent')));
    const direction = round % 2 ? 'recvonly' : 'sendrecv';
    await Promise.all(tabs.map((tab) => tab.page.evaluate(turn, direction)));
    await Promise.all(tabs.map((tab, at) => until(tab, `an offer in round ${round}`, offered, before[at])));
    await Promise.all(tabs.map(release));
    const result = round % 2 ? 'inactive' : 'sendrecv';
    await Promise.all(tabs.map((tab) => until(tab, `agreement in round ${round}`, agreed, result)));
  }
  const [ignored, yielded] = [await steps(impolite, 'glare-ignored'), await steps(polite, 'glare-yielded')];
  t.diagnostic(`${ignored} offers ignored, ${yielded} offers taken back`);
  assert.ok(ignored >= 50 && yielded >= 50);
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await chat(impolite, 'still here', polite);
  for (const tab of tabs) {
    const before = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
    assert.deepEqual(await tab.page.evaluate(() => window.log.filter(({ name }) => name === 'error')), []);
  }
  assertQuiet(...tabs);
});

/** In the page: whether it has made an offer since. */
const offered = (before) => window.log.filter(({ step }) => step === 'offer-sent').length > before;

for (const order of ['the SDK first', 'the raw page first']) {
  test(`a page with the SDK and one without connect, ${order}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const [sdk, plain] = await open(t, FAKE_DEVICES, 'sdk', 'plain');
    if (order === 'the SDK first') await join(sdk, port, { room: raw.ROOM, publish: MEDIA });
    await raw.enter(plain, port, order === 'the SDK first' ? 'with 1 more' : 'alone');
    if (order === 'the raw page first') await join(sdk, port, { room: raw.ROOM, publish: MEDIA });
    await Promise.all([connected(sdk, 1), raw.connected(plain, 1)]);
    for (const tab of [sdk, plain]) await receives(tab, { audio: 1, video: 10 });
    // The raw page's channel is number 0.
    await sdk.page.evaluate(() => {
      window.main = window.room.channel();
      window.main.on('message', ({ data }) => window.texts.push(data));
    });
    await until(sdk, 'a channel', () => window.main.peers.length === 1);
    await sdk.page.evaluate(() => void window.main.send('hello from the SDK'));
    await plain.page.getByText('hello from the SDK').waitFor();
    await plain.page.getByLabel('Message').fill('hello from the page');
    await plain.page.keyboard.press('Enter');
    await until(sdk, 'the answer', () => window.texts.includes('hello from the page'));
    assertQuiet(sdk, plain);
  });
}
