import { join } from 'node:path';
import { ROOT } from './aldis.mjs';
import { Program } from './program.mjs';

const PORT = 3478;

let started = 0;

/**
 * Starts the TURN server of `cutting-turn/` for the length of the test `t`, on a loopback address of its own, and says what Aldis needs
 * in its environment to name it to clients.
 */
export async function startCuttingTurn(t, { secret }) {
  const host = `127.${128 + ((process.pid >> 8) % 64)}.${process.pid % 256}.${++started}`;
  const binary = join(ROOT, 'target', 'debug', 'cutting-turn'); // where `npm test` has it built
  const program = new Program(t, binary, [`${host}:${PORT}`], { env: { TURN_SECRET: secret } });
  await program.says(/listening/);
  return { host, port: PORT, program, env: { ALDIS_TURN_URLS: `turn:${host}:${PORT}`, ALDIS_TURN_SECRET: secret } };
}
