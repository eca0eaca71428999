import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ROOT } from './aldis.mjs';
import { Program } from './program.mjs';
import { until } from './sdk-page.mjs';
import { PATIENCE_MS } from './tab.mjs';

/** Where Chromium is reached in the tests. Firefox offers only the address that the default route goes out from. */
export const LOOPBACK = '127.0.0.1:0';
export const ANYWHERE = '0.0.0.0:0';

/** Starts `examples/native-peer` for the length of the test `t`, in the room `demo` of the server on `port`. */
export async function startNativeRust(t, port, listen = LOOPBACK) {
  const binary = join(ROOT, 'target', 'debug', 'native-peer'); // where `npm test` has it built
  const program = new Program(t, binary, [`http://localhost:${port}`, '--listen', listen]);
  await program.says(/joined as/, PATIENCE_MS);
  return program;
}

/** Has the page listen to what a native peer says. */
export const listen = (tab) =>
  tab.page.evaluate(() => {
    window.heard = { counts: [], lines: [] };
    window.native = window.room.channel('native');
    window.native.on('message', ({ data }) => (/^\d+$/.test(data) ? window.heard.counts.push(Number(data)) : window.heard.lines.push(data)));
  });

/** Waits until the native peer has counted on for a second, and asserts that it left nothing out. */
export async function countsOn(tab) {
  const before = await tab.page.evaluate(() => window.heard.counts.length);
  await until(tab, 'the count to go on', (before) => window.heard.counts.length >= before + 20, before);
  const counts = await tab.page.evaluate(() => window.heard.counts);
  assert.deepEqual(counts, counts.map((_, at) => counts[0] + at));
}

/** Writes to the native peer, and waits until it has answered. */
export async function talk(tab, program, text) {
  await until(tab, 'the channel', () => window.native.peers.some(({ identity }) => identity === 'native'));
  await tab.page.evaluate((text) => void window.native.send(text), text);
  await program.says(new RegExp(`${tab.name}: \`native\`: ${text}`), PATIENCE_MS);
  await until(tab, `the answer to ${text}`, (text) => window.heard.lines.includes(`you said: ${text}`), text);
}
