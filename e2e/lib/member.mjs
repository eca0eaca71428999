/** Members of a room: the SDK under Node, and a client without one, that write down what they see. */
import { once } from 'node:events';
import WebSocket from 'ws';
import { openSocket } from './node-socket.mjs';
import { AldisError, joinRoom } from './sdk.mjs';
import { mint } from './token.mjs';

/** Where they all go. */
const ROOM = 'e2e';

/** Joins a room through a port of this machine, for the length of the test `t`, by `transport` if there is one. */
export async function enter(t, name, port, history, { transport } = {}) {
  let socket;
  let page;
  const environment = {
    watchPage: (listener) => {
      page = listener;
      return () => {};
    },
    fetch: (url, init) => {
      if (init.headers?.accept === 'text/event-stream') history.note(name, 'opened', { stream: true });
      return fetch(url, init);
    },
    openSocket: (...way) => {
      history.note(name, 'opened');
      socket = openSocket(...way);
      return socket;
    },
    warn: (line) => history.note(name, 'warned', { line }),
  };
  const options = { room: ROOM, token: () => mint(ROOM, name), connect: 'manual', environment, ...(transport && { transport }) };
  const room = await joinRoom(`http://127.0.0.1:${port}`, options);
  t.after(() => room.leave());
  return new Member(t, name, room, history, { speak: (message) => socket.send(JSON.stringify(message)), page });
}

/** Somebody in the room. */
class Member {
  #t;
  #history;
  #said = new Map();
  #presence = new Map();
  #talks = new Set();
  #speak;

  constructor(t, name, room, history, { speak, page }) {
    this.#t = t;
    this.#speak = speak;
    /** Tells the SDK what its page goes through: `online`, `visible` … */
    this.page = page;
    this.name = name;
    this.room = room;
    this.#history = history;
    for (const peer of room.peers.values()) this.#appeared(peer);
    room.on('peer-joined', ({ peer }) => this.#appeared(peer));
    room.on('peer-left', ({ peer, reason }) => this.#note('left', { peer: peer.id, name: peer.identity, reason }));
    room.on('peer-updated', ({ peer }) => this.#updated(peer));
    room.on('status', ({ status }) => this.#note('status', { is: status }));
    room.on('message', ({ peer, data }) => this.#note('heard', { from: data.from, n: data.n, peer: peer.id }));
  }

  /** Somebody of this name who is in the room now: the latest to come. */
  peer(name) {
    return [...this.room.peers.values()].findLast(({ identity }) => identity === name);
  }

  /** Says one thing to somebody who is in the room, with some ballast if need be, and writes down what becomes of it. */
  say(to, ballast) {
    const peer = this.peer(to);
    const n = (this.#said.get(to) ?? 0) + 1;
    this.#said.set(to, n);
    this.#note('sent', { to, n, peer: peer.id });
    peer.send({ from: this.name, n, ballast }).then(
      () => this.#note('resolved', { to, n }),
      (error) => this.#note('rejected', { to, n, code: error instanceof AldisError ? error.code : undefined, outcome: error.outcome }),
    );
  }

  /** May do no more than this from now on: his backend has thought better of it. */
  shrink(can) {
    this.#speak({ type: 'auth', token: mint(ROOM, this.name, 600, { can }) });
  }

  /** Says something every so often, as long as there is somebody to hear it and until `hush`. */
  talk(to, everyMs) {
    const talk = setInterval(() => this.peer(to) && this.say(to), everyMs);
    this.#talks.add(talk);
    this.#t.after(() => clearInterval(talk));
  }

  hush() {
    for (const talk of this.#talks) clearInterval(talk);
    this.#talks.clear();
  }

  #appeared({ id, identity, previous, presence }) {
    this.#presence.set(id, presence);
    this.#note('appeared', { peer: id, name: identity, ...(previous && { previous }) });
  }

  #updated({ id, identity, presence }) {
    if (this.#presence.get(id) === presence) return;
    this.#presence.set(id, presence);
    this.#note('presence', { peer: id, name: identity, is: presence });
  }

  #note(what, details) {
    this.#history.note(this.name, what, details);
  }
}

/** Joins as a page does that has no SDK: it speaks JSON, and asks for receipts. */
export async function enterPlainly(t, name, port, history) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/signal?${new URLSearchParams({ room: ROOM, token: mint(ROOM, name) })}`);
  t.after(() => socket.terminate());
  const member = new PlainMember(name, socket, history);
  await once(socket, 'message', { signal: AbortSignal.timeout(10_000) }); // the welcome
  return member;
}

/** Somebody without an SDK. */
class PlainMember {
  #history;
  #names = new Map();
  #addressees = [];

  constructor(name, socket, history) {
    this.name = name;
    this.socket = socket;
    this.#history = history;
    socket.on('error', () => {}); // its close follows
    socket.on('message', (data) => this.#hear(JSON.parse(data)));
  }

  /** Says one thing to somebody who is in the room, and writes down what becomes of it. */
  say(to) {
    const n = this.#addressees.push(to);
    const [peer] = [...this.#names].find(([, name]) => name === to);
    this.#history.note(this.name, 'sent', { to, n, peer });
    this.socket.send(JSON.stringify({ type: 'message', to: peer, data: { from: this.name, n }, msg: String(n), receipt: true }));
  }

  #hear(message) {
    const about = { to: this.#addressees[message.re - 1], n: Number(message.re) };
    switch (message.type) {
      case 'welcome':
        return message.peers.forEach((peer) => this.#appeared(peer));
      case 'peer-joined':
        return this.#appeared(message.peer);
      case 'peer-left':
        return this.#note('left', { peer: message.id, name: this.#names.get(message.id), reason: message.reason });
      case 'message':
        return this.#note('heard', { from: message.data.from, n: message.data.n, peer: message.from });
      case 'receipt':
        if (message.status === 'written') this.#note('resolved', about);
        return;
      case 'error':
        if (about.to) this.#note('rejected', { ...about, code: message.code, outcome: message.outcome });
        return;
    }
  }

  #appeared({ id, identity }) {
    this.#names.set(id, identity);
    this.#note('appeared', { peer: id, name: identity });
  }

  #note(what, details) {
    this.#history.note(this.name, what, details);
  }
}
