/**
 * What `peer.send` promises, between the real SDK and the real server on a network that fails: every message is settled, delivered
 * exactly once and in order or rejected by name, and the application is told what is true.
 *
 * The tests run side by side, since most of their time is spent in an outage. With `ALDIS_SOAK=1` they last longer.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as last } from 'node:timers/promises';
import { startAldis } from './lib/aldis.mjs';
import { History } from './lib/history.mjs';
import { enter, enterPlainly } from './lib/member.mjs';
import { startProxy } from './lib/proxy.mjs';
import { seeded } from './lib/random.mjs';
import { KEYS } from './lib/token.mjs';

/**
 * How long things go on, and how often they are said: in `make test`, and where there is time. Flapping is a matter of luck: whoever is
 * not there for 15 s, twice in a row, has messages of 30 s; that is less likely the sooner a connection stands.
 */
const { FLAPPING_S, FLAPPING_MS, POOR_S, REPEATS, CROWD, CROWD_S, CROWD_EVERY_MS } = process.env.ALDIS_SOAK
  ? { FLAPPING_S: 600, FLAPPING_MS: 1, POOR_S: 120, REPEATS: 5, CROWD: 10, CROWD_S: 300, CROWD_EVERY_MS: 20 }
  : { FLAPPING_S: 15, FLAPPING_MS: 50, POOR_S: 15, REPEATS: 1, CROWD: 5, CROWD_S: 20, CROWD_EVERY_MS: 100 };

const TALK_MS = 200;
/** For what takes a moment, on a machine that has other things to do. */
const PATIENCE_MS = 20_000;

