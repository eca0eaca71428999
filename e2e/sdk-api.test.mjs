/** What applications do with the SDK beyond a call: rooms without a browser, switches for media, attributes, statistics, giving up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { installFakeMedia } from './lib/fake-media.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { entry, servePackage } from './lib/package.mjs';
import { screenOfCanvas } from './lib/screen.mjs';
import { connected, join, steps, until } from './lib/sdk-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, PATIENCE_MS, assertQuiet, receives } from './lib/tab.mjs';
import { within } from './lib/within.mjs';

const OPEN = { Chromium: openTab, Firefox: openFirefoxTab };

/** In the page: how a shared screen ends. Firefox lets nobody pretend that its user did it. */
const ENDINGS = {
  Chromium: () => {
    const [track] = window.screenStream.getTracks();
    track.stop();
    track.dispatchEvent(new Event('ended'));
  },
  Firefox: () => window.room.stopSharing(),
};

// Rooms without a browser

/** A module worker; where it has the client from. */
const worker = (source) => `
import { SignalingClient } from '${source}'
const globals = ['document', 'window', 'RTCPeerConnection'].filter((name) => name in globalThis)
onmessage = async ({ data: { url, name } }) => {
  const client = await SignalingClient.join(url, { room: 'mixed' })
  client.on('message', async ({ peer, data }) => {
    await client.send(peer.id, { echo: data, by: name, globals })
    postMessage('echoed')
  })
  client.setAttributes({ worker: name })
  client.on('peer-updated', ({ peer }) => peer.attributes?.bye && client.leave())
  client.on('status', ({ status }) => postMessage(status))
  postMessage(client.status)
}`;

for (const [browser, open] of Object.entries(OPEN)) {
  test(`${browser}: workers, of the package and of \`/signaling.js\`, Node with \`ws\` and with a global WebSocket are in one room`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const url = `http://localhost:${port}`;
    const tab = await open(t, 'page', NO_DEVICES);
    // The server's file is of another origin than the worker, and needs no bundler.
    const sources = { packaged: './signaling-entry.js', served: `${url}/signaling.js` };
    const names = Object.keys(sources);
    const files = Object.fromEntries(names.map((name) => [`${name}.js`, worker(sources[name])]));
    await tab.page.goto(await servePackage(t, files));
    await tab.page.evaluate(([url, names]) => {
      window.said = {};
      window.workers = names.map((name) => {
        const words = (window.said[name] = []);
        const worker = new Worker(`/${name}.js`, { type: 'module' });
        worker.onmessage = ({ data }) => words.push(data);
        worker.postMessage({ url, name });
        return worker;
      });
    }, [url, names]);
    const all = (word, times) =>
      until(tab, `${word} of each worker`, ([word, times]) =>
        Object.values(window.said).every((words) => words.filter((said) => said === word).length === times), [word, times]);
    await all('joined', 1);

    assert.equal(globalThis.WebSocket, undefined, 'this Node has a WebSocket: run the first client without the option too');
    const { SignalingClient } = await entry('signaling-entry.js');
    const alone = SignalingClient.join(url, { room: 'mixed', transport: 'websocket' });
    await assert.rejects(alone, { code: 'invalid-option', message: /`ws`/ });
    const streaming = await SignalingClient.join(url, { room: 'alone' });
    assert.equal(streaming.status, 'joined');
    streaming.leave();
    const given = await SignalingClient.join(url, { room: 'mixed', WebSocket });
    globalThis.WebSocket = WebSocket;
    t.after(() => delete globalThis.WebSocket);
    const global = await SignalingClient.join(url, { room: 'mixed' });
    t.after(() => [given, global].forEach((client) => client.leave()));

    await eventually('four in the room', () => given.peers.size === 3 && global.peers.size === 3);
    const workers = () => global.getSnapshot().peers.filter(({ attributes }) => attributes?.worker);
    await eventually('the attributes of the workers', () => workers().length === names.length);
    const echoes = [];
    for (const client of [given, global]) {
      client.on('message', ({ data }) => echoes.push([client, data]));
      for (const { id } of workers()) {
        await client.send(id, 'hello');
        await client.send(id, 'again');
      }
    }
    await eventually('all echoes', () => echoes.length === 4 * names.length);
    for (const client of [given, global]) {
      for (const name of names) {
        const heard = echoes.filter(([at, { by }]) => at === client && by === name).map(([, data]) => data);
        assert.deepEqual(heard, ['hello', 'again'].map((echo) => ({ echo, by: name, globals: [] })));
      }
    }
    await all('echoed', 4);
    given.setAttributes({ bye: true });
    await all('left', 1);
    await eventually('two left', () => global.peers.size === 1);
    assertQuiet(tab);
  });
}

