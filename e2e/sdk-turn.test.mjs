/** The SDK and TURN: relays by credentials that Aldis mints, of Debian's coturn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { startCoturn } from './lib/coturn.mjs';
import { chat, connected, join, until } from './lib/sdk-page.mjs';
import { NO_DEVICES, assertQuiet } from './lib/tab.mjs';

const RELAY_ONLY = { iceTransportPolicy: 'relay' };

test('two browsers that may use nothing but the relay connect through it', async (t) => {
  const turn = await startCoturn(t, { secret: 'a-secret-that-only-this-test-knows' });
  const { port } = await startAldis(t, 'dev', turn.env);
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, NO_DEVICES)));
  for (const tab of tabs) await join(tab, port, { rtc: RELAY_ONLY });
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await chat(tabs[0], 'by relay', tabs[1]);
  for (const tab of tabs) {
    await until(tab, 'a relay in use', async () => {
      const [{ connection }] = window.room.peers.values();
      const reports = [...(await connection.getStats()).values()];
      const pair = reports.find(({ type, nominated }) => type === 'candidate-pair' && nominated);
      return pair && reports.find(({ id }) => id === pair.localCandidateId).candidateType === 'relay';
    });
  }
  assertQuiet(...tabs);
});

test('a credential that the TURN server refuses is reported, with what to do', async (t) => {
  const turn = await startCoturn(t, { secret: 'what-coturn-was-given' });
  const { port } = await startAldis(t, 'dev', { ...turn.env, ALDIS_TURN_SECRET: 'what-aldis-was-given-by-mistake' });
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, NO_DEVICES)));
  for (const tab of tabs) await join(tab, port, { rtc: RELAY_ONLY });
  const failure = ({ name, error }) => name === 'error' && error.code === 'turn-refused';
  await until(tabs[0], 'the refusal', `window.log.some(${failure})`);
  const error = await tabs[0].page.evaluate(`(({ error }) => ({ message: error.message, hint: error.hint }))(window.log.find(${failure}))`);
  assert.match(error.message, new RegExp(`turn:${turn.host}:${turn.port}`));
  assert.match(error.hint, /secret/);
  const lines = tabs[0].complaints.filter((line) => line.includes('turn-refused'));
  assert.equal(lines.length, 1, 'one readable line in the console');
});
