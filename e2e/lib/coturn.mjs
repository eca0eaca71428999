import { join } from 'node:path';
import { ROOT, temporaryFolder } from './aldis.mjs';
import { Program } from './program.mjs';

let started = 0;

const ownAddress = () => `127.${64 + ((process.pid >> 8) % 64)}.${process.pid % 256}.${++started}`;

/** The port that every coturn here has: each one has an address to itself, and it takes no port 0. */
export const TURN_PORT = 3478;

/** coturn without a configuration file, all of it at one address, which issues credentials with a secret and writes a log to be read. */
export const turnserver = ({ host, secret, folder }) => [
  'turnserver',
  '-n', // no configuration file
  `--listening-ip=${host}`,
  `--relay-ip=${host}`,
  `--listening-port=${TURN_PORT}`,
  '--realm=aldis.test',
  '--use-auth-secret',
  `--static-auth-secret=${secret}`,
  '--no-cli',
  '--no-dtls',
  '--no-tls',
  '--log-file=stdout',
  '--pidfile=',
  '--simple-log',
  `--userdb=${join(folder, 'turndb')}`,
  '--verbose', // else it does not say when it listens
];

/**
 * Starts coturn for the length of the test `t`, and says what Aldis needs in its environment to name it to clients. It has a loopback
 * address to itself: the usual port is free there whatever else runs on this machine.
 */
export async function startCoturn(t, { secret, flags = [] }) {
  const host = ownAddress();
  const [command, ...args] = turnserver({ host, secret, folder: await temporaryFolder(t) });
  // Else it relays to no other relay of its own, which is all there is here.
  const program = new Program(t, command, [...args, '--allow-loopback-peers', ...flags]);
  await program.says(/UDP listener opened/);
  return { host, port: TURN_PORT, program, env: { ALDIS_TURN_URLS: `turn:${host}:${TURN_PORT}`, ALDIS_TURN_SECRET: secret } };
}

/**
 * Starts coturn with the configuration that the repository offers, and with what `deploy/README.md` adds to it: realm and secrets. Only
 * the addresses are others, and the relays have IPv6 too.
 */
export async function startHardened(t, { secrets }) {
  const host = ownAddress();
  const folder = await temporaryFolder(t);
  const program = new Program(t, 'turnserver', [
    ...['-c', join(ROOT, 'deploy/turnserver.conf'), '--realm=aldis.test'],
    ...secrets.map((secret) => `--static-auth-secret=${secret}`),
    ...[`--listening-ip=${host}`, `--relay-ip=${host}`, '--relay-ip=::1'],
    ...['--pidfile=', `--userdb=${join(folder, 'turndb')}`, '--verbose'],
  ]);
  await program.says(/UDP listener opened/);
  return { host, port: TURN_PORT, program };
}