test('`SignalingClient` and `negotiate` reach a page that uses `joinRoom`', async (t) => {
  const { port } = await startAldis(t, 'dev');
  for (const first of ['own', 'room']) {
    const [own, room] = await Promise.all(['own', 'room'].map((name) => openTab(t, `${name} (${first} first)`, NO_DEVICES)));
    const base = await servePackage(t);
    const enter = {
      own: async () => {
        await own.page.goto(base);
        await own.page.evaluate(connectByHand, { url: `http://localhost:${port}`, room: `by-hand-${first}` });
      },
      room: () => join(room, port, { room: `by-hand-${first}` }),
    };
    await enter[first]();
    await enter[first === 'own' ? 'room' : 'own']();
    await connected(room, 1);
    await until(room, 'the channel', () => window.chat.peers.length === 1);
    await room.page.evaluate(() => void window.chat.send('to the hand-made'));
    await until(own, 'a message', () => window.heard.includes('to the hand-made'));
    await own.page.evaluate(() => window.channel.send('from the hand-made'));
    await until(room, 'a message', () => window.texts.some((text) => text.endsWith('from the hand-made')));
    assertQuiet(own, room);
  }
});

/** In the page: makes its connection itself. */
async function connectByHand({ url, room }) {
  const { SignalingClient } = await import('/signaling-entry.js');
  const { negotiate } = await import('/negotiate.js');
  window.heard = [];
  const client = await SignalingClient.join(url, { room });
  const negotiations = new Map();
  const meet = (peer) => {
    const pc = new RTCPeerConnection({ iceServers: [...client.iceServers] });
    const negotiation = negotiate(pc, {
      polite: peer.polite,
      numbered: peer.features.includes('streams'),
      send: (signal) => client.signal(peer.id, signal),
    });
    negotiations.set(peer.id, negotiation);
    const use = (channel) => {
      window.channel = channel;
      channel.onmessage = ({ data }) => window.heard.push(data);
    };
    // Both sides know this one from the start: see `room.channel()`.
    pc.createDataChannel('', { negotiated: true, id: 0 });
    // The side that offers opens the others.
    if (!peer.polite) use(pc.createDataChannel('chat'));
    pc.ondatachannel = ({ channel }) => use(channel);
  };
  client.on('signal', ({ peer, signal }) => negotiations.get(peer.id)?.receive(signal));
  client.on('peer-joined', ({ peer }) => meet(peer));
  for (const peer of client.peers.values()) meet(peer);
}

// Media

