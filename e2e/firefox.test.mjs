/** The SDK in Firefox and Chromium, with each other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { CHROMIUM, FIREFOX, freshTab, launch } from './lib/browsers.mjs';
import { openTab } from './lib/chromium.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { agreed, chat, connected, join, turn, until } from './lib/sdk-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const OPEN = { Chromium: openTab, Firefox: openFirefoxTab };
const MEDIA = { audio: true, video: true };

for (const [there, comes] of [['Chromium', 'Firefox'], ['Firefox', 'Chromium']]) {
  test(`${comes} comes to ${there}, and they see, hear and write to each other`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await Promise.all([there, comes].map((name) => OPEN[name](t, name, FAKE_DEVICES)));
    const [first, second] = tabs;
    await join(first, port, { publish: MEDIA });
    const opened = performance.now();
    await join(second, port, { publish: MEDIA });
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    t.diagnostic(`connected ${Math.round(performance.now() - opened)} ms after ${comes} opened the page`);

    for (const tab of tabs) {
      const before = await receives(tab, { audio: 1, video: 1 });
      await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
    }
    await chat(first, `hello from ${there}`, second);
    await chat(second, `hello from ${comes}`, first);

    // Either side may change the call, and the one who came first may restart ICE.
    await until(first, 'the media of both', agreed, 'sendrecv');
    for (const [tab, direction, result] of [[second, 'recvonly', 'recvonly'], [first, 'recvonly', 'inactive'], [second, 'sendrecv', 'sendonly']]) {
      await tab.page.evaluate(turn, direction);
      await until(tab, `${direction} by ${tab.name}`, agreed, result);
    }
    const fragment = await first.page.evaluate(ownFragment);
    await first.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());
    await until(first, 'a fresh start of ICE', restarted, fragment);
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await chat(first, 'still here', second);
    for (const tab of tabs) assert.deepEqual(await tab.page.evaluate(() => window.log.filter(({ name }) => name === 'error')), []);
    assertQuiet(...tabs);
  });
}

/** In the page: the user fragment of its ICE, which a restart replaces. */
const ownFragment = () => [...window.room.peers.values()][0].connection.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
const restarted = (fragment) => {
  const [{ connection }] = window.room.peers.values();
  const found = connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
  return found !== fragment && connection.signalingState === 'stable';
};

test('a room for data alone has connections without media, through a fresh start of ICE and a new call', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = await Promise.all(['Chromium', 'Firefox'].map((name) => OPEN[name](t, name, NO_DEVICES)));
  for (const tab of tabs) await join(tab, port, { layout: 'data' });
  const [first, second] = tabs;
  const exchange = async (word) => {
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    await chat(first, `${word} from the first`, second);
    await chat(second, `${word} from the second`, first);
  };
  await exchange('hello');
  const fragment = await first.page.evaluate(ownFragment);
  await first.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());
  await until(first, 'a fresh start of ICE', restarted, fragment);
  await exchange('still here');
  await first.page.evaluate(() => [...window.room.peers.values()][0].hangup());
  await until(second, 'the end of the call', () => [...window.room.peers.values()][0].state === 'closed');
  await second.page.evaluate(() => [...window.room.peers.values()][0].connect());
  await exchange('again');
  for (const tab of tabs) {
    const sections = () => [...window.room.peers.values()][0].connection.localDescription.sdp.match(/^m=\w+/gm);
    assert.deepEqual(await tab.page.evaluate(sections), ['m=application'], tab.name);
    assert.deepEqual(await tab.page.evaluate(() => window.log.filter(({ name }) => name === 'error')), []);
  }
  const offer = async (layout) => (await first.page.evaluate(firstOffer, layout)).length;
  t.diagnostic(`a first offer of Chromium: ${await offer('data')} bytes for data alone, ${await offer('media')} with media`);
  assertQuiet(...tabs);
});

/** In the page: what the first offer of a layout looks like, before there are candidates. */
const firstOffer = async (layout) => {
  const connection = new RTCPeerConnection();
  connection.createDataChannel('', { negotiated: true, id: 0 });
  if (layout === 'media') for (const kind of ['audio', 'video']) connection.addTransceiver(kind, { direction: 'recvonly' });
  const { sdp } = await connection.createOffer();
  connection.close();
  return sdp;
};

// What brings Firefox there takes a thousand changes at random (`stress.test.mjs`). Here nothing is lost but the word that it came.
describe('whoever sends to a Firefox that reports no more on it makes another connection', { concurrency: true }, () => {
  for (const kind of [CHROMIUM, FIREFOX]) {
    test(kind, async (t) => {
      const { port } = await startAldis(t, 'dev');
      const [sender, receiver] = await Promise.all([kind, FIREFOX].map(async (kind, at) => freshTab(t, await launch(t, kind), `${kind} ${at + 1}`)));
      await sender.page.addInitScript(silenceReports);
      for (const tab of [sender, receiver]) await join(tab, port, { identity: tab.name });
      await sender.page.evaluate(() => window.room.publish(window.fakeStream('video')));
      await Promise.all([sender, receiver].map((tab) => connected(tab, 1)));
      await receives(receiver, { audio: 0, video: 10 });
      await sender.page.evaluate(() => void (window.reports = 'lost'));
      await until(sender, 'another connection', () => window.connections.length === 2);
      await sender.page.evaluate(() => void (window.reports = 'come'));
      await Promise.all([sender, receiver].map((tab) => connected(tab, 1)));
      // What came over the first one counts no more.
      await receiver.page.evaluate(() => void window.connections.splice(0, window.connections.length - 1));
      await receives(receiver, { audio: 0, video: 10 });
      assert.equal(await receiver.page.evaluate(() => [...window.room.peers.values()][0].counts.rebuilds), 1);
    });
  }
});

/** In the page: its connections hear no report of the other side any more while `reports` are `lost`. */
function silenceReports() {
  const { getStats } = RTCPeerConnection.prototype;
  const last = new Map();
  RTCPeerConnection.prototype.getStats = async function () {
    const stats = new Map(await getStats.call(this));
    for (const [id, entry] of stats) {
      if (entry.type !== 'remote-inbound-rtp') continue;
      if (window.reports !== 'lost') last.set(id, entry.timestamp);
      stats.set(id, { ...entry, timestamp: last.get(id) });
    }
    return stats;
  };
}