describe('delivery', { concurrency: true }, () => {
  byEach('on a good network everything arrives', async (t, by) => {
    const { history, ann, bob } = await meet(t, by);
    await talkFor(3_000, ann, bob);
    await finish(t, history);
    assertAllResolved(history);
    assert.deepEqual([history.seen('ann'), history.seen('bob')], [['bob appeared'], ['ann appeared']]);
  });

  byEach(`a connection that is cut every second for ${FLAPPING_S} s loses nothing, and nobody is seen to leave`, async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    // So that there is always something on its way when it is cut.
    proxy.slow({ ms: FLAPPING_MS });
    talk(ann, bob, 50);
    for (let second = 0; second < FLAPPING_S; second += 1) {
      await last(1_000);
      proxy.cut();
    }
    await rejoined(history, bob);
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
    assertStayed(history, bob, id);
    const opened = history.of('opened', 'bob').length;
    t.diagnostic(`${opened} connections`);
    assert.ok(opened > 2, 'it did break');
  });

  byEach('a half-open connection is noticed within 25 s, and resumed', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    await noticed(t, { history, bob, proxy, ms: 25_000 + PATIENCE_MS / 10 });
    ann.say('bob');
    bob.say('ann');
    await finish(t, history);
    assertAllResolved(history);
  });

  byEach('a half-open connection is noticed sooner where the one behind it speaks', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    bob.talk('ann', TALK_MS);
    // No heartbeat is as fast as this.
    await noticed(t, { history, bob, proxy, ms: 15_000 });
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
  });

  byEach('a half-open connection is noticed sooner by the server where somebody speaks into it', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    proxy.abandon();
    ann.talk('bob', TALK_MS);
    await history.until(15_000, 'that ann is told', () => history.seen('ann').includes('bob away'));
    // He hears nothing, as before, and has no other reason to ask than the time.
    await history.until(25_000 + PATIENCE_MS / 10, 'that bob is back', () => history.seen('ann').at(-1) === 'bob here');
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
    assertStayed(history, bob, id);
  });

  byEach('an outage of 20 s loses nothing', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    for (let round = 0; round < REPEATS; round += 1) {
      talk(ann, bob);
      await outage(history, proxy, bob, 20_000);
      await finish(t, history, [ann, bob]);
    }
    assertAllResolved(history);
    assertStayed(history, bob, id);
    assert.deepEqual(history.seen('ann').slice(0, 3), ['bob appeared', 'bob away', 'bob here']);
  });

  byEach('a stay survives an outage of 40 s that nobody speaks into, and what became too old in it is rejected by name', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    for (let round = 0; round < REPEATS; round += 1) {
      // Were ann to speak, the server would find out at once, and wait for 30 s only.
      bob.talk('ann', 50);
      await outage(history, proxy, bob, 40_000);
      const back = history.of('status', 'bob').at(-1).at;
      await finish(t, history, [ann, bob]);
      // What is under way together with one that is too late goes with it: that is 64 of them at most, or 3.2 s.
      const young = history.of('sent', 'bob').filter(({ at }) => at > back - 26_000);
      const lost = new Set(history.of('rejected', 'bob').map(({ n }) => n));
      assert.equal(young.filter(({ n }) => lost.has(n)).length, 0, 'what is younger than 26 s when he is back arrives');
    }
    assertStayed(history, bob, id);
    assertRejected(history, 'bob', ['timed-out']);
    const [{ n, at }] = history.of('rejected', 'bob');
    assert.ok(at - history.of('sent', 'bob')[n - 1].at > 29_000, 'the first was given up when its time was over');
  });

  for (const [seconds, why] of [[40, ' into which somebody speaks'], [70, '']]) {
    test(`an outage of ${seconds} s${why} ends the stay, and the next one names it`, async (t) => {
      const { history, ann, bob, proxy } = await meet(t);
      for (let round = 0; round < REPEATS; round += 1) {
        const id = bob.room.me.id;
        talk(ann, bob);
        await outage(history, proxy, bob, seconds * 1_000);
        await finish(t, history, [ann, bob]);
        assert.notEqual(bob.room.me.id, id);
        const { peer, previous } = history.of('appeared', 'ann').at(-1);
        assert.deepEqual({ peer, previous }, { peer: bob.room.me.id, previous: id });
      }
      assertYoungArrived(history, ['ann', 'bob']);
      const once = ['bob away', 'bob left: timeout', 'bob appeared again'];
      assert.deepEqual(history.seen('ann'), ['bob appeared', ...Array(REPEATS).fill(once).flat()]);
      assert.deepEqual(history.seen('bob'), ['ann appeared'], 'ann was there all the time');
      assertRejected(history, 'ann', ['peer-closed', 'timed-out']);
      assertRejected(history, 'bob', ['peer-closed', 'timed-out']);
    });
  }

  byEach('300 ms and 2 % loss cost time and nothing else', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    proxy.slow({ ms: 150, share: 0.02, againMs: 900, random: seeded(1) });
    await talkFor(POOR_S * 1_000, ann, bob, 100);
    await finish(t, history);
    assertAllResolved(history);
    assertStayed(history, bob, id);
    assert.equal(history.of('opened', 'bob').length, 1, 'the connection held');
  });

  test('a line of 64 kbit/s is not taken for a dead one while a large message is on its way', async (t) => {
    const { history, ann, bob, proxy } = await meet(t);
    const id = bob.room.me.id;
    proxy.narrow(64_000);
    bob.say('ann', 'x'.repeat(60_000));
    await history.settled();
    await finish(t, history);
    assertAllResolved(history);
    assertStayed(history, bob, id);
    assert.equal(history.of('opened', 'bob').length, 1, 'the connection held');
  });

  byEach('a network that lets go only every 3 s costs time and nothing else', async (t, by) => {
    const { history, ann, bob, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    proxy.collect(3_000);
    await talkFor(POOR_S * 1_000, ann, bob);
    await finish(t, history);
    assertAllResolved(history);
    assertStayed(history, bob, id);
  });

  byEach('a server that is killed and started again loses nothing, and nobody is seen to leave', async (t, by) => {
    const { history, ann, bob, server } = await meet(t, by);
    const ids = [ann, bob].map(({ room }) => room.me.id);
    talk(ann, bob);
    let running = server;
    for (let round = 0; round < 2 * REPEATS; round += 1) {
      await last(1_000);
      await running.program.stop();
      await broken(history, ann, bob);
      running = await serve(t, { port: server.port });
      await rejoined(history, ann, bob);
    }
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
    [ann, bob].forEach((member, at) => assertStayed(history, member, ids[at]));
  });

  byEach('a server that is stopped in order and started again loses nothing, and nobody is seen to leave', async (t, by) => {
    const { history, ann, bob, server } = await meet(t, { ...by, env: { ALDIS_DRAIN_WINDOW_MS: '5000' } });
    const ids = [ann, bob].map(({ room }) => room.me.id);
    talk(ann, bob);
    await last(1_000);
    server.program.kill('SIGTERM');
    assert.equal(await server.program.end(PATIENCE_MS), 0);
    await serve(t, { port: server.port });
    await rejoined(history, ann, bob);
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
    [ann, bob].forEach((member, at) => assertStayed(history, member, ids[at]));
  });

  // By event stream a POST would go to the next server as soon as the proxy leads there, and its stream is still at this one.
  test('when one server hands over to another, nobody is ever without', async (t) => {
    const { history, ann, bob, server, proxy } = await meet(t, { env: { ALDIS_DRAIN_WINDOW_MS: '5000' }, both: 'through the proxy' });
    const ids = [ann, bob].map(({ room }) => room.me.id);
    talk(ann, bob);
    await last(1_000);
    const next = await serve(t);
    proxy.lead(next.port);
    server.program.kill('SIGTERM');
    assert.equal(await server.program.end(PATIENCE_MS), 0);
    await rejoined(history, ann, bob);
    await finish(t, history, [ann, bob]);
    assertAllResolved(history);
    [ann, bob].forEach((member, at) => assertStayed(history, member, ids[at]));
    assert.deepEqual(history.of('status').filter(({ is }) => is !== 'joined'), [], 'the new connection stood before the old one went');
  });

  byEach('who was taken for gone and comes back under the same id is spoken with again', async (t, by) => {
    const { history, ann, bob, server, proxy } = await meet(t, by);
    const id = bob.room.me.id;
    talk(ann, bob);
    await last(1_000);
    proxy.refuse();
    proxy.cut();
    // A server that does not know him has to be told by himself, and ann by it; she does not wait for ever.
    await server.program.stop();
    await serve(t, { port: server.port });
    await history.until(30_000 + PATIENCE_MS, 'that ann gives him up', () => history.seen('ann').at(-1) === 'bob left: timeout');
    proxy.open();
    await rejoined(history, bob);
    await history.until(PATIENCE_MS, 'that ann sees him', () => history.seen('ann').at(-1) === 'bob appeared');
    assert.deepEqual([bob.room.me.id, ann.peer('bob').id], [id, id]);
    const since = performance.now();
    for (let count = 0; count < 10; count += 1) {
      ann.say('bob');
      bob.say('ann');
    }
    await Promise.all([hearsFrom(history, bob), hearsFrom(history, ann)]);
    await finish(t, history, [ann, bob]);
    assert.deepEqual(history.of('rejected', 'ann').filter(({ at }) => at > since), []);
  });

  test('who is away does not take others for gone', async (t) => {
    const server = await serve(t);
    const history = new History();
    const proxies = [await startProxy(t, server.port), await startProxy(t, server.port)];
    const ann = await enter(t, 'ann', proxies[0].port, history);
    const bob = await enter(t, 'bob', proxies[1].port, history);
    await history.until(PATIENCE_MS, 'that they meet', () => ann.peer('bob'));
    for (const proxy of proxies) {
      proxy.refuse();
      proxy.cut();
    }
    await server.program.stop();
    await serve(t, { port: server.port });
    const back = async (member, proxy) => {
      proxy.open();
      // Or it would be a matter of luck, with waits of up to 15 s and a window of 30 s.
      member.page('online');
      await rejoined(history, member);
    };
    // Ann is back first, and bob only when she is away again.
    await back(ann, proxies[0]);
    await history.until(PATIENCE_MS, 'that ann misses bob', () => history.seen('ann').at(-1) === 'bob away');
    await last(20_000);
    proxies[0].refuse();
    proxies[0].cut();
    await back(bob, proxies[1]);
    await last(12_000);
    await back(ann, proxies[0]);
    ann.say('bob');
    bob.say('ann');
    await finish(t, history);
    assertAllResolved(history);
    assert.deepEqual(history.of('left'), []);
  });

  test('who may say nothing any more is told of each message what is known, not what the server knows of one copy', async (t) => {
    const server = await serve(t);
    const history = new History();
    const proxy = await startProxy(t, server.port);
    const ann = await enter(t, 'ann', server.port, history);
    const bob = await enter(t, 'bob', proxy.port, history);
    await history.until(PATIENCE_MS, 'that they meet', () => ann.peer('bob'));
    // They reach him, and nobody hears that they did.
    proxy.slow({ ms: 1_500 });
    for (let count = 0; count < 3; count += 1) ann.say('bob');
    await history.until(PATIENCE_MS, 'that bob hears them', () => history.of('heard', 'bob').length === 3);
    ann.shrink(['signal']);
    for (let count = 0; count < 3; count += 1) ann.say('bob');
    await finish(t, history);
    const fates = history.of('rejected', 'ann').map(({ n, code, outcome }) => `${n} ${code} ${outcome}`);
    assert.deepEqual(fates.filter((fate) => !fate.includes('forbidden')), []);
    // The last three were never handed on, and the others may be known to have arrived by now.
    assert.deepEqual(fates.slice(-3), [4, 5, 6].map((n) => `${n} forbidden not-delivered`));
    t.diagnostic(fates.join(', '));
  });

  test('what is said to a page without the SDK is settled by a receipt, or by a refusal once it is gone', async (t) => {
    const { history, ann, server } = await meet(t);
    const eve = await enterPlainly(t, 'eve', server.port, history);
    await history.until(PATIENCE_MS, 'that eve appears', () => ann.peer('eve'));
    for (let count = 0; count < 50; count += 1) {
      ann.say('eve');
      eve.say('ann');
    }
    await history.settled();
    assertAllResolved(history);
    await history.until(PATIENCE_MS, 'that all is heard', () => history.of('heard').length === 100);

    const peer = ann.peer('eve');
    eve.socket.terminate();
    await history.until(PATIENCE_MS, 'that eve leaves', () => history.of('left', 'ann').length === 1);
    const refused = await peer.send('too late').then(() => assert.fail('nobody was there'), (error) => error);
    assert.deepEqual([refused.code, refused.outcome], ['peer-closed', 'not-delivered']);
    await finish(t, history, [], { plain: ['eve'] });
  });

  test('what is said to a page without the SDK whose connection hangs is settled all the same', async (t) => {
    const { history, ann, proxy } = await meet(t);
    await enterPlainly(t, 'eve', proxy.port, history);
    await history.until(PATIENCE_MS, 'that eve appears', () => ann.peer('eve'));
    proxy.abandon();
    ann.talk('eve', TALK_MS);
    await history.until(PATIENCE_MS, 'that eve leaves', () => history.of('left', 'ann').some(({ name }) => name === 'eve'));
    await finish(t, history, [ann], { plain: ['eve'] });
  });

  test(`a crowd of ${CROWD} whose network does what it likes for ${CROWD_S} s`, async (t) => {
    const seed = Number(process.env.ALDIS_SEED ?? Math.floor(Math.random() * 2 ** 32));
    t.diagnostic(`ALDIS_SEED=${seed}`);
    const random = seeded(seed);
    const one = (list) => list[Math.floor(random() * list.length)];
    const history = new History();
    // The default is for what people do, and this is more.
    const env = { ALDIS_LIMITS_MESSAGES_PER_SECOND: '500' };
    let server = await serve(t, { env });
    const proxies = await Promise.all(Array.from({ length: CROWD }, () => startProxy(t, server.port)));
    const members = [];
    // Every other one by event stream.
    for (const [at, proxy] of proxies.entries()) {
      members.push(await enter(t, `m${at}`, proxy.port, history, { transport: at % 2 ? 'sse' : 'websocket' }));
    }
    for (const [at, member] of members.entries()) member.talk(`m${(at + 1) % CROWD}`, CROWD_EVERY_MS);

    const faults = {
      cut: (proxy) => proxy.cut(),
      abandon: (proxy) => proxy.abandon(),
      silence: (proxy) => proxy.silence(),
      refuse: (proxy) => (proxy.refuse(), proxy.cut()),
      slow: (proxy) => proxy.slow({ ms: 150, share: 0.02, againMs: 900, random }),
      collect: (proxy) => proxy.collect(1_500),
    };
    const until = performance.now() + CROWD_S * 1_000;
    for (let step = 1; performance.now() < until; step += 1) {
      const proxy = one(proxies);
      faults[one(Object.keys(faults))](proxy);
      await last(200 + 1_800 * random());
      if (random() < 0.6) proxy.open();
      if (step % 8 > 0) continue;
      await server.program.stop();
      server = await serve(t, { env, port: server.port });
    }
    for (const proxy of proxies) proxy.open();
    await rejoined(history, ...members);
    await finish(t, history, members);

    // And afterwards everybody reaches everybody.
    const before = history.of('resolved').length;
    const everybody = (member) => members.every(({ name }) => name === member.name || member.peer(name));
    await history.until(PATIENCE_MS, 'that all meet', () => members.every(everybody));
    for (const member of members) for (const { name } of members) if (name !== member.name) member.say(name);
    await finish(t, history);
    assert.equal(history.of('resolved').length - before, CROWD * (CROWD - 1));
  });
});