for (const browser of ['Chromium', 'Firefox']) {
  test(`${browser}: camera, microphone, screen and what takes their place arrive, also at who comes later`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    // Firefox prepares the empty page of a new tab too, which has no devices.
    const prepare = `(${installFakeMedia})(); if (navigator.mediaDevices) (${screenOfCanvas})()`;
    const tabs = await Promise.all(['sender', 'receiver', 'late'].map((name) => OPEN[browser](t, name, FAKE_DEVICES, { prepare })));
    const [sender, receiver, late] = tabs;
    await join(sender, port);
    await join(receiver, port);
    await Promise.all([sender, receiver].map((tab) => connected(tab, 1)));

    const one = await sender.page.evaluate(async () => {
      const stream = await window.room.setCamera(true);
      return stream === (await window.room.setMicrophone(true)) && stream.getTracks().length;
    });
    assert.equal(one, 2);
    await until(receiver, 'camera and microphone in one stream', hasStreams, [2]);
    const before = await receives(receiver, { audio: 1, video: 1 });
    await receives(receiver, { audio: before.audio + 1, video: before.video + 10 });

    // Other cameras, in the same section.
    await settled(sender);
    const offers = await steps(sender, 'offer-sent');
    const tracks = await trackEvents(receiver);
    await sender.page.evaluate(async () => {
      await window.room.setCamera({ width: 320 });
      const [old] = (await window.room.setCamera(true)).getVideoTracks();
      await window.room.replaceTrack(old, window.fakeStream('video').getVideoTracks()[0]);
    });
    await until(receiver, 'the picture that took its place', showsSize, 64);
    assert.deepEqual([await steps(sender, 'offer-sent'), await trackEvents(receiver)], [offers, tracks]);

    await sender.page.evaluate(async () => void (window.screenStream = await window.room.shareScreen()));
    await until(receiver, 'the screen beside it', hasStreams, [2, 1]);
    await until(receiver, 'its picture', showsSize, 320);

    await join(late, port);
    await Promise.all([connected(late, 2), connected(sender, 2)]);
    await until(late, 'all that is published', hasStreams, [2, 1]);
    for (const width of [64, 320]) await until(late, `a picture of ${width}`, showsSize, width);

    await sender.page.evaluate(ENDINGS[browser]);
    await sender.page.evaluate(() => window.room.setMicrophone(false));
    for (const tab of [receiver, late]) await until(tab, 'what is left', hasStreams, [1]);
    const published = await sender.page.evaluate(() => window.room.getSnapshot().publishedTracks.map(({ kind }) => kind));
    assert.deepEqual(published, ['video']);
    assertQuiet(...tabs);
  });

  test(`${browser}: the codec that is preferred is the one that is used, and one that nobody knows is said`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = await Promise.all(['first', 'second'].map((name) => OPEN[browser](t, name, FAKE_DEVICES)));
    for (const tab of tabs) await join(tab, port, { publish: { video: true }, codecs: { video: ['video/VP10', 'video/VP9'] } });
    for (const tab of tabs) {
      await connected(tab, 1);
      await receives(tab, { audio: 0, video: 1 });
      assert.equal(await tab.page.evaluate(usedCodec), 'video/VP9');
      assert.equal(tab.complaints.length, 1);
      assert.match(tab.complaints[0], /no codec video\/VP10/);
    }
  });
}

/** In the page: whether the streams of some peer have so many live tracks each. */
const hasStreams = (counts) => {
  const wanted = JSON.stringify(counts);
  return window.room.getSnapshot().peers.some(({ streams }) => {
    const found = streams.map((stream) => stream.getTracks().length).sort((one, other) => other - one);
    return JSON.stringify(found) === wanted;
  });
};

/** In the page: whether one of the pictures that come has this width. */
const showsSize = async (width) => {
  const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
  const inbound = reports.flatMap((report) => [...report.values()]).filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
  return inbound.some(({ frameWidth }) => frameWidth === width);
};

const usedCodec = async () => {
  const [connection] = window.connections;
  const all = [...(await connection.getStats()).values()];
  const { codecId } = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
  return all.find(({ id }) => id === codecId)?.mimeType;
};

const trackEvents = (tab) => tab.page.evaluate(() => window.log.filter(({ name }) => name.startsWith('track')).length);

/** Waits until nothing is being negotiated any more. */
const settled = (tab) =>
  until(tab, 'a quiet negotiation', () =>
    window.connections.every(({ signalingState }) => signalingState === 'stable') &&
    window.connections.every((pc) => pc.getTransceivers().every(({ direction, currentDirection }) => currentDirection !== null && !(direction === 'sendrecv' && !currentDirection.startsWith('send')))));

// The rest of a room

test('attributes are seen by who is there and by who comes', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = await Promise.all(['first', 'second', 'late'].map((name) => openTab(t, name, NO_DEVICES)));
  const [first, second, late] = tabs;
  await join(first, port, { connect: 'manual' });
  await join(second, port, { connect: 'manual' });
  await first.page.evaluate(() => {
    for (let hand = 0; hand <= 50; hand += 1) window.room.setAttributes({ hand });
  });
  const has = (value) => window.room.getSnapshot().peers.some(({ attributes }) => attributes?.hand === value);
  await until(second, 'the latest attributes', has, 50);
  const updates = await second.page.evaluate(() => window.log.filter(({ name }) => name === 'peer-updated').length);
  assert.ok(updates <= 2, `${updates} updates`);
  await join(late, port, { connect: 'manual' });
  assert.equal(await late.page.evaluate(has, 50), true);
  const refused = await first.page.evaluate(() => {
    try {
      window.room.setAttributes({ much: 'x'.repeat(2_000) });
    } catch ({ code, message }) {
      return `${code}: ${message}`;
    }
  });
  assert.match(refused, /^message-too-large: `attributes` has 2011 bytes, and the server takes 1024/);
  assertQuiet(...tabs);
});

