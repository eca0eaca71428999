/** TURN credentials that expire in a call that goes by relay: of coturn, which lets go on what is open, and of a server that does not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { startCoturn } from './lib/coturn.mjs';
import { counts } from './lib/counting-page.mjs';
import { startCuttingTurn } from './lib/cutting-turn.mjs';
import { TTL_S, agreed, relayedAnew, relaysStand, restartIce, startRelayedCall } from './lib/relayed-call.mjs';
import { connected, until } from './lib/sdk-page.mjs';
import { assertQuiet } from './lib/tab.mjs';

const SECRET = 'a-secret-that-only-this-test-knows';

/** How long after the call began ICE starts afresh, each time: all that was handed out at its beginning has expired. */
const RESTARTS_MS = process.env.ALDIS_SOAK ? [60_000, 120_000] : [25_000, 45_000];

/** How long the call lasts that is not to notice that the server ends its relays. */
const CALL_MS = process.env.ALDIS_SOAK ? 300_000 : 60_000;

/** How far apart the two join: the relays of one expire while those of the other are good. */
const APART_MS = 7_000;

// They wait most of the time.
describe('a relayed call whose first credentials have expired', { concurrency: true }, () => {
  test('starts ICE afresh with those that were renewed', async (t) => {
    const tabs = await startRelayedCall(t, (await startCoturn(t, { secret: SECRET })).env);
    const began = performance.now();
    for (const at of RESTARTS_MS) {
      await pass(began + at - performance.now());
      await restartIce(tabs);
      await agreed(tabs);
      await relayedAnew(tabs);
      for (const tab of tabs) assert.deepEqual(await tab.page.evaluate(() => window.refusals), [], tab.name);
    }
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    for (const tab of tabs) assert.deepEqual((await counts(tab)).broken, [], tab.name);
    assertQuiet(...tabs);
  });

  test('finds no relay any more where they were never renewed', async (t) => {
    const tabs = await startRelayedCall(t, (await startCoturn(t, { secret: SECRET })).env, { prepare: `(${dropRenewals})('all')` });
    await pass(RESTARTS_MS[0]);
    await restartIce(tabs);
    await agreed(tabs);
    for (const tab of tabs) {
      await until(tab, 'the refusal of the TURN server', () => window.refusals.includes(401));
      await until(tab, 'the end of the search', () => [...window.room.peers.values()][0].connection.iceGatheringState === 'complete');
      assert.deepEqual(await tab.page.evaluate(foundSince), [], `no relay for ${tab.name}`);
      assert.ok((await tab.page.evaluate(() => window.dropped)) > 0, 'a renewal was dropped');
    }
  });

  test('asks once for others where only those that were pushed were lost, and goes on with fresh relays', async (t) => {
    const tabs = await startRelayedCall(t, (await startCoturn(t, { secret: SECRET })).env, { prepare: `(${dropRenewals})('pushed')` });
    await pass(RESTARTS_MS[0]);
    await restartIce(tabs);
    for (const tab of tabs) await until(tab, 'the refusal of the TURN server', () => window.refusals.includes(401));
    await agreed(tabs);
    await relaysStand(tabs);
    for (const tab of tabs) {
      const { dropped, asked } = await tab.page.evaluate(() => ({ dropped: window.dropped, asked: window.asked }));
      assert.ok(dropped > 0, 'a renewal was dropped');
      // A machine that is busy may interrupt the call: then it asks twice at most, for the two starts of ICE that mend it.
      const interrupted = await tab.page.evaluate(interruptions);
      assert.ok(asked >= 1 && asked <= 1 + 2 * interrupted, `${tab.name} asked ${asked} times, and was interrupted ${interrupted} times`);
      // It also tells of a server that is silent for a while, as one on a busy machine may be.
      const told = await tab.page.evaluate(() => window.log.flatMap(({ error }) => error?.code ?? []));
      assert.ok(!told.includes('turn-refused'), `${tab.name} was told ${told}`);
      assert.deepEqual((await counts(tab)).broken, [], tab.name);
    }
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
  });

  test(`moves to fresh relays before the TURN server ends the old ones, for ${CALL_MS / 1_000} s, and notices nothing`, async (t) => {
    const turn = await startCuttingTurn(t, { secret: SECRET });
    const tabs = await startRelayedCall(t, { ...turn.env, ALDIS_TURN_CUTS_AT_EXPIRY: 'true' }, { apartMs: APART_MS });
    await pass(CALL_MS);
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    const cuts = turn.program.output.match(/^cut \d+:/gm) ?? [];
    t.diagnostic(`${cuts.length} credentials ended with their relays`);
    // Each side has lost all that its first credentials opened, and more.
    assert.ok(cuts.length >= 2 * Math.floor(CALL_MS / 1_000 / TTL_S), turn.program.output);
    for (const tab of tabs) {
      assert.equal(await tab.page.evaluate(interruptions), 0, `interruptions at ${tab.name}`);
      const { last, broken } = await counts(tab);
      assert.deepEqual(broken, [], tab.name);
      const more = ([id, least]) => window.counted[id].length > least;
      await until(tab, 'one more count', more, Object.entries(last)[0]);
    }
    assertQuiet(...tabs);
  });

  test('is interrupted where nobody was told that the server ends relays, and comes back by the fresh ones', async (t) => {
    const turn = await startCuttingTurn(t, { secret: SECRET });
    const tabs = await startRelayedCall(t, turn.env);
    await turn.program.says(/^cut \d+:/m, 2 * TTL_S * 1_000);
    await Promise.all(tabs.map((tab) => until(tab, 'an interruption', `(${interruptions})() > 0`)));
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    for (const tab of tabs) assert.deepEqual((await counts(tab)).broken, [], tab.name);
  });
});

/** In the page: how often the call was interrupted. */
const interruptions = () => window.log.filter(({ state }) => state === 'interrupted').length;

/** In the page: takes away every message about ICE servers, in both directions; or only those that nobody has asked for. */
function dropRenewals(which) {
  Object.assign(window, { dropped: 0, asked: 0 });
  let awaited = 0;
  const isRenewal = (data) => JSON.parse(data).type === 'ice-servers';
  const isDropped = (data) => isRenewal(data) && awaited-- <= 0 && (window.dropped += 1) > 0;
  window.WebSocket = class extends WebSocket {
    send(data) {
      if (isRenewal(data)) {
        window.asked += 1;
        if (which === 'all') return;
        awaited = 1;
      }
      super.send(data);
    }

    set onmessage(hear) {
      super.onmessage = hear && ((event) => isDropped(event.data) || hear(event));
    }
  };
}

/** In the page: the candidates of the latest start of ICE. */
const foundSince = () => {
  const [{ connection }] = window.room.peers.values();
  const { sdp } = connection.currentLocalDescription;
  return sdp.split(/\r?\n/).filter((line) => line.startsWith('a=candidate:'));
};