/** A test that everybody goes through by WebSocket, and once more by event stream and POST. */
function byEach(name, run) {
  test(name, (t) => run(t, {}));
  test(`${name}, by event stream`, (t) => run(t, { transport: 'sse' }));
}

/** A server, ann who reaches it, and bob who reaches it through a proxy. */
async function meet(t, { env, both, transport } = {}) {
  const server = await serve(t, { env });
  const proxy = await startProxy(t, server.port);
  const history = new History();
  const ann = await enter(t, 'ann', both ? proxy.port : server.port, history, { transport });
  const bob = await enter(t, 'bob', proxy.port, history, { transport });
  await history.until(PATIENCE_MS, 'that they meet', () => ann.peer('bob'));
  return { server, proxy, history, ann, bob };
}

/** A server that knows the sessions of those before it, on a port of its own or on that of another one which is gone. */
async function serve(t, { env = {}, port = 0 } = {}) {
  const secrets = { ...KEYS, ALDIS_CLUSTER_SECRET: 'what-every-server-of-these-tests-knows' };
  const server = await startAldis(t, 'serve', { ...secrets, ...env }, { listen: `127.0.0.1:${port}` });
  t.after(() => assert.doesNotMatch(server.program.output, /"level":"ERROR"/, 'no fault of a network is one of the server'));
  return server;
}

