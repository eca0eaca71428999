import { setTimeout as pause } from 'node:timers/promises';
import { until } from './sdk-page.mjs';

/** How long what cannot fail may take where the machine is busy, in milliseconds. */
const BUSY_MS = 60_000;

/** Who negotiates, and how long two sides that have everything they sent may take until they are well, in milliseconds. */
export const SAMPLE = { start: 'startSample', healingMs: 5_000 }; // by then it waits for ever
export const NEGOTIATE = { start: 'startNegotiate', healingMs: BUSY_MS }; // it has watchdogs

export const POLITE = 'polite';
export const IMPOLITE = 'impolite';
const SIDES = [POLITE, IMPOLITE];
const other = (side) => (side === POLITE ? IMPOLITE : POLITE);

export const isDescription = ({ description }) => Boolean(description);
export const isCandidate = (message) => 'candidate' in message;
export const isOffer = ({ description }) => description?.type === 'offer';
export const isAnswer = ({ description }) => description?.type === 'answer';
const anything = () => true;

/** Two sides without a room, each in its tab. Nothing goes from one to the other but what the test carries there. */
export class BarePair {
  #tabs;
  #healingMs;

  /** Starts both sides, which negotiate by the W3C's sample or by the SDK's `negotiate`. */
  static async start(polite, impolite, { start, healingMs }) {
    const pair = new BarePair({ polite, impolite }, healingMs);
    for (const side of SIDES) await pair.do(side, ([start, polite]) => window[start](polite), [start, side === POLITE]);
    return pair;
  }

  constructor(tabs, healingMs) {
    this.#tabs = tabs;
    this.#healingMs = healingMs;
  }

  do(side, act, argument) {
    return this.#tabs[side].page.evaluate(act, argument);
  }

  addChannel(side) {
    return this.do(side, () => window.side.addChannel());
  }

  /** What the sides have complained about. */
  async errors() {
    return (await Promise.all(SIDES.map((side) => this.do(side, () => window.side.errors)))).flat();
  }

  /** Whether a side says that only another connection helps. */
  async isBroken() {
    return (await Promise.all(SIDES.map((side) => this.do(side, () => window.side.broken)))).includes(true);
  }

  /** Both at once, so that one offer has all of it. */
  addChannelAndMedia(side, kinds) {
    const add = (kinds) => {
      window.side.addChannel();
      kinds.forEach(window.side.addMedia);
    };
    return this.do(side, add, kinds);
  }

  addMedia(side, kind) {
    return this.do(side, (kind) => window.side.addMedia(kind), kind);
  }

  /** Has the browser start ICE afresh, by an offer of this side. */
  restartIce(side) {
    return this.do(side, () => window.side.pc.restartIce());
  }

  /** Asks the side for it: who makes the offer is its affair. */
  restart(side) {
    return this.do(side, () => window.side.restart());
  }

