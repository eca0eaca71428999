/**
 * RFC 6455: the cases of the Autobahn test suite, run by `kosoku`, against an echo on the server's own frame codec
 * (`crates/server/examples/echo.rs`), plain and over the server's own TLS. Without 9 (performance), 12 and 13 (compression, which is not
 * negotiated). `ALDIS_BLESS=1` writes the results to docs/conformance.md; otherwise they must be those.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { ROOT, built, temporaryFolder } from './lib/aldis.mjs';
import { Program } from './lib/program.mjs';

const KOSOKU = join(ROOT, 'target/conformance/bin/kosoku'); // put there by scripts/install.sh
const PAGE = join(ROOT, 'docs/conformance.md');
const GOOD = ['OK', 'NON-STRICT', 'INFORMATIONAL'];
const CASES = 247;
const SECTIONS = {
  1: 'framing',
  2: 'pings and pongs',
  3: 'reserved bits',
  4: 'opcodes',
  5: 'fragmentation',
  6: 'UTF-8',
  7: 'closing',
  10: 'fragments of a large message',
};

test('the frame codec passes the cases of Autobahn, plain and over TLS', async (t) => {
  const plain = new Program(t, built('examples/echo'), []);
  const secure = new Program(t, built('examples/echo'), ['--tls']);
  const [address] = await plain.says(/\S+:\d+/);
  const [secureAddress] = await secure.says(/\S+:\d+/);
  const results = { plain: await run(t, address), 'over TLS': await run(t, await unwrap(t, secureAddress)) };
  const page = describe(results);
  if (process.env.ALDIS_BLESS) await writeFile(PAGE, page);
  assert.equal(page, await readFile(PAGE, 'utf8'), 'docs/conformance.md; ALDIS_BLESS=1 writes it');
});

/** What became of each case at this address. */
async function run(t, address) {
  const folder = await temporaryFolder(t);
  const without = ['9.*', '12.*', '13.*'].flatMap((cases) => ['-x', cases]);
  const runner = new Program(t, KOSOKU, ['-m', 'fuzzingclient', '-p', '4', ...without, '-o', folder, address]);
  await runner.end(120_000);
  const report = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
  const cases = Object.entries(Object.values(report)[0]);
  for (const behavior of GOOD) {
    const ids = cases.filter(([, found]) => found.behavior === behavior).map(([id]) => id);
    t.diagnostic(`${address}: ${ids.length} ${behavior}${behavior === 'OK' ? '' : `: ${ids.join(', ')}`}`);
  }
  const bad = cases.filter(([, { behavior, behaviorClose }]) => !GOOD.includes(behavior) || !GOOD.includes(behaviorClose));
  assert.deepEqual(bad, []);
  assert.equal(cases.length, CASES);
  return cases;
}

/** A plain port before a TLS one: the runner speaks no TLS. What breaks on one side breaks on the other. */
async function unwrap(t, address) {
  const [host, port] = address.split(':');
  const server = createServer((client) => {
    // Whether a certificate is good is looked at elsewhere.
    const upstream = connect({ host, port, rejectUnauthorized: false });
    pipeline(client, upstream, client, () => {});
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `127.0.0.1:${server.address().port}`;
}

/** The page: how many cases of each section came to what. */
function describe(results) {
  const names = Object.keys(results);
  const rows = Object.entries(SECTIONS).map(([section, what]) => {
    const counts = names.map((name) => count(results[name].filter(([id]) => id.split('.')[0] === section)));
    return `| ${section} | ${what} | ${counts.join(' | ')} |`;
  });
  return `# Conformance

The frame codec of the server (\`crates/server/src/ws\`) against the cases of the Autobahn test suite for RFC 6455, run by \`kosoku\` 0.1.0: plain, and over the
server's own TLS (\`crates/server/src/tls\`). Sections 9 (performance), 12 and 13 (compression, which is not negotiated) are left out. \`make test\`
runs them, and compares with this page, which is written by

\`\`\`sh
ALDIS_BLESS=1 npm --prefix e2e test -- conformance.test.mjs
\`\`\`

| section | cases | ${names.join(' | ')} |
|---|---|${names.map(() => '---|').join('')}
${rows.join('\n')}
| all | | ${names.map((name) => count(results[name])).join(' | ')} |

\`NON-STRICT\` is allowed by the RFC and not what the suite likes best: a message that is no UTF-8 is refused when it is whole, and not at its first bad
byte. \`INFORMATIONAL\` cases have no right answer.
`;
}

function count(cases) {
  const found = GOOD.map((behavior) => [cases.filter(([, found]) => found.behavior === behavior).length, behavior]);
  return found.filter(([count]) => count > 0).map(([count, behavior]) => `${count} ${behavior}`).join(', ');
}
