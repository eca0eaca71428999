/** The proxy that other tests break things with, over plain sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { startProxy } from './lib/proxy.mjs';
import { within } from './lib/within.mjs';

test('it lets both sides speak, and one of them when the other has said all', async (t) => {
  const { client, server } = await connected(t);
  client.socket.write('hello');
  await server.hears('hello');
  client.socket.end();
  await server.is('ended');
  server.socket.end('goodbye');
  await client.hears('goodbye');
  await Promise.all([client.is('closed'), server.is('closed')]);
});

test('a proxy that refuses resets who comes and leaves who is there alone', async (t) => {
  const { proxy, client, server } = await connected(t);
  proxy.refuse();
  await enter(t, proxy).is('ECONNRESET');
  client.socket.write('still here');
  await server.hears('still here');
  proxy.open();
  await echoes(t, proxy);
});

test('a cut resets both sides of who is there, and nobody after them', async (t) => {
  const { proxy, client, server } = await connected(t);
  assert.equal(proxy.cut(), 1);
  await Promise.all([client.is('ECONNRESET'), server.is('ECONNRESET')]);
  assert.equal(proxy.cut(), 0);
  await echoes(t, proxy);
});

test('when a server is not there who comes is reset', async (t) => {
  const { port, close } = await listen(t);
  await close();
  const proxy = await startProxy(t, port);
  await enter(t, proxy).is('ECONNRESET');
});

test('in silence nothing passes and nobody is told; then all of it arrives, in order', async (t) => {
  const { proxy, client, server, listening } = await connected(t);
  proxy.silence();
  client.socket.write('one ');
  server.socket.write('from the server');
  const newcomer = enter(t, proxy);
  newcomer.socket.write('from the newcomer');
  await newcomer.is('connected');
  client.socket.write('two');
  client.socket.end();
  await proveTimePasses(t);
  assert.deepEqual([server.heard, client.heard, newcomer.heard, listening.peers.length], ['', '', '', 1]);
  assert.ok(!server.states.has('ended'));

  proxy.open();
  await server.hears('one two');
  await server.is('ended');
  await client.hears('from the server');
  await (await listening.peer(1)).hears('from the newcomer');
});

test('a connection that broke in silence breaks at the other side afterwards', async (t) => {
  const { proxy, client, server } = await connected(t);
  proxy.silence();
  client.socket.resetAndDestroy();
  await proveTimePasses(t);
  assert.deepEqual([...server.states], ['connected']);
  proxy.open();
  await server.is('ECONNRESET');
});

test('who has said all and is cut before it is out is gone at both sides all the same', async (t) => {
  const { proxy, client, server } = await connected(t);
  proxy.silence();
  client.socket.end();
  await proveTimePasses(t);
  proxy.open();
  proxy.cut();
  await server.is('ended');
  // Whoever has heard an end hears nothing more until he speaks: the first word meets the cut, the second the news of it.
  server.socket.write('is there');
  await proveTimePasses(t);
  server.socket.write('anybody?');
  await Promise.all([client.is('closed'), server.is('closed')]);
});

test('an abandoned connection is never heard of again at either side, and those after it are', async (t) => {
  const { proxy, client, server } = await connected(t);
  assert.equal(proxy.abandon(), 1);
  client.socket.write('into the void');
  server.socket.write('into the void');
  await echoes(t, proxy);
  client.socket.destroy();
  proxy.silence();
  proxy.open();
  await proveTimePasses(t);
  assert.deepEqual([server.heard, client.heard, [...server.states]], ['', '', ['connected']]);
});

test('on a slow way both directions take their time, and connecting does', async (t) => {
  const { proxy, client, server, listening } = await connected(t);
  proxy.slow({ ms: 100 });
  const sent = performance.now();
  client.socket.write('ping');
  await server.hears('ping');
  assert.ok(performance.now() - sent >= 99, 'one way');
  server.socket.write('pong');
  await client.hears('pong');
  assert.ok(performance.now() - sent >= 198, 'both ways');
  const came = performance.now();
  enter(t, proxy);
  await listening.peer(1);
  assert.ok(performance.now() - came >= 99, 'connecting');
});

test('what is lost comes late, and so does what follows: the order stays', async (t) => {
  const { proxy, client, server } = await connected(t);
  const dice = [0.9, 0.01, 0.9];
  proxy.slow({ ms: 0, share: 0.02, againMs: 200, random: () => dice.shift() ?? 0.9 });
  const sent = performance.now();
  for (const word of ['a', 'b', 'c']) {
    client.socket.write(word);
    await proveTimePasses(t); // else they may be one piece on their way
  }
  await server.hears('abc');
  assert.ok(performance.now() - sent >= 199, 'the second was held back');
  assert.equal(dice.length, 0, 'three pieces');
});

test('what is collected arrives in one burst', async (t) => {
  const { proxy, client, server } = await connected(t);
  const since = performance.now();
  proxy.collect(200);
  client.socket.write('a');
  client.socket.write('b');
  await server.hears('ab');
  assert.ok(performance.now() - since >= 199);
});

test('a change of weather keeps the order of what is on its way', async (t) => {
  const { proxy, client, server } = await connected(t);
  const said = [];
  for (const turn of ['slow', 'silent', 'collecting', 'open', 'silent', 'slow', 'open']) {
    if (turn === 'slow') proxy.slow({ ms: 30 });
    else if (turn === 'silent') proxy.silence();
    else if (turn === 'collecting') proxy.collect(30);
    else proxy.open();
    for (let count = 0; count < 20; count += 1) {
      said.push(`${said.length} `);
      client.socket.write(said.at(-1));
      await new Promise(setImmediate);
    }
  }
  await server.hears(said.join(''));
});

test('a sender has to wait where too much is on its way, and nothing is lost', async (t) => {
  const { proxy, client, server } = await connected(t);
  proxy.silence();
  const piece = 'x'.repeat(64 << 10);
  const pieces = 384; // more than the proxy and the buffers of two sockets hold
  let taken = 0;
  const say = () => taken < pieces && client.socket.write(piece, () => (taken += 1) && say());
  say();
  for (let before, quiet = 0; quiet < 20; quiet = before === taken ? quiet + 1 : 0) {
    before = taken;
    await proveTimePasses(t);
  }
  assert.ok(taken < pieces, `${taken} of ${pieces}`);
  proxy.open();
  await server.hears(piece.repeat(pieces));
});

test('who comes later may be led to another server', async (t) => {
  const { proxy, client, server } = await connected(t);
  const other = await listen(t);
  proxy.lead(other.port);
  const newcomer = enter(t, proxy);
  newcomer.socket.write('hello');
  await (await other.peer(0)).hears('hello');
  client.socket.write('still here');
  await server.hears('still here');
});

const PATIENCE_MS = 10_000;

/** One side of a connection, with all that it heard and what became of it. */
class Side {
  heard = '';
  states = new Set();
  #waiting = new Set();