  /** Waits until the side has a description on its way. */
  async sends(side, type) {
    const has = (type) => window.side.outbox.some(({ description }) => description?.type === type);
    await until(this.#tabs[side], `an ${type}`, has, type);
  }

  /** Waits until the side has found all the candidates that it will find for now. */
  async gathered(side) {
    await until(this.#tabs[side], 'all candidates', () => window.side.pc.iceGatheringState === 'complete');
  }

  /** Takes what a side has on its way, as far as it is `wanted`. */
  async take(side, wanted = anything) {
    const all = await this.do(side, () => window.side.outbox.splice(0));
    const rest = all.filter((message) => !wanted(message));
    if (rest.length > 0) await this.do(side, (rest) => void window.side.outbox.unshift(...rest), rest);
    return all.filter(wanted);
  }

  /** Gives a side messages, each as a task of its own, and waits until all of them have been dealt with. */
  async give(side, messages) {
    const hear = (messages) =>
      Promise.all(messages.map((message) => new Promise((resolve) => setTimeout(resolve)).then(() => window.side.receive(message))));
    await this.do(side, hear, messages);
  }

  /** Carries what a side has on its way, as far as it is `wanted`, to the other. */
  async carry(from, wanted = anything) {
    const messages = await this.take(from, wanted);
    if (messages.length > 0) await this.give(other(from), messages);
    return messages;
  }

  /** Connects the two by a data channel, with an offer of the side. */
  async establish(side = IMPOLITE) {
    await this.addChannel(side);
    // Both ways to negotiate can do that, so only a busy machine is waited for.
    const ailment = await this.ailment({}, BUSY_MS);
    if (ailment) throw new Error(`the two do not even connect: ${ailment}`);
  }

  /**
   * Carries everything both ways until all is well: both are stable and connected, every channel carries texts both ways, the media
   * that a side `hears` arrives, and ICE was `restarted` where it should be. Returns what is still wrong in the end, or nothing. A side
   * that says that its connection is broken is not waited for.
   */
  async ailment({ restarted = {}, ...hears } = {}, healingMs = this.#healingMs) {
    const end = performance.now() + healingMs;
    const agreed = await this.#tries(end, {}, async (states) => {
      for (const [side, fragment] of Object.entries(restarted)) if ((await this.fragment(side)) === fragment) return false;
      return states.every(({ signalingState }) => signalingState === 'stable');
    });
    if (agreed !== undefined) return agreed;
    // What came before they agreed proves nothing.
    for (const side of SIDES) await this.do(side, forget);
    return this.#tries(end, hears, (states) => states.every(({ well }) => well));
  }

  /** Carries everything both ways until the states of both are as they should be; else returns a description of them. */
  async #tries(end, hears, areAsTheyShouldBe) {
    for (;;) {
      for (const side of SIDES) await this.carry(side);
      const states = await Promise.all(SIDES.map((side) => this.do(side, look, hears[side] ?? [])));
      if (await areAsTheyShouldBe(states)) return undefined;
      if (performance.now() > end || states.some(({ broken }) => broken)) return describe(states);
      await pause(50);
    }
  }

  /** The user fragment that the side's ICE goes by, which a restart replaces. */
  fragment(side) {
    return this.do(side, () => window.side.pc.currentLocalDescription?.sdp.match(/a=ice-ufrag:(\S+)/)[1]);
  }
}

/** In the page: forgets what has come before. */
function forget() {
  window.side.heard.clear();
  window.side.grown.clear();
}

/** In the page: how the side is. Says a word on each channel, and notes what has come since. */
async function look(kinds) {
  const { pc, channels, heard, grown, errors, broken } = window.side;
  const open = channels.filter(({ readyState }) => readyState === 'open');
  open.forEach((channel, at) => channel.send(`word ${at}`));
  for (const receiver of pc.getReceivers()) if (await window.grows(receiver)) grown.add(receiver.track.kind);
  const missing = kinds.filter((kind) => !grown.has(kind));
  const { signalingState, connectionState } = pc;
  const talks = channels.length > 0 && open.length === channels.length && heard.size === channels.length;
  const well = signalingState === 'stable' && connectionState === 'connected' && talks && missing.length === 0;
  return { well, signalingState, connectionState, channels: channels.map(({ readyState }) => readyState), heard: heard.size, missing, errors, broken };
}

function describe(states) {
  const words = states.map(({ signalingState, connectionState, channels, heard, missing, errors, broken }, at) => {
    const lacks = missing.length > 0 ? `, no ${missing.join(' and ')}` : '';
    const failures = errors.length > 0 ? `, ${errors[0].replaceAll(/\s+/g, ' ').slice(0, 160)}` : '';
    return `${SIDES[at]} ${broken ? 'broken, ' : ''}${signalingState} and ${connectionState}, channels [${channels}] with ${heard} heard${lacks}${failures}`;
  });
  return words.join('; ');
}
