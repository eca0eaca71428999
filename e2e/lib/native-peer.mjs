/** A peer of a room without a browser: the SDK under Node. */
import { NativeConnection } from './native-connection.mjs';
import { openSocket } from './node-socket.mjs';
import { joinRoom } from './sdk.mjs';
import { mint } from './token.mjs';

/** Joins a room of the server on `port` for the length of the test `t`. */
export async function joinNative(t, port, { room, identity }) {
  const warnings = [];
  const environment = {
    openSocket,
    createConnection: (configuration) => new NativeConnection(configuration),
    warn: (line) => warnings.push(line),
  };
  const joined = await joinRoom(`http://127.0.0.1:${port}`, { room, token: () => mint(room, identity), environment });
  t.after(() => joined.leave());
  return { room: joined, warnings };
}
