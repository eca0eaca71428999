import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file that cargo built; `npm test` builds what the tests use. */
export function built(name) {
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', name);
}

/** A folder for the length of the test `t`. */
export async function temporaryFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), 'aldis-e2e-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** Starts the real server for the length of the test `t`, on a free port. */
export async function startAldis(t, command, env = {}, { listen = command === 'dev' ? 'localhost:0' : '127.0.0.1:0', flags = [] } = {}) {
  const ports = join(await temporaryFolder(t), 'ports.json');
  const args = [command, '--listen', listen, '--ports-file', ports, ...flags];
  const program = new Program(t, built('aldis'), args, { env: { ALDIS_LOG_FORMAT: 'json', ...env } });
  await program.says(/"message":"ready"/);
  const address = JSON.parse(await readFile(ports, 'utf8')).listen;
  return { program, address, port: Number(address.split(':').pop()) };
}
