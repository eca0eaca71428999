/**
 * RFC 6455: the cases of the Autobahn test suite, run by `kosoku`, against an echo on the server's own frame codec
 * (`crates/server/examples/echo.rs`). Without 9 (performance), 12 and 13 (compression, which is not negotiated).
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, built, temporaryFolder } from './lib/aldis.mjs';
import { Program } from './lib/program.mjs';

const KOSOKU = join(ROOT, 'target/conformance/bin/kosoku'); // put there by scripts/install.sh
const GOOD = ['OK', 'NON-STRICT', 'INFORMATIONAL'];
const CASES = 247;

test('the frame codec passes the cases of Autobahn', async (t) => {
  const folder = await temporaryFolder(t);
  const echo = new Program(t, built('examples/echo'), []);
  const [address] = await echo.says(/\S+:\d+/);
  const without = ['9.*', '12.*', '13.*'].flatMap((cases) => ['-x', cases]);
  const runner = new Program(t, KOSOKU, ['-m', 'fuzzingclient', '-p', '4', ...without, '-o', folder, address]);
  await runner.end(120_000);

  const report = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
  const cases = Object.entries(Object.values(report)[0]);
  for (const behavior of GOOD) {
    const ids = cases.filter(([, found]) => found.behavior === behavior).map(([id]) => id);
    t.diagnostic(`${ids.length} ${behavior}${behavior === 'OK' ? '' : `: ${ids.join(', ')}`}`);
  }
  const bad = cases.filter(([, { behavior, behaviorClose }]) => !GOOD.includes(behavior) || !GOOD.includes(behaviorClose));
  assert.deepEqual(bad, []);
  assert.equal(cases.length, CASES);
});