function talk(one, other, everyMs = TALK_MS) {
  one.talk(other.name, everyMs);
  other.talk(one.name, everyMs);
}

async function talkFor(ms, one, other, everyMs) {
  talk(one, other, everyMs);
  await last(ms);
  one.hush();
  other.hush();
}

/** Nothing gets through for so long; then all of it does, and what is said by somebody who is back is heard. */
async function outage(history, proxy, member, ms) {
  await last(1_000);
  proxy.silence();
  await last(ms);
  proxy.open();
  await rejoined(history, member);
  await hearsFrom(history, member);
}

/** Waits until something that somebody says from now on is heard. */
async function hearsFrom(history, { name }) {
  const said = history.of('sent', name).length;
  await history.until(PATIENCE_MS, `that ${name} is heard`, () => history.of('heard').some(({ from, n }) => from === name && n > said));
}

/** Bob's connection becomes half-open: he finds out, and his stay goes on. */
async function noticed(t, { history, bob, proxy, ms }) {
  const id = bob.room.me.id;
  const since = performance.now();
  assert.ok(proxy.abandon() > 0);
  await history.until(ms, 'that bob opens another connection', () => history.of('opened', 'bob').length > 1);
  t.diagnostic(`noticed after ${Math.round(performance.now() - since)} ms`);
  await rejoined(history, bob);
  assertStayed(history, bob, id);
}