  constructor(t, socket) {
    this.socket = socket;
    t.after(() => socket.destroy());
    socket.on('data', (data) => this.#is(() => (this.heard += data)));
    if (!socket.connecting) this.states.add('connected');
    for (const [event, state] of [['connect', 'connected'], ['end', 'ended'], ['close', 'closed']]) {
      socket.on(event, () => this.#is(() => this.states.add(state)));
    }
    socket.on('error', ({ code }) => this.#is(() => this.states.add(code)));
  }

  hears(words) {
    return this.#until(`that "${words.slice(0, 40)}" is heard`, () => this.heard === words);
  }

  is(state) {
    return this.#until(`that it is ${state}`, () => this.states.has(state));
  }

  #is(change) {
    change();
    for (const look of this.#waiting) look();
  }

  #until(what, condition) {
    const met = new Promise((resolve) => {
      const look = () => condition() && resolve();
      this.#waiting.add(look);
      look();
    });
    return within(PATIENCE_MS, what, met);
  }
}

/** A server for the length of the test, with its side of each connection. */
async function listen(t) {
  const peers = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => peers.push(new Side(t, socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const peer = async (at) => {
    while (peers.length <= at) await once(server, 'connection', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return peers[at];
  };
  return { port: server.address().port, peers, peer, close: () => new Promise((resolve) => server.close(resolve)) };
}

const enter = (t, { port }) => new Side(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true }));

/** A connection through a proxy, with the sides of it. */
async function connected(t) {
  const listening = await listen(t);
  const proxy = await startProxy(t, listening.port);
  const client = enter(t, proxy);
  await client.is('connected');
  return { listening, proxy, client, server: await listening.peer(0) };
}

/** Proves that somebody who comes now reaches the server. */
async function echoes(t, proxy) {
  const listening = await listen(t);
  proxy.lead(listening.port);
  const client = enter(t, proxy);
  client.socket.write('echo');
  await (await listening.peer(0)).hears('echo');
}

/** A round trip that goes past the proxy: whatever could have passed through it has had its time. */
async function proveTimePasses(t) {
  const listening = await listen(t);
  const client = enter(t, listening);
  client.socket.write('there');
  const server = await listening.peer(0);
  await server.hears('there');
  server.socket.write('and back');
  await client.hears('and back');
}
