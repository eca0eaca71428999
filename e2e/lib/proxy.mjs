/** A TCP proxy that fails the way networks do, when a test says so. */
import { once } from 'node:events';
import { Socket, createServer } from 'node:net';

/**
 * A way to a server of this machine, for the length of the test `t`. What it does to whatever travels is its *weather*:
 *
 * - `open`: lets everything through; so it begins;
 * - `refusing`: the same, but resets who comes: it is about who comes, not about who is there;
 * - `silent`: lets nothing through, and nobody is told. Who comes is accepted and hears nothing. When it clears up, all that was kept
 *   arrives, as what TCP sends again does;
 * - `slow`: everything is on its way for so long, and a share of it is lost once: with TCP that is late, and so is what follows;
 * - `narrow`: so many bytes a second come through in each direction, and the others wait behind them;
 * - `collecting`: what came in a while arrives at its end, all at once.
 *
 * Apart from the weather, `cut` resets the connections that are there, and `abandon` leaves them half-open for ever.
 */
export async function startProxy(t, targetPort) {
  const proxy = new TcpProxy(targetPort);
  t.after(() => proxy.close());
  await proxy.listen();
  return proxy;
}

class TcpProxy {
  #weather = { is: 'open' };
  #links = new Set();
  #targetPort;
  #server;

  constructor(targetPort) {
    this.#targetPort = targetPort;
    // Half-open, here and below: one side may have said all it has to say while the other still speaks.
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      if (this.#weather.is === 'refusing') client.resetAndDestroy();
      else this.#links.add(new Link(client, this.#weather, () => this.#targetPort, (link) => this.#links.delete(link)));
    });
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  /** Leads who comes from now on to another server. */
  lead(targetPort) {
    this.#targetPort = targetPort;
  }

  open() {
    this.#turn({ is: 'open' });
  }

  refuse() {
    this.#turn({ is: 'refusing' });
  }

  silence() {
    this.#turn({ is: 'silent' });
  }

  /** Each way takes `ms`; a `share` of what is written is lost once and sent again after `againMs`. */
  slow({ ms, share = 0, againMs = 0, random = Math.random }) {
    this.#turn({ is: 'slow', ms, share, againMs, random });
  }

  /** Each way has so many bits in a second. */
  narrow(bitsPerSecond) {
    this.#turn({ is: 'narrow', bytesPerMs: bitsPerSecond / 8_000 });
  }

  collect(everyMs) {
    this.#turn({ is: 'collecting', everyMs, since: performance.now() });
  }

  /** Resets the connections that are there, on both sides, and returns how many there were. */
  cut() {
    const links = [...this.#links];
    for (const link of links) link.reset();
    return links.length;
  }

  /**
   * Both sides of the connections that are there go on speaking, and neither is ever heard again: as when a router forgot them. Returns
   * how many there were.
   */
  abandon() {
    const links = [...this.#links];
    for (const link of links) link.abandon();
    return links.length;
  }

  close() {
    this.#server.close();
    this.cut();
  }

  #turn(weather) {
    this.#weather = weather;
    for (const link of this.#links) link.turn(weather);
  }
}

/** A connection: two sockets and the way from each to the other. */
class Link {
  #sockets;
  #ways;

  constructor(client, weather, targetPort, ended) {
    const target = new Socket({ allowHalfOpen: true });
    this.#sockets = [client, target];
    this.#ways = [new Way(client, target, weather, targetPort), new Way(target, client, weather, targetPort)];
    this.#ways[0].take('connect');
    for (const socket of this.#sockets) {
      socket.on('close', () => {
        if (this.#sockets.every(({ destroyed }) => destroyed)) ended(this);
      });
    }
  }

  turn(weather) {
    for (const way of this.#ways) way.turn(weather);
  }

  abandon() {
    for (const way of this.#ways) way.end();
  }

  reset() {
    this.abandon();
    for (const socket of this.#sockets) reset(socket);
  }
}

/** How many bytes may be on their way before their sender has to wait. */
const ROOM = 1 << 20;

/**
 * One direction: what was said, in order, each with the moment before which it does not arrive. That is bytes, `connect` before them, and
 * after them `end`, or `reset` where the sender's connection broke.
 */
class Way {
  #from;
  #to;
  #weather;
  #targetPort;
  #queue = [];
  #bytes = 0;
  #timer;
  /** When a narrow way is free again. */
  #free = 0;
  #ended = false;

  constructor(from, to, weather, targetPort) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    this.#targetPort = targetPort;
    from.on('data', (bytes) => this.take(bytes));
    from.on('end', () => this.take('end'));
    from.on('error', () => {}); // its close follows
    from.on('close', (broken) => broken && this.take('reset'));
    to.on('drain', () => this.#admit());
  }

  take(said) {
    if (this.#ended) return;
    this.#queue.push({ said, due: this.#due(said) });
    this.#bytes += said.length;
    this.#admit();
    this.#run();
  }

  /** What is on its way meets the new weather as if it had just been said. */
  turn(weather) {
    this.#weather = weather;
    this.#free = 0;
    for (const entry of this.#queue) entry.due = this.#due(entry.said);
    this.#run();
  }

  /** When it arrives: in a narrow way after what was said before it. */
  #due(said) {
    const now = performance.now();
    if (this.#weather.is !== 'narrow') return arrival(this.#weather, now);
    this.#free = Math.max(this.#free, now) + said.length / this.#weather.bytesPerMs;
    return this.#free;
  }

  /** Nothing arrives any more. */
  end() {
    this.#ended = true;
    this.#queue = [];
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#admit();
  }

  /** Whatever is late holds up what follows, so the order stays. */
  #run() {
    clearTimeout(this.#timer);
    while (this.#queue[0]?.due <= performance.now()) this.#deliver(this.#queue.shift().said);
    const [next] = this.#queue;
    if (next && next.due !== Infinity) this.#timer = setTimeout(() => this.#run(), next.due - performance.now());
  }

  #deliver(said) {
    this.#bytes -= said.length;
    if (said === 'connect') this.#to.connect(this.#targetPort(), '127.0.0.1');
    else if (said === 'end') this.#to.end();
    else if (said === 'reset') reset(this.#to);
    else this.#to.write(said);
    this.#admit();
  }

  #admit() {
    if (this.#bytes + this.#to.writableLength > ROOM) this.#from.pause();
    else this.#from.resume();
  }
}

/** libuv resets no socket that is about to end, and Node would never close it then. */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** When what is said at `now` arrives, if nothing before it is late. */
function arrival(weather, now) {
  switch (weather.is) {
    case 'silent':
      return Infinity;
    case 'slow':
      return now + weather.ms + (weather.random() < weather.share ? weather.againMs : 0);
    case 'collecting': {
      const whiles = Math.floor((now - weather.since) / weather.everyMs) + 1;
      return weather.since + whiles * weather.everyMs;
    }
    default:
      return now;
  }
}
