/**
 * Stories that clients go through with a server, and what each of them is told: the same with the real server and with the one of
 * `aldis-client/testing`. A world opens sockets and makes tokens; ids, tokens, times and words for people are left out of what is compared.
 */
import { within } from './within.mjs';

/** How long nothing has to come until nothing more is expected, in milliseconds. */
const QUIET_MS = 250;

const ALL = ['signal', 'message', 'turn', 'broadcast', 'moderate'];

/** The stories by their names. Each gets a stage, on which clients appear. */
export const STORIES = {
  async 'whoever comes is shown to the others, and so is who changes or goes'(stage) {
    const alice = await stage.join('alice', { features: ['streams'] });
    const bob = await stage.join('bob', { claims: { name: 'Bob', metadata: { role: 'host' } } });
    await stage.join('carol');
    alice.send({ type: 'update', attributes: { hand: 'up' } });
    await stage.quiet();
    await stage.join('dave');
    bob.send({ type: 'leave' });
    await stage.quiet();
  },

  async 'signals are relayed as they are, with receipts on request'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    alice.send({ type: 'offer', to: bob.id, sdp: 'v=0', x: { g: 1 } });
    alice.send({ type: 'ice-candidate', to: bob.id, candidate: null, msg: '1' });
    alice.send({ type: 'message', to: bob.id, data: [1, { two: null }], msg: '2', receipt: true });
    await stage.quiet();
    bob.send({ type: 'answer', to: alice.id, sdp: 'v=0', msg: '3', receipt: true });
    for (const type of ['ack', 'nack', 'restart', 'rebuild']) bob.send({ type, to: alice.id, x: { n: 1 } });
    bob.send({ type: 'hangup', to: alice.id, reason: 'bye' });
    await stage.quiet();
    alice.send({ type: 'ping', t: 7 });
    alice.send({ type: 'check', id: 'nobody' });
    await stage.quiet();
    alice.send({ type: 'check', id: bob.id });
    await stage.quiet();
  },

  async 'who cannot be reached is named'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    alice.send({ type: 'message', to: 'nobody', data: 1, msg: '1' });
    alice.send({ type: 'message', to: alice.id, data: 1, msg: '2' });
    alice.send({ type: 'ack', to: 'nobody', msg: '3' });
    await stage.quiet();
    bob.send({ type: 'leave' });
    await stage.quiet();
    alice.send({ type: 'message', to: bob.id, data: 1, msg: '4', receipt: true });
    await stage.quiet();
  },

  async 'what the token does not allow is refused'(stage) {
    const [alice, bob] = [await stage.join('alice', { claims: { can: ['signal'] } }), await stage.join('bob', { claims: { can: ['message'] } })];
    alice.send({ type: 'message', to: bob.id, data: 1, msg: '1' });
    alice.send({ type: 'hangup', msg: '2' });
    await stage.quiet();
    bob.send({ type: 'offer', to: alice.id, sdp: 'v=0', msg: '3' });
    bob.send({ type: 'message', data: 1 });
    bob.send({ type: 'remove', id: alice.id });
    await stage.quiet();
  },

  async 'a broadcast reaches everybody else'(stage) {
    const alice = await stage.join('alice', { claims: { can: ALL } });
    for (const name of ['bob', 'carol']) await stage.join(name);
    alice.send({ type: 'message', data: 'all', msg: '1', receipt: true });
    alice.send({ type: 'hangup', reason: 'the end' });
    await stage.quiet();
  },

  async 'what comes while a connection is broken waits for the next'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    bob.cut();
    await stage.quiet();
    alice.send({ type: 'message', to: bob.id, data: 1, msg: '1', receipt: true });
    alice.send({ type: 'message', to: bob.id, data: 2 });
    alice.send({ type: 'ack', to: bob.id });
    alice.send({ type: 'check', id: bob.id });
    await stage.wait(2_300);
    await stage.join('carol');
    await stage.join('bob', { resume: bob.resume });
    await stage.quiet();
  },

  async 'a blip is no event'(stage) {
    const bob = (await stage.join('alice'), await stage.join('bob'));
    bob.cut();
    await stage.join('bob', { resume: bob.resume });
    await stage.quiet();
  },

  async 'a newer connection of a session takes over'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    await stage.join('bob', { resume: bob.resume, features: ['streams'] });
    alice.send({ type: 'message', to: bob.id, data: 1 });
    await stage.quiet();
  },

  async 'a stay that has ended is named by the next'(stage) {
    const bob = (await stage.join('alice'), await stage.join('bob'));
    bob.send({ type: 'leave' });
    await stage.quiet();
    await stage.join('bob', { resume: bob.resume });
    await stage.join('carol', { resume: bob.resume });
    await stage.quiet();
  },

  async 'a frozen page gets what came when it thaws'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    bob.send({ type: 'frozen' });
    await stage.quiet();
    alice.send({ type: 'message', to: bob.id, data: 1, msg: '1', receipt: true });
    await stage.quiet();
    bob.send({ type: 'ping' });
    await stage.quiet();
  },

  async 'how a client closes says whether it comes back'(stage) {
    await stage.join('alice');
    const [bob, carol, dave] = [await stage.join('bob'), await stage.join('carol'), await stage.join('dave')];
    await stage.quiet();
    bob.close(1000);
    await stage.quiet();
    carol.close(3001);
    await stage.quiet();
    dave.close(1001);
    await stage.wait(2_300);
  },

  async 'messages that are none are refused'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    alice.say('{');
    alice.say('[]');
    alice.send({ type: 'dance' });
    alice.send({ type: 'offer', to: bob.id });
    alice.send({ type: 'message', to: bob.id, data: 1, extra: 1, msg: '1' });
    alice.send({ type: 'message', to: bob.id, from: bob.id, data: 1 });
    alice.send({ type: 'message', to: bob.id, data: 1, receipt: true });
    alice.send({ type: 'hello', protocol: 1 });
    await stage.quiet();
    bob.send({ type: 'hangup', to: alice.id, reason: 'x'.repeat(9_000), msg: '1' });
    bob.send({ type: 'message', to: alice.id, data: 1, x: { long: 'x'.repeat(2_000) }, msg: '2' });
    await stage.quiet();
    bob.say(JSON.stringify({ type: 'message', to: alice.id, data: 'x'.repeat(70_000) }));
    await stage.quiet();
  },

  async 'whoever may not come in is told why'(stage) {
    await stage.join('alice');
    await stage.join('bob', { claims: { maxPeers: 1 } });
    await stage.join('alice', { claims: { duplicates: 'reject' } });
    await stage.join('carol', { claims: { room: 'another' } });
    await stage.join('dave', { claims: { exp: 1 } });
    await stage.join('eve', { token: 'none.at.all' });
    await stage.join('fred', { protocol: 2 });
    await stage.quiet();
  },

  async 'a newcomer takes the place of the same identity, where its token says so'(stage) {
    for (const name of ['alice', 'bob', 'bob']) await stage.join(name);
    await stage.join('bob', { claims: { duplicates: 'replace' } });
    await stage.quiet();
  },

  async 'a moderator removes'(stage) {
    const [alice, bob] = [await stage.join('alice', { claims: { can: ALL } }), await stage.join('bob')];
    alice.send({ type: 'remove', id: 'nobody' });
    alice.send({ type: 'remove', id: bob.id, reason: 'spam' });
    await stage.quiet();
    alice.send({ type: 'remove', id: bob.id });
    await stage.quiet();
  },

  async 'a moderator removes for a while'(stage) {
    const [alice, bob] = [await stage.join('alice', { claims: { can: ALL } }), await stage.join('bob')];
    await stage.join('bob');
    await stage.quiet();
    alice.send({ type: 'remove', id: bob.id, reason: 'spam', forMs: 60_000 });
    await stage.quiet();
    await stage.join('bob');
    await stage.join('carol');
    await stage.quiet();
  },

  async 'a new token counts at once'(stage) {
    const [alice, bob] = [await stage.join('alice'), await stage.join('bob')];
    alice.send({ type: 'auth', token: stage.token('alice', { name: 'Alice', can: ['signal'] }) });
    alice.send({ type: 'message', to: bob.id, data: 1, msg: '1' });
    alice.send({ type: 'auth', token: stage.token('mallory', {}) });
    alice.send({ type: 'ice-servers' });
    await stage.quiet();
  },
};