function rejoined(history, ...members) {
  return history.until(PATIENCE_MS, 'that they are joined', () => members.every(({ room }) => room.status === 'joined'));
}

function broken(history, ...members) {
  return history.until(PATIENCE_MS, 'that they notice', () => members.every(({ room }) => room.status !== 'joined'));
}

/** Everybody falls silent, everything is settled, and the rules were kept. */
async function finish(t, history, members = [], options = {}) {
  for (const member of members) member.hush();
  await history.settled();
  await history.assertKept(t, options);
}

function assertAllResolved(history) {
  assert.ok(history.of('resolved').length > 0);
  assert.deepEqual(history.of('rejected'), []);
}

/** The same stay goes on, and nobody ever saw anything else. */
function assertStayed(history, member, id) {
  assert.equal(member.room.me.id, id);
  assert.deepEqual(history.of('left').filter(({ name }) => name === member.name), []);
  const appeared = history.of('appeared').filter(({ name }) => name === member.name);
  assert.deepEqual([...new Set(appeared.map(({ peer }) => peer))], [id]);
}

/** Nobody was told that something did not arrive which was said more than 31 s before bob was away, or after he was back. */
function assertYoungArrived(history, names) {
  const times = (is) => history.of('status', 'bob').filter((event) => event.is === is).map(({ at }) => at);
  const [away, back] = [times('reconnecting'), times('joined')];
  for (const name of names) {
    for (const { n } of history.of('rejected', name)) {
      const { at } = history.of('sent', name)[n - 1];
      const inAny = away.some((from, round) => at > from - 31_000 && at < back[round]);
      assert.ok(inAny, `#${n} of ${name} was given up, though bob was there`);
    }
  }
}

/** Some were rejected, each with one of these codes. */
function assertRejected(history, by, codes) {
  const rejected = history.of('rejected', by);
  assert.ok(rejected.length > 0, `${by} was told`);
  assert.deepEqual(rejected.filter(({ code }) => !codes.includes(code)), []);
}
