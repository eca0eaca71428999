import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A way to a server of this machine, for the length of the test `t`, which breaks when the test says so. */
export async function startProxy(t, targetPort) {
  const proxy = new TcpProxy(targetPort);
  t.after(() => proxy.close());
  await proxy.listen();
  return proxy;
}

class TcpProxy {
  #state = 'open'; // or 'refusing': it is about who comes, not about who is there
  #pairs = new Set();
  #targetPort;
  #server;

  constructor(targetPort) {
    this.#targetPort = targetPort;
    // Half-open, here and below: one side may have said all it has to say while the other still speaks.
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      if (this.#state === 'open') this.#join(client);
      else client.resetAndDestroy();
    });
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  /** Lets through who comes from now on; so it begins. */
  open() {
    this.#state = 'open';
  }

  /** Resets who comes from now on. */
  refuse() {
    this.#state = 'refusing';
  }

  /** Resets the connections that are there, on both sides, and returns how many there were. */
  cut() {
    const pairs = [...this.#pairs];
    for (const socket of pairs.flat()) socket.resetAndDestroy();
    return pairs.length;
  }

  close() {
    this.#server.close();
    this.cut();
  }

  #join(client) {
    const target = connect({ host: '127.0.0.1', port: this.#targetPort, allowHalfOpen: true });
    const pair = [client, target];
    this.#pairs.add(pair);
    client.pipe(target).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => {}); // its close follows
      socket.on('close', () => {
        this.#pairs.delete(pair);
        pair.forEach((other) => other.destroy());
      });
    }
  }
}