test('statistics have one shape, and know the way and the rates', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = [await openTab(t, 'Chromium', FAKE_DEVICES), await openFirefoxTab(t, 'Firefox', FAKE_DEVICES)];
  for (const tab of tabs) await join(tab, port, { publish: { audio: true, video: true } });
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  for (const tab of tabs) {
    await receives(tab, { audio: 1, video: 1 });
    const [first, second] = await tab.page.evaluate(async () => {
      const look = async () => {
        const { peers, ...totals } = await window.room.stats();
        return { ...totals, peers: [...peers.values()] };
      };
      const first = await look();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return [first, await look()];
    });
    t.diagnostic(`${tab.name}: ${JSON.stringify(second)}`);
    const [before] = first.peers;
    const [peer] = second.peers;
    assert.deepEqual(Object.keys(peer).sort(), ['connectMs', 'glares', 'path', 'rebuilds', 'received', 'restarts', 'roundTripMs', 'sent', 'state']);
    assert.equal(peer.state, 'connected');
    assert.equal(peer.path.relayed, false);
    assert.equal(peer.path.protocol, 'udp');
    assert.ok(['host', 'prflx', 'srflx'].includes(peer.path.local), peer.path.local);
    assert.equal(before.received.bitsPerSecond, undefined);
    for (const flow of [peer.sent, peer.received]) {
      assert.ok(flow.bytes > 0 && flow.packets > 0 && flow.bitsPerSecond > 0, JSON.stringify(flow));
      assert.ok(flow.packetsLost >= 0);
    }
    assert.ok(peer.received.bytes > before.received.bytes);
    assert.ok(peer.received.lossRate >= 0 && peer.received.lossRate <= 1);
    assert.ok(peer.roundTripMs >= 0 && peer.roundTripMs < 1_000);
    assert.deepEqual(second.sent.bytes, peer.sent.bytes);
  }
  assertQuiet(...tabs);
});

test('joining and publishing are given up, and `await using` leaves', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = await Promise.all(['page', 'witness'].map((name) => openTab(t, name, FAKE_DEVICES)));
  const [tab, witness] = tabs;
  await join(witness, port, { connect: 'manual' });
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.goto(`http://localhost:${port}/livez`);
  const said = await tab.page.evaluate(async () => {
    const { joinRoom } = await import('/sdk.js');
    const fate = (promise) => promise.then(() => 'done', (reason) => reason.message ?? String(reason));
    const abort = new AbortController();
    const token = () => new Promise(() => {});
    const joining = fate(joinRoom(location.origin, { room: 'demo', token, signal: abort.signal }));
    abort.abort(new Error('given up'));
    const timedOut = fate(joinRoom(location.origin, { room: 'demo', token, signal: AbortSignal.timeout(50) }));
    const later = new AbortController();
    const room = await joinRoom(location.origin, { room: 'demo', connect: 'manual', signal: later.signal });
    const publishing = new AbortController();
    const opening = fate(room.publish({ video: true }, { signal: publishing.signal }));
    publishing.abort(new Error('no camera after all'));
    const fates = [await joining, await timedOut, await opening];
    later.abort();
    fates.push(room.status);
    let used;
    {
      // Its syntax is younger than some of the browsers of these tests.
      const block = new Function('joinRoom', 'url', 'return (async () => { await using room = await joinRoom(url, { room: "demo", connect: "manual" }); return room })()');
      used = await block(joinRoom, location.origin);
    }
    return [...fates, used.status];
  });
  assert.equal(said[0], 'given up');
  assert.match(said[1], /timed out/);
  assert.deepEqual(said.slice(2), ['no camera after all', 'left', 'left']);
  await until(witness, 'two that came and left', () => window.log.filter(({ name }) => name === 'peer-left').length === 2);
  assert.deepEqual(
    await witness.page.evaluate(() => window.log.filter(({ name }) => name === 'peer-left').map(({ reason }) => reason)),
    ['left', 'left'],
  );
  assertQuiet(...tabs);
});

/** Waits until something is so here, in Node. */
function eventually(what, is) {
  const found = (async () => {
    while (!is()) await new Promise((resolve) => setTimeout(resolve, 20));
  })();
  return within(PATIENCE_MS, what, found);
}
