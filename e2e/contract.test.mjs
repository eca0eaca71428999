/** The server of `aldis-client/testing` says what the real one says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { startAldis } from './lib/aldis.mjs';
import { STORIES, tell } from './lib/contract.mjs';
import { openSocket } from './lib/node-socket.mjs';
import { createTestServer } from './lib/sdk-testing.mjs';
import { KEYS, mint } from './lib/token.mjs';

for (const [name, story] of Object.entries(STORIES)) {
  test(name, async (t) => {
    const [real, inMemory] = [await tell(story, await realWorld(t)), await tell(story, worldInMemory())];
    for (const [at, client] of real.entries()) {
      assert.deepEqual(inMemory[at].heard, client.heard, `what ${client.name}, number ${at}, is told`);
    }
  });
}

async function realWorld(t) {
  const { port } = await startAldis(t, 'serve', KEYS);
  return {
    url: `ws://127.0.0.1:${port}`,
    token: ({ sub, room, ...claims }) => mint(room, sub, 600, claims),
    openSocket: (url, protocols, events) => {
      let raw;
      class Known extends WebSocket {
        constructor(...args) {
          super(...args);
          raw = this;
        }
      }
      const socket = openSocket(url, protocols, events, Known);
      return { ...socket, cut: () => raw.removeAllListeners('close').terminate() };
    },
  };
}

function worldInMemory() {
  const server = createTestServer();
  return { url: 'wss://test.invalid', token: (claims) => server.token(claims), openSocket: server.environment.openSocket };
}
