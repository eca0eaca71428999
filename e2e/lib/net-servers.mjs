/** The servers of a network: Aldis, and coturn, each on a host. */
import { built, temporaryFolder } from './aldis.mjs';
import { TURN_PORT, turnserver } from './coturn.mjs';
import { Program } from './program.mjs';
import { KEYS } from './token.mjs';

const TURN_SECRET = 'a-secret-that-only-this-test-knows';

/** Starts Aldis on a host, for the length of the test `t`. */
export async function startAldisOn(t, host, env = {}) {
  const origin = `http://${host.address}:7654`;
  const [command, ...args] = [...host.enter, built('aldis'), 'serve', '--listen', `${host.address}:7654`];
  const program = new Program(t, command, args, { env: { ...KEYS, ALDIS_LOG_FORMAT: 'json', ...env } });
  await program.says(/"message":"ready"/);
  return { origin, program };
}

/** Starts coturn on a host, for the length of the test `t`, and says what Aldis needs to name it to clients. */
export async function startCoturnOn(t, host) {
  const own = turnserver({ host: host.address, secret: TURN_SECRET, folder: await temporaryFolder(t) });
  const [command, ...args] = [...host.enter, ...own];
  const program = new Program(t, command, args);
  await program.says(/UDP listener opened/);
  const turn = (transport) => `turn:${host.address}:${TURN_PORT}?transport=${transport}`;
  return {
    program,
    /** For direct ways alone. */
    stun: { ALDIS_STUN_URLS: `stun:${host.address}:${TURN_PORT}` },
    /** For relays too, to be reached by these transports. */
    relay: (...transports) => ({
      ALDIS_STUN_URLS: `stun:${host.address}:${TURN_PORT}`,
      ALDIS_TURN_URLS: transports.map(turn).join(','),
      ALDIS_TURN_SECRET: TURN_SECRET,
    }),
  };
}
