import { join } from 'node:path';
import { ROOT, temporaryFolder } from './aldis.mjs';
import { Program } from './program.mjs';

let started = 0;

/**
 * Starts coturn for the length of the test `t`, and says what Aldis needs in its environment to name it to clients. It takes no
 * port 0, but each one has a loopback address to itself: the usual port is free there whatever else runs on this machine.
 */
export async function startCoturn(t, { secret, flags = [] }) {
  const host = `127.${64 + ((process.pid >> 8) % 64)}.${process.pid % 256}.${++started}`;
  const port = 3478;
  const folder = await temporaryFolder(t);
  const program = new Program(t, 'turnserver', [
    '-n', // no configuration file
    `--listening-ip=${host}`,
    `--relay-ip=${host}`,
    `--listening-port=${port}`,
    '--realm=aldis.test',
    '--use-auth-secret',
    `--static-auth-secret=${secret}`,
    '--allow-loopback-peers', // else it relays to no other relay of its own, which is all there is here
    '--no-cli',
    '--no-dtls',
    '--no-tls',
    '--log-file=stdout',
    '--pidfile=',
    '--simple-log',
    `--userdb=${join(folder, 'turndb')}`,
    '--verbose', // else it does not say when it listens
    ...flags,
  ]);
  await program.says(/UDP listener opened/);
  return { host, port, program, env: { ALDIS_TURN_URLS: `turn:${host}:${port}`, ALDIS_TURN_SECRET: secret } };
}

/**
 * Starts coturn with the configuration that the repository offers, and with what `deploy/README.md` adds to it: realm and secrets. Only
 * the addresses are others, and the relays have IPv6 too.
 */
export async function startHardened(t, { secrets }) {
  const host = `127.${64 + ((process.pid >> 8) % 64)}.${process.pid % 256}.${++started}`;
  const folder = await temporaryFolder(t);
  const program = new Program(t, 'turnserver', [
    ...['-c', join(ROOT, 'deploy/turnserver.conf'), '--realm=aldis.test'],
    ...secrets.map((secret) => `--static-auth-secret=${secret}`),
    ...[`--listening-ip=${host}`, `--relay-ip=${host}`, '--relay-ip=::1'],
    ...['--pidfile=', `--userdb=${join(folder, 'turndb')}`, '--verbose'],
  ]);
  await program.says(/UDP listener opened/);
  return { host, port: 3478, program };
}
