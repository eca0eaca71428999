/** `aldis-client/diagnose` in real browsers: faults that were prepared, each found and called by its name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { startCoturn } from './lib/coturn.mjs';
import { assertGood, diagnose, of, startProxyWithoutUpgrade, wrong } from './lib/diagnosis.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { NAT, startNetwork } from './lib/net.mjs';
import { startAldisOn, startCoturnOn } from './lib/net-servers.mjs';
import { openTabOn } from './lib/net-tab.mjs';
import { FAKE_DEVICES, NO_DEVICES } from './lib/tab.mjs';
import { KEYS, mint } from './lib/token.mjs';

const SECRET = 'a-secret-that-only-this-test-knows';
const CHROMIUM = 'Chromium';
const OPEN = { [CHROMIUM]: openTab, Firefox: openFirefoxTab };

/** How each browser reaches a TURN server of this machine: Firefox gets no answer there by TCP. */
const WAYS = { [CHROMIUM]: ['udp', 'tcp'], Firefox: ['udp'] };

/** A server with all that it may have, on this machine. */
async function startAll(t, env = {}, ways = WAYS[CHROMIUM]) {
  const turn = await startCoturn(t, { secret: SECRET });
  const { host, port } = turn;
  const relays = ways.map((way) => `turn:${host}:${port}?transport=${way}`);
  const urls = { ALDIS_STUN_URLS: `stun:${host}:${port}`, ALDIS_TURN_URLS: relays.join(',') };
  const server = await startAldis(t, 'serve', { ...KEYS, ...urls, ALDIS_TURN_SECRET: SECRET, ...env }, { listen: 'localhost:0' });
  return { ...server, turn, origin: `http://localhost:${server.port}` };
}

for (const [kind, open] of Object.entries(OPEN)) {
  describe(`in ${kind}`, () => {
    const turns = WAYS[kind].map((way) => `turn-${way}`);

    test('where all is well, all is well', async (t) => {
      const { origin } = await startAll(t, {}, WAYS[kind]);
      const report = await diagnose(await open(t, kind, FAKE_DEVICES), origin, { token: mint('e2e', 'ann') });
      assertGood(t, report);
      assert.deepEqual(wrong(report), {});
      const made = ['page', 'server', 'token', 'clock', 'websocket', 'event-stream', 'webrtc', 'stun', ...turns, 'relay', 'camera', 'microphone'];
      for (const id of made) assert.equal(of(report, id).status, 'ok', id);
      assert.ok(report.heard.includes('relay running') && report.heard.includes('relay ok'));
    });

    test('a token that no key of the server signed', async (t) => {
      const { origin } = await startAll(t);
      const token = mint('e2e', 'ann').slice(0, -4) + 'AAAA';
      const report = await diagnose(await open(t, kind, FAKE_DEVICES), origin, { token });
      assertGood(t, report);
      assert.deepEqual(wrong(report), { token: 'token-invalid' });
      assert.equal(of(report, 'websocket').status, 'ok', 'it is not blamed for the token');
    });

    test('a proxy that lets no WebSocket through', async (t) => {
      const { port } = await startAll(t, {}, WAYS[kind]);
      const origin = `http://localhost:${await startProxyWithoutUpgrade(t, port)}`;
      const report = await diagnose(await open(t, kind, FAKE_DEVICES), origin, { token: mint('e2e', 'ann') });
      assertGood(t, report);
      assert.equal(wrong(report).websocket, 'websocket-blocked');
      // The rest is known by the other way.
      for (const id of ['server', 'event-stream', 'relay']) assert.equal(of(report, id).status, 'ok', id);
    });

    test('a wrong TURN secret', async (t) => {
      const { origin } = await startAll(t, { ALDIS_TURN_SECRET: 'what-aldis-was-given-by-mistake' }, WAYS[kind]);
      const report = await diagnose(await open(t, kind, FAKE_DEVICES), origin, { token: mint('e2e', 'ann') });
      assertGood(t, report);
      assert.deepEqual(wrong(report), Object.fromEntries(turns.map((id) => [id, 'turn-refused'])));
      for (const id of turns) assert.match(of(report, id).todo, /secret/);
    });
  });
}

test('a token that has expired, and one for another room', async (t) => {
  const { origin } = await startAll(t);
  const tab = await openTab(t, 'tab', FAKE_DEVICES);
  const expired = await diagnose(tab, origin, { token: mint('e2e', 'ann', -120) });
  assertGood(t, expired);
  assert.deepEqual(wrong(expired), { token: 'token-expired' });
  assert.match(of(expired, 'token').found, /expired 2 m/);
  const elsewhere = await diagnose(tab, origin, { room: 'lobby', token: mint('e2e', 'ann') });
  assert.deepEqual(wrong(elsewhere), { token: 'forbidden' });
  assert.match(of(elsewhere, 'token').found, /`e2e`, not `lobby`/);
});

