/** TURN credentials that Aldis mints, against the TURN server they are for: Debian's coturn, on loopback. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import WebSocket from 'ws';
import { built, startAldis } from './lib/aldis.mjs';
import { startCoturn } from './lib/coturn.mjs';
import { Program } from './lib/program.mjs';
import { allocate } from './lib/turn.mjs';

const SECRET = 'a-secret-that-only-this-test-knows';
const KEYS = 'e2e:0123456789abcdef0123456789abcdef';

test('a credential from a welcome opens a relay through which data flows', async (t) => {
  const turn = await startCoturn(t, { secret: SECRET });
  const server = await startAldisFor(t, turn);
  const welcome = await enter(t, server, 'alice');

  const [{ urls, username, credential }] = welcome.iceServers;
  assert.deepEqual(urls, [`turn:${turn.host}:${turn.port}`]);
  const ttlMs = welcome.iceExpiresAt - Date.now();
  assert.ok(ttlMs > 0.9 * 86_400_000 && ttlMs <= 86_400_000, `${ttlMs} ms left`);
  const { output, code } = await uclient(t, turn, { username, credential });
  assert.match(output, /Total lost packets 0 /);
  assert.equal(code, 0);
});

test('an expired credential is refused', async (t) => {
  const turn = await startCoturn(t, { secret: SECRET });
  const server = await startAldisFor(t, turn);
  const [fresh] = (await enter(t, server, 'alice')).iceServers;
  assert.equal(await allocate(t, turn, fresh), 200);

  const expired = sign(`${Math.floor(Date.now() / 1_000) - 60}:${fresh.username.split(':')[1]}`);
  const { output, code } = await uclient(t, turn, expired);
  assert.match(output, /Cannot complete Allocation/);
  assert.notEqual(code, 0);
  assert.equal(await allocate(t, turn, expired), 401);
});

test('all sessions of an identity share one quota, and no other identity does', async (t) => {
  const turn = await startCoturn(t, { secret: SECRET, flags: ['--user-quota=2'] });
  const server = await startAldisFor(t, turn);
  const [first] = (await enter(t, server, 'alice')).iceServers;
  const [second] = (await enter(t, server, 'alice')).iceServers;
  const [other] = (await enter(t, server, 'bob')).iceServers;
  // One that will expire later: what it shares with the others is the tag.
  const later = sign(`${Math.floor(Date.now() / 1_000) + 90_000}:${first.username.split(':')[1]}`);

  assert.equal(await allocate(t, turn, first), 200);
  assert.equal(await allocate(t, turn, second), 200);
  assert.equal(await allocate(t, turn, later), 486, 'the third of this identity');
  assert.equal(await allocate(t, turn, other), 200, 'the first of another');
});

function startAldisFor(t, { env }) {
  return startAldis(t, 'serve', { ALDIS_AUTH_KEYS: KEYS, ...env });
}

/** Joins a room, for the length of the test, and returns the welcome. */
async function enter(t, { address }, identity) {
  const args = ['token', 'create', '--room', 'e2e', '--identity', identity];
  const tool = new Program(t, built('aldis'), args, { env: { ALDIS_AUTH_KEYS: KEYS } });
  assert.equal(await tool.end(), 0, tool.output);
  const socket = new WebSocket(`ws://${address}/v1/signal?room=e2e`, {
    headers: { authorization: `Bearer ${tool.output.trim()}` },
    handshakeTimeout: 5_000,
  });
  t.after(() => socket.terminate());
  const [data] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
  const welcome = JSON.parse(data);
  assert.equal(welcome.type, 'welcome');
  return welcome;
}

/** coturn's own client: two of it send each other packets through relays. */
async function uclient(t, { host, port }, { username, credential }) {
  const login = ['-u', username, '-w', credential];
  const load = ['-y', '-c', '-m', '2', '-n', '4', '-z', '20'];
  const program = new Program(t, 'turnutils_uclient', [...login, ...load, '-p', String(port), host]);
  const code = await program.end(30_000);
  return { output: program.output, code };
}

/** coturn's shared-secret scheme, written down once more. */
function sign(username) {
  return { username, credential: createHmac('sha1', SECRET).update(username).digest('base64') };
}
