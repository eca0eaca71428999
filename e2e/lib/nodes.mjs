/** Several nodes of one deployment: a broker between them, and a load balancer before them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startAldis, temporaryFolder } from './aldis.mjs';
import { Program } from './program.mjs';
import { KEYS } from './token.mjs';
import { within } from './within.mjs';

/** What all nodes know. */
const SECRETS = { ...KEYS, ALDIS_CLUSTER_SECRET: 'what-all-nodes-of-this-test-know' };

/** The brokers: how each is started on a port, what it says then, and its address. */
const BROKERS = {
  redis: {
    program: 'redis-server',
    flags: (port, folder) => ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    ready: /Ready to accept connections/,
  },
  nats: { program: 'nats-server', flags: (port) => ['--addr', '127.0.0.1', '--port', `${port}`], ready: /Server is ready/ },
};

/** A port that nobody listens on. Another program may take it first, but none of this test does. */
async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Starts `count` nodes over a broker for the length of the test `t`. On the `port` of the result a load balancer gives who comes to the node
 * with the fewest connections, and none to one that is not ready.
 */
export async function startNodes(t, count, kind = 'redis') {
  const broker = BROKERS[kind];
  const brokerPort = await freePort();
  await new Program(t, broker.program, broker.flags(brokerPort, await temporaryFolder(t))).says(broker.ready);
  const env = { ...SECRETS, ALDIS_BACKPLANE: `${kind}://127.0.0.1:${brokerPort}` };
  const nodes = await Promise.all(Array.from({ length: count }, () => startAldis(t, 'serve', env)));
  const port = await startBalancer(t, nodes.map(({ port }) => port));
  return { nodes, port };
}

async function startBalancer(t, nodes) {
  const port = await freePort();
  const file = join(await temporaryFolder(t), 'haproxy.cfg');
  const servers = nodes.map((node, at) => `  server node${at + 1} 127.0.0.1:${node} check inter 200ms fall 1 rise 1`);
  const lines = [
    'defaults',
    '  mode http',
    '  timeout connect 2s',
    '  timeout client 30s',
    '  timeout server 30s',
    '  timeout tunnel 1h',
    'listen aldis',
    `  bind 127.0.0.1:${port}`,
    '  balance leastconn',
    '  option httpchk GET /readyz',
    ...servers,
    '',
  ];
  await writeFile(file, lines.join('\n'));
  new Program(t, 'haproxy', ['-db', '-f', file]);
  // It says nothing when it is there.
  const listens = async () => {
    while ((await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status !== 200) await pause(50);
  };
  await within(10_000, 'a load balancer with nodes', listens());
  return port;
}

/** What a node's metrics say of a name, with its labels. */
export async function metric({ port }, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((line) => line.startsWith(`${name} `)) ?? assert.fail(`${name} is not in\n${text}`);
  return Number(line.slice(name.length));
}
