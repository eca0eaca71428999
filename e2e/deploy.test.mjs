/** The deployment that the repository offers, as far as it can be looked at without containers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ROOT, built } from './lib/aldis.mjs';
import { Program } from './lib/program.mjs';

/** What an operator writes into `.env`, as `deploy/README.md` says. */
const ENV = {
  DOMAIN: 'signal.example.org',
  ALDIS_ALLOWED_ORIGINS: 'https://app.example.org',
  ALDIS_AUTH_KEYS: `key:${'k'.repeat(32)}`,
  ALDIS_CLUSTER_SECRET: 's'.repeat(64),
  TURN_SECRET: 't'.repeat(64),
};

/** Compose's own interpolation, of the two forms that the file uses. */
function interpolate(value) {
  if (typeof value === 'string') return value.replace(/\$\{(\w+)(?::\?[^}]*)?\}/g, (_, name) => ENV[name] ?? assert.fail(`${name} is not in .env`));
  if (Array.isArray(value)) return value.map(interpolate);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, interpolate(value)]));
}

const compose = interpolate(parse(await readFile(join(ROOT, 'deploy/compose.yaml'), 'utf8'), { merge: true }));
const nodes = Object.entries(compose.services).filter(([name]) => name.startsWith('node'));

async function check(t, env) {
  const program = new Program(t, built('aldis'), ['config', 'check'], { env });
  return { code: await program.end(), says: program.output };
}

test('there are three nodes, and the server takes the configuration of each', async (t) => {
  assert.equal(nodes.length, 3);
  for (const [name, { environment }] of nodes) assert.deepEqual([name, (await check(t, environment)).code], [name, 0]);
});

test('it would not take a key that is none', async (t) => {
  const { code, says } = await check(t, { ...nodes[0][1].environment, ALDIS_BACKPLAIN: 'redis://redis:6379' });
  assert.notEqual(code, 0);
  assert.match(says, /ALDIS_BACKPLAIN/);
});

test('a node has the time to send its clients elsewhere', () => {
  for (const [name, { stop_grace_period: grace }] of nodes) assert.ok(parseInt(grace) * 1_000 > 25_000 + 3_000, name);
});

test('what a service depends on is there, and so are the files that are mounted', async () => {
  for (const { depends_on: others = [], volumes = [] } of Object.values(compose.services)) {
    for (const other of others) assert.ok(other in compose.services, other);
    for (const [file] of volumes.map((volume) => volume.split(':'))) {
      if (file.startsWith('.')) await readFile(join(ROOT, 'deploy', file));
      else assert.ok(file in compose.volumes, file);
    }
  }
});

test('Caddy takes its file, which leads to these nodes', async (t) => {
  const program = new Program(t, 'caddy', ['adapt', '--validate', '--config', join(ROOT, 'deploy/Caddyfile')], { env: { DOMAIN: ENV.DOMAIN, HOME: '/nonexistent' } });
  assert.equal(await program.end(), 0, program.output);
  const [json] = program.output.match(/^\{"apps".*$/m) ?? assert.fail(program.output);
  const dials = [...json.matchAll(/"dial":"([^"]*)"/g)].map(([, dial]) => dial);
  assert.deepEqual(dials.sort(), nodes.map(([name]) => `${name}:7654`));
});
