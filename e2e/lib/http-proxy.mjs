/** A proxy for HTTP that was not set up for WebSockets or for streams, as some networks have them. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

/**
 * A way to a server of this machine, for the length of the test `t`. What it does can be changed at any time:
 *
 * - `upgrades`: whether WebSockets come through; others are answered with 501;
 * - `buffers`: whether an answer is held back until it is whole;
 * - `mostMs`: how long an answer may take, before it is cut.
 *
 * `posts` counts the POSTs that came, without those that began a stream.
 */
export async function startHttpProxy(t, targetPort, { upgrades = false, buffers = false, mostMs } = {}) {
  const proxy = { upgrades, buffers, mostMs, posts: 0, streams: 0, sockets: new Set(), links: new Set() };
  const server = createServer((asked, answer) => pass(proxy, targetPort, asked, answer));
  server.on('upgrade', (asked, socket, head) => {
    if (proxy.upgrades) return tunnel(proxy, targetPort, asked, socket, head);
    socket.end('HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  server.on('connection', (socket) => keep(proxy.sockets, socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = server.address().port;
  /** Resets whatever is there. */
  proxy.cut = () => {
    for (const socket of [...proxy.sockets, ...proxy.links]) socket.destroy();
  };
  t.after(() => {
    server.close();
    proxy.cut();
  });
  return proxy;
}

function keep(set, socket) {
  set.add(socket);
  socket.on('error', () => {}); // its close follows
  socket.on('close', () => set.delete(socket));
}

function pass(proxy, port, asked, answer) {
  const { method, url: path, headers } = asked;
  if (method === 'POST') proxy[headers.accept === 'text/event-stream' ? 'streams' : 'posts'] += 1;
  const onward = request({ port, host: '127.0.0.1', method, path, headers, agent: false });
  onward.on('socket', (socket) => keep(proxy.links, socket));
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  onward.on('response', async (got) => {
    got.on('error', () => answer.destroy());
    if (proxy.buffers) {
      const parts = [];
      got.on('data', (part) => parts.push(part));
      got.on('end', () => answer.writeHead(got.statusCode, got.headers).end(Buffer.concat(parts)));
      return;
    }
    answer.writeHead(got.statusCode, got.headers);
    answer.flushHeaders();
    got.pipe(answer);
    if (!proxy.mostMs) return;
    const timer = setTimeout(() => answer.destroy(), proxy.mostMs);
    answer.on('close', () => clearTimeout(timer));
  });
  asked.pipe(onward);
}

function tunnel(proxy, port, { method, url, rawHeaders }, socket, head) {
  const onward = connect({ port, host: '127.0.0.1' });
  keep(proxy.links, onward);
  const lines = [];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`);
  onward.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
  onward.write(head);
  onward.pipe(socket).pipe(onward);
  onward.on('close', () => socket.destroy());
  socket.on('close', () => onward.destroy());
}
