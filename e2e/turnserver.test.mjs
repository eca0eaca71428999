/** The configuration of coturn that the repository offers, under Debian's coturn: it relays, and not into anybody's network. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { startHardened } from './lib/coturn.mjs';
import { Relay, allocate } from './lib/turn.mjs';

const [SECRET, NEXT] = ['a-secret-that-only-this-test-knows', 'the-one-that-follows-it'];

/** Whom a relay must not reach, the first and the last address of each range. */
const DENIED = {
  'this host': ['0.0.0.0', '0.255.255.255', '::'],
  private: ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255', 'fc00::', 'fdff:ffff::1'],
  shared: ['100.64.0.0', '100.127.255.255'],
  loopback: ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1'],
  'link-local': ['169.254.0.0', '169.254.255.255', 'fe80::', 'febf:ffff::1', 'fec0::1', 'feff::1'],
  'metadata of clouds': ['169.254.169.254', '168.63.129.16', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192'],
  'for protocols and examples': ['192.0.0.0', '192.0.0.255', '192.0.2.0', '192.0.2.255', '198.51.100.1', '203.0.113.1', '2001::1', '2001:1ff::1', '2001:db8::1', '3fff::1', '3fff:fff::1', '100::1'],
  benchmarks: ['198.18.0.0', '198.19.255.255'],
  'relays of 6to4': ['192.88.99.0', '192.88.99.255', '2002:a00:1::1'],
  multicast: ['224.0.0.0', '239.255.255.255', 'ff00::1', 'ff02::1', 'ffff::1'],
  'reserved and broadcast': ['240.0.0.0', '255.255.255.255'],
  'IPv4 inside of IPv6': ['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b:1::10.0.0.1'],
};

/** Next to those, and public. */
const OPEN = ['1.0.0.0', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0', '169.253.255.255', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '2001:200::1', '2606:4700::1111', '2a00::1'];

const isV6 = (address) => address.includes(':');

test('a relay reaches nobody inside, by a permission or by a channel', async (t) => {
  const turn = await startHardened(t, { secrets: [SECRET] });
  const relays = [await Relay.open(t, turn, login()), await Relay.open(t, turn, login(), { family: 6 })];
  assert.deepEqual(relays.map(({ code }) => code), [200, 200]);
  const to = (address) => relays[Number(isV6(address))];
  for (const address of OPEN) {
    assert.equal(await to(address).permit(address), 200, address);
    assert.equal(await to(address).bind(address), 200, address);
  }
  for (const [kind, addresses] of Object.entries(DENIED)) {
    for (const address of addresses) {
      assert.equal(await to(address).permit(address), 403, `${address} is ${kind}`);
      assert.equal(await to(address).bind(address), 403, `${address} is ${kind}`);
    }
  }
  // An address of the other kind is no way around it.
  assert.equal(await relays[0].permit('::ffff:127.0.0.1'), 443);
});

test('there are no relays over TCP, no open door for its operator, and its name is not told', async (t) => {
  const turn = await startHardened(t, { secrets: [SECRET] });
  assert.equal(await allocate(t, turn, login(), { transport: 'tcp' }), 442);
  assert.equal((await Relay.open(t, turn, login())).software, undefined);
  for (const host of ['127.0.0.1', turn.host]) {
    const door = connect(5766, host); // where coturn's CLI is by default
    t.after(() => door.destroy());
    await assert.rejects(once(door, 'connect', { signal: AbortSignal.timeout(5_000) }), { code: 'ECONNREFUSED' });
  }
  assert.doesNotMatch(turn.program.output, /bad configuration|unknown argument|unrecogni[sz]ed/i);
});

test('an identity has ten relays, and one that has expired none', async (t) => {
  const turn = await startHardened(t, { secrets: [SECRET] });
  for (let number = 0; number < 10; number++) assert.equal(await allocate(t, turn, login({ inS: 600 + number })), 200, `${number}`);
  assert.equal(await allocate(t, turn, login()), 486);
  assert.equal(await allocate(t, turn, login({ tag: 'uother' })), 200);
  assert.equal(await allocate(t, turn, login({ tag: 'ulate', inS: -60 })), 401);
});

test('a secret is replaced without a gap: both count for a while', async (t) => {
  const both = await startHardened(t, { secrets: [SECRET, NEXT] });
  for (const secret of [SECRET, NEXT]) assert.equal(await allocate(t, both, login({ secret })), 200);
  const next = await startHardened(t, { secrets: [NEXT] });
  assert.equal(await allocate(t, next, login({ secret: NEXT })), 200);
  assert.equal(await allocate(t, next, login()), 401);
});

/** coturn's shared-secret scheme, written down once more. */
function login({ secret = SECRET, tag = 'uann', inS = 600 } = {}) {
  const username = `${Math.floor(Date.now() / 1_000) + inS}:${tag}`;
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}
