import { setTimeout as pause } from 'node:timers/promises';
import { pageState } from './page-state.mjs';
import { within } from './within.mjs';
import { PATIENCE_MS } from './tab.mjs';

/**
 * Opens an almost empty page of the server on `port` and joins a room there, with what a page would pass to `joinRoom`; through another
 * port, if `via` is one. What the room tells is kept: `window.log` has the events, `window.room` is the room. `window.wire` holds back
 * what the server says, after `window.tamper`, if the test has prepared one (`tamper.mjs`), has done worse to it.
 */
export async function join(tab, port, { room = 'demo', identity = tab.name, via = port, publish, ...options } = {}) {
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  // A page that the test itself made up would be one from nowhere, which Chromium does not let near this machine.
  await tab.page.goto(`http://localhost:${port}/livez`);
  await tab.page.evaluate(enter, { url: `http://localhost:${via}`, room, identity, publish, options });
  return tab;
}

async function enter({ url, room, identity, publish, options }) {
  const { joinRoom, openWebSocket } = await import('/sdk.js');
  window.log = [];
  window.texts = [];
  window.wire = { held: undefined };
  const openSocket = (url, protocols, events) => {
    const hear = (data) => (window.wire.held ? window.wire.held.push(() => events.onMessage(data)) : events.onMessage(data));
    const onMessage = (data) => (window.tamper ? window.tamper(data, hear) : hear(data));
    return openWebSocket(url, protocols, { ...events, onMessage });
  };
  // The test signs them itself where the server is not the one for development.
  const ask = window.mint ?? (async () => (await (await fetch(`/dev/token?${new URLSearchParams({ room, identity })}`)).json()).token);
  window.room = await joinRoom(url, { room, token: ask, environment: { openSocket }, ...options });
  const names = ['status', 'peer-joined', 'peer-left', 'peer-updated', 'peer-state', 'track', 'track-removed', 'negotiation', 'error'];
  for (const name of names) window.room.on(name, (event) => window.log.push({ name, ...event }));
  window.chat = window.room.channel('chat');
  window.chat.on('message', ({ data, from }) => window.texts.push(`${from.identity}: ${data}`));
  if (publish) window.mine = await window.room.publish(publish);
}

/** Keeps back what the server says, or lets it all through again. */
export const hold = (tab) => tab.page.evaluate(() => void (window.wire.held = []));
export const release = (tab) =>
  tab.page.evaluate(() => {
    const { held } = window.wire;
    window.wire.held = undefined;
    for (const hear of held) hear();
  });

/**
 * Waits until a function of the page says yes. It may be an async one: Playwright's `waitForFunction` takes a promise for a yes. Where it
 * never does, the error tells how the page is instead (`page-state.mjs`).
 */
export async function until(tab, what, condition, argument) {
  let isLate = false;
  const look = async () => {
    while (!isLate && !(await tab.page.evaluate(condition, argument))) await pause(50);
  };
  try {
    await within(PATIENCE_MS, `${what} at ${tab.name}`, look());
  } catch (error) {
    isLate = true;
    throw new Error(`${error.message}; the page: ${await pageState(tab)}`, { cause: error });
  }
}

/** Waits until the page has so many peers and is connected to all of them. */
export const connected = (tab, peers) =>
  until(tab, `${peers} connected peers`, (peers) => {
    const states = [...window.room.peers.values()].map((peer) => peer.state);
    return states.length === peers && states.every((state) => state === 'connected');
  }, peers);

/** Writes from one page to others over the channel of the name `chat`, and waits until they have it. */
export async function chat(from, text, ...others) {
  const identity = await from.page.evaluate(() => window.room.me.identity);
  const reached = (count) => window.chat.peers.length >= count;
  await until(from, `a channel to ${others.length} peers`, reached, others.length);
  await from.page.evaluate((text) => void window.chat.send(text), text);
  for (const tab of others) await until(tab, text, (line) => window.texts.includes(line), `${identity}: ${text}`);
}

/** How often the page took a step of negotiation. */
export const steps = (tab, step) =>
  tab.page.evaluate((step) => window.log.filter((event) => event.name === 'negotiation' && event.step === step).length, step);

/** In the page: changes what it sends or receives of video, which has to be negotiated. */
export const turn = (direction) => {
  const [peer] = window.room.peers.values();
  peer.connection.getTransceivers()[1].direction = direction;
};

/** In the page: whether both have agreed on a direction for video. */
export const agreed = (direction) => {
  const [peer] = window.room.peers.values();
  const { signalingState } = peer.connection ?? {};
  return signalingState === 'stable' && peer.connection.getTransceivers()[1]?.currentDirection === direction;
};
