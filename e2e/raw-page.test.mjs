/** `examples/raw`, the page without an SDK: real browsers, real media, the real server. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ROOT, startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { chat, connected, enter, status } from './lib/raw-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const OUT = join(ROOT, 'e2e/out');
before(() => mkdir(OUT, { recursive: true }));

test('two browsers see, hear and write to each other', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [first, second] = await Promise.all([openTab(t, 'first', FAKE_DEVICES), openTab(t, 'second', FAKE_DEVICES)]);
  await enter(first, port, 'alone');
  const opened = performance.now();
  await enter(second, port, 'with 1 more');
  await Promise.all([connected(first, 1), connected(second, 1)]);
  t.diagnostic(`connected ${Math.round(performance.now() - opened)} ms after the second page was opened`);

  for (const tab of [first, second]) {
    const before = await receives(tab, { audio: 1, video: 1 });
    const after = await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
    t.diagnostic(`${tab.name}: ${after.video} frames decoded, ${after.audio} bytes of audio`);
    assert.ok(await tab.page.evaluate(() => document.querySelector('#stage figure:last-child video').videoWidth > 0));
  }
  await chat(first, 'hello from the first', second);
  await chat(second, 'hello from the second', first);
  for (const tab of [first, second]) {
    const channel = await statistic(tab, 'data-channel');
    assert.deepEqual([channel.messagesSent, channel.messagesReceived], [1, 1]);
  }

  await first.page.screenshot({ path: join(OUT, 'two-light.png') });
  await second.page.emulateMedia({ colorScheme: 'dark' });
  await second.page.setViewportSize({ width: 360, height: 760 });
  assert.ok(await second.page.evaluate(() => document.documentElement.scrollWidth <= 360), 'nothing is wider than 360 px');
  await second.page.screenshot({ path: join(OUT, 'two-dark-360.png') });

  await second.page.close();
  await status(first, 'alone');
  assert.equal(await first.page.locator('figure').count(), 1);
  assertQuiet(first, second);
});

test('who has no camera receives and writes all the same, whether first or last in the room', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const deviceless = await openTab(t, 'deviceless', NO_DEVICES);
  const camera = await openTab(t, 'camera', FAKE_DEVICES);
  // As on a page that came over plain http from another machine.
  const insecure = await openTab(t, 'insecure', FAKE_DEVICES, {
    prepare: () => Object.defineProperty(navigator, 'mediaDevices', { value: undefined }),
  });
  await enter(deviceless, port, 'alone');
  await enter(camera, port, 'with 1 more');
  await enter(insecure, port, 'with 2 more');
  const tabs = [deviceless, camera, insecure];
  await Promise.all(tabs.map((tab) => connected(tab, 2)));

  for (const tab of [deviceless, insecure]) {
    await receives(tab, { audio: 1, video: 10 });
    assert.match(await tab.page.textContent('#name'), /without a camera/);
  }
  for (const tab of tabs) await chat(tab, `hello from ${tab.name}`, ...tabs.filter((other) => other !== tab));
  await deviceless.page.screenshot({ path: join(OUT, 'three-without-camera.png') });
  assertQuiet(...tabs);
});

test('when the server is gone the page says so and the call goes on', async (t) => {
  const { program, port } = await startAldis(t, 'dev');
  const tabs = [await openTab(t, 'first', FAKE_DEVICES), await openTab(t, 'second', FAKE_DEVICES)];
  await enter(tabs[0], port, 'alone');
  await enter(tabs[1], port, 'with 1 more');
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await program.stop();

  for (const tab of tabs) {
    await status(tab, 'The server is gone');
    const { video } = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: 1, video: video + 10 });
  }
  await chat(tabs[0], 'still here', tabs[1]);
  await tabs[0].page.screenshot({ path: join(OUT, 'server-gone.png') });
  assertQuiet(...tabs);
});

test('what the server refuses is said in its words', async (t) => {
  const { port } = await startAldis(t, 'dev', { ALDIS_LIMITS_ROOM_PEERS: '1' });
  const [first, second] = [await openTab(t, 'first', NO_DEVICES), await openTab(t, 'second', NO_DEVICES)];
  await enter(first, port, 'alone');
  await enter(second, port, 'did not let us in. The room has 1 peer');
  await second.page.goto(`http://localhost:${port}/raw?room=no%20room`);
  await status(second, 'gave no token. The query\'s `room`');
  await second.page.screenshot({ path: join(OUT, 'refused.png') });
});

test('localhost answers under each of its names', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const loopback = Object.values(networkInterfaces()).flat().map(({ address }) => address);
  const hosts = ['localhost', '127.0.0.1', ...(loopback.includes('::1') ? ['[::1]'] : [])];
  t.diagnostic(hosts.join(', '));
  for (const host of hosts) {
    const signal = AbortSignal.timeout(5_000);
    const page = await fetch(`http://${host}:${port}/`, { signal });
    assert.match(await page.text(), /^<!doctype html>/);
    const token = await fetch(`http://${host}:${port}/dev/token?room=demo&identity=alice`, { signal });
    assert.equal((await token.json()).url, `ws://${host}:${port}/v1/signal`);
  }
});

async function statistic(tab, type) {
  return tab.page.evaluate(async (type) => {
    const report = await window.connections[0].getStats();
    return [...report.values()].find((entry) => entry.type === type);
  }, type);
}
