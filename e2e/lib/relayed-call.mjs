/** Two pages in a call that goes by relay alone, whose credentials expire again and again. */
import { setTimeout as pass } from 'node:timers/promises';
import { startAldis } from './aldis.mjs';
import { openTab } from './chromium.mjs';
import { joinFrom } from './counting-page.mjs';
import { pageState } from './page-state.mjs';
import { connected, until } from './sdk-page.mjs';
import { NO_DEVICES } from './tab.mjs';
import { KEYS, mint } from './token.mjs';

/** How long a credential lives, in seconds. */
export const TTL_S = 20;

/**
 * Starts one through Aldis with `env`, for the length of the test `t`. The first of the two tabs makes the offers. The second comes
 * `apartMs` after it, and so does the end of its credentials.
 */
export async function startRelayedCall(t, env, { prepare, apartMs = 0 } = {}) {
  const { address } = await startAldis(t, 'serve', { ...KEYS, ...env, ALDIS_TURN_TTL: String(TTL_S) });
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, NO_DEVICES, { prepare })));
  for (const [at, tab] of tabs.entries()) {
    await pass(at * apartMs);
    const token = mint('relayed', tab.name);
    await joinFrom(tab, `http://${address}`, { room: 'relayed', token, rtc: { iceTransportPolicy: 'relay' } });
  }
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  for (const tab of tabs) await until(tab, 'a count', () => Object.keys(window.counted).length === 1);
  return tabs;
}

/** Starts ICE afresh, by the side that makes the offers; what TURN servers refuse from then on is in `window.refusals`. */
export async function restartIce([first, second]) {
  const prepare = () => {
    const [{ connection }] = window.room.peers.values();
    window.refusals = [];
    window.account = () => ({ fragmentBefore: window.fragment, refusals: window.refusals, asked: window.asked, dropped: window.dropped });
    window.fragment = connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
    connection.addEventListener('icecandidateerror', ({ errorCode }) => window.refusals.push(errorCode));
  };
  for (const tab of [first, second]) await tab.page.evaluate(prepare);
  await first.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());
}

/** Waits until both sides have agreed on the fresh start. */
export async function agreed(tabs) {
  const restarted = () => {
    const [{ connection }] = window.room.peers.values();
    const [, fragment] = connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/);
    return fragment !== window.fragment && connection.signalingState === 'stable';
  };
  await untilAll(tabs, 'a fresh start of ICE', restarted);
}

/**
 * Waits until relays that were opened since `restartIce` connect the two. Where one start of ICE follows another it is up to the browser which
 * of its ways it uses and which it prunes: Chromium stays on one of before whose candidate the last start has overtaken.
 */
export async function relaysStand(tabs) {
  const stand = async () => {
    const [{ connection }] = window.room.peers.values();
    const report = await connection.getStats();
    const standing = [...report.values()].filter(({ type, state }) => type === 'candidate-pair' && state === 'succeeded');
    const local = standing.map(({ localCandidateId }) => report.get(localCandidateId));
    const isAnew = (end) => end?.candidateType === 'relay' && end.usernameFragment !== window.fragment;
    return connection.connectionState === 'connected' && connection.signalingState === 'stable' && local.some(isAnew);
  };
  await untilAll(tabs, 'a way by a relay that was opened since', stand);
}

/** Waits until the call goes by relays that were opened for the latest start of ICE, where no other was under way. */
export async function relayedAnew(tabs) {
  const isAnew = async () => {
    const [{ connection }] = window.room.peers.values();
    const [, fragment] = connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/);
    const report = await connection.getStats();
    const transport = [...report.values()].find(({ type }) => type === 'transport');
    const local = report.get(report.get(transport.selectedCandidatePairId)?.localCandidateId);
    return connection.connectionState === 'connected' && local?.candidateType === 'relay' && local.usernameFragment === fragment;
  };
  await untilAll(tabs, 'a relay that was opened since', isAnew);
}

/** Waits for it on both sides. Where it does not come, both tell how they are: what one waits for may be the other's to do. */
async function untilAll(tabs, what, condition) {
  try {
    await Promise.all(tabs.map((tab) => until(tab, what, condition)));
  } catch (error) {
    const states = await Promise.all(tabs.map(async (tab) => `${tab.name}: ${await pageState(tab)}`));
    throw new Error([error.message, ...states].join('\n'), { cause: error });
  }
}