/** Tells a story in a world, and returns what each client was told. */
export async function tell(story, world) {
  const stage = new Stage(world);
  try {
    await within(20_000, 'the end of the story', story(stage));
    return stage.told();
  } finally {
    stage.clear();
  }
}

class Stage {
  #world;
  #clients = [];
  #heardAt = performance.now();

  constructor(world) {
    this.#world = world;
  }

  token = (name, claims) => this.#world.token({ sub: name, room: 'room', ...claims });

  /** Lets somebody in, or not: resolves when the server has said which. */
  async join(name, { claims = {}, token = this.token(name, claims), features = [], resume, protocol = 1 } = {}) {
    const client = new Client(name, () => (this.#heardAt = performance.now()));
    this.#clients.push(client);
    const url = `${this.#world.url}/v1/signal?room=room`;
    const hello = { type: 'hello', protocol, features, ...(resume && { resume }) };
    client.connect(this.#world.openSocket, url, ['aldis.v1', `aldis.bearer.${token}`], hello);
    await within(5_000, `an answer to ${name}`, client.answered);
    // The others may hear of it a moment later.
    await this.quiet();
    return client;
  }

  wait(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms)).then(() => this.quiet());
  }

  /** Waits until nothing more comes. */
  async quiet() {
    this.#heardAt = performance.now();
    while (performance.now() - this.#heardAt < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** What each client was told, with names in the place of ids. */
  told() {
    const names = new Map(this.#clients.flatMap(({ id, name }, at) => (id ? [[id, `${name}-${at}`]] : [])));
    // The first name that an id had is its name.
    for (const [at, { id, name }] of [...this.#clients.entries()].reverse()) if (id) names.set(id, `${name}-${at}`);
    const clean = (key, value) => (LEFT_OUT.has(key) ? undefined : typeof value === 'string' ? (names.get(value) ?? value) : value);
    return this.#clients.map(({ name, heard }) => ({ name, heard: JSON.parse(JSON.stringify(heard, clean)) }));
  }

  clear() {
    for (const client of this.#clients) client.close(1000);
  }
}

/** For people, secret, or a time. */
const LEFT_OUT = new Set(['message', 'hint', 'node', 'token', 'tokenExpiresAt', 'iceServers', 'iceExpiresAt']);

class Client {
  heard = [];
  #socket;
  #noteHeard;
  #answer;
  #isOpen = false;
  answered = new Promise((resolve) => (this.#answer = resolve));

  constructor(name, noteHeard) {
    this.name = name;
    this.#noteHeard = noteHeard;
  }

  connect(openSocket, url, protocols, hello) {
    this.#socket = openSocket(url, protocols, {
      onOpen: () => {
        this.#isOpen = true;
        this.send(hello);
      },
      onMessage: (data) => this.#hear(JSON.parse(data)),
      onClose: (code) => {
        this.#isOpen = false;
        this.#note({ closed: code });
        this.#answer();
      },
    });
  }

  #hear(message) {
    if (message.type === 'welcome') {
      this.id = message.peer.id;
      this.resume = message.resume.token;
      this.#answer();
      // The server in memory has sockets alone, and says so.
      message.features = message.features.filter((feature) => feature !== 'sse');
    }
    this.#note(message);
  }

  #note(what) {
    if (this.#noteHeard === undefined) return;
    this.heard.push(what);
    this.#noteHeard();
  }

  send(message) {
    this.say(JSON.stringify(message));
  }

  say(text) {
    if (this.#isOpen) this.#socket.send(text);
  }

  close(code) {
    if (this.#isOpen) this.#socket.close(code);
    this.#isOpen = false;
  }

  /** The connection breaks. */
  cut() {
    this.#isOpen = false;
    this.#noteHeard = undefined; // how it notices is up to the network
    this.#socket.cut();
  }
}