test('a TURN server that is not there', async (t) => {
  const { origin, turn } = await startAll(t);
  await turn.program.stop();
  const report = await diagnose(await openTab(t, 'tab', FAKE_DEVICES), origin, { token: mint('e2e', 'ann') });
  assertGood(t, report);
  assert.deepEqual(wrong(report), { stun: 'stun-unreachable', 'turn-udp': 'turn-unreachable', 'turn-tcp': 'turn-unreachable' });
  assert.equal(of(report, 'turn-udp').status, 'failed');
});

test('a network that lets no UDP through', async (t) => {
  const network = await startNetwork(t);
  const [signaling, turn] = [await network.host('signaling'), await network.host('turn')];
  const coturn = await startCoturnOn(t, turn);
  const { origin } = await startAldisOn(t, signaling, coturn.relay('udp', 'tcp'));
  const home = await network.home('ann', NAT.home);
  const tab = await openTabOn(t, home.host, 'ann');
  const token = mint('e2e', 'ann');
  const before = await diagnose(tab, origin, { token });
  assertGood(t, before);
  // A page of another machine by plain http, which browsers give no devices.
  assert.deepEqual(wrong(before), { page: 'insecure-context' });
  assert.match(of(before, 'stun').found, /private IPv4/);
  await home.cutUdp();
  const report = await diagnose(tab, origin, { token });
  assertGood(t, report);
  assert.deepEqual(wrong(report), { page: 'insecure-context', stun: 'stun-unreachable', 'turn-udp': 'udp-blocked' });
  assert.match(of(report, 'relay').found, /by TCP/);
});

test('clocks that differ: of the backend, and of this device', async (t) => {
  const { origin } = await startAll(t);
  const token = mint('e2e', 'ann', 1_200, { iat: Math.floor(Date.now() / 1_000) + 600 });
  const backend = await diagnose(await openTab(t, 'tab', FAKE_DEVICES), origin, { token });
  assertGood(t, backend);
  assert.deepEqual(wrong(backend), { token: 'token-invalid', clock: 'clock-skewed' });
  assert.match(of(backend, 'clock').found, /10 min in the future/);

  const slow = () => {
    const { now } = Date;
    Date.now = () => now() - 7_200_000;
  };
  const device = await diagnose(await openTab(t, 'slow', FAKE_DEVICES, { prepare: slow }), origin, { token: mint('e2e', 'ann') });
  assert.deepEqual(wrong(device), { clock: 'clock-skewed' });
  assert.match(of(device, 'clock').found, /2 h behind/);
});

test('the server’s clock is shown to pages of other origins, too', async (t) => {
  const [{ origin }, other] = [await startAll(t), await startAll(t)];
  const report = await diagnose(await openTab(t, 'tab', FAKE_DEVICES), origin, { url: other.origin, token: mint('e2e', 'ann') });
  assertGood(t, report);
  assert.deepEqual(wrong(report), {});
  assert.equal(of(report, 'clock').status, 'ok');
});

test('an https page with a server by plain ws', async (t) => {
  const { program, port } = await startAldis(t, 'dev', {}, { listen: '[::]:0', flags: ['--lan'] });
  const host = program.output.match(new RegExp(`https://([0-9.]+):${port}/`))?.[1] ?? '192.0.2.7';
  const tab = await openTab(t, 'tab', FAKE_DEVICES, { flags: ['--ignore-certificate-errors'], reach: [host] });
  const report = await diagnose(tab, `https://localhost:${port}`, { url: `ws://${host}:9`, token: mint('e2e', 'ann') });
  assertGood(t, report);
  assert.deepEqual(wrong(report), { page: 'mixed-content' });
  assert.deepEqual(tab.complaints, [], 'nothing was tried that the browser would have refused');
});

test('a camera and a microphone that this page may not use, and none at all', async (t) => {
  const { origin } = await startAll(t);
  const token = mint('e2e', 'ann');
  const missing = await diagnose(await openTab(t, 'missing', NO_DEVICES), origin, { token });
  assert.deepEqual(wrong(missing), { camera: 'media-missing', microphone: 'media-missing' });
  const denied = await openTab(t, 'denied', FAKE_DEVICES);
  await deny(denied);
  const report = await diagnose(denied, origin, { token });
  assertGood(t, report);
  assert.deepEqual(wrong(report), { camera: 'media-denied', microphone: 'media-denied' });
});

/** What a user does who presses “Block”. */
async function deny({ context, page }) {
  const session = await context.browser().newBrowserCDPSession();
  const { targetInfo } = await (await context.newCDPSession(page)).send('Target.getTargetInfo');
  for (const name of ['camera', 'microphone']) {
    await session.send('Browser.setPermission', { permission: { name }, setting: 'denied', browserContextId: targetInfo.browserContextId });
  }
}
