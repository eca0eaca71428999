/** A page in a call that counts, so that whatever is lost or comes twice is seen. */
import { until } from './sdk-page.mjs';

/**
 * Opens an almost empty page of the server and joins a room there. `window.room` is the room, and `window.log` has its events, as in
 * `sdk-page.mjs`. A count goes from each page to each other one 20 times a second, over one reliable channel, from 1 on:
 * `window.counted` has what came, by its sender's id.
 */
export async function joinFrom(tab, origin, { room, token, ...options }) {
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.goto(`${origin}/livez`);
  await tab.page.evaluate(enter, { origin, room, token, options });
}

async function enter({ origin, room, token, options }) {
  const { joinRoom } = await import('/sdk.js');
  window.log = [];
  window.texts = [];
  window.counted = {};
  window.room = await joinRoom(origin, { room, token, ...options });
  const names = ['status', 'peer-joined', 'peer-left', 'peer-updated', 'peer-state', 'negotiation', 'error'];
  for (const name of names) window.room.on(name, (event) => window.log.push({ name, ...event }));
  window.chat = window.room.channel('chat');
  window.chat.on('message', ({ data, from }) => window.texts.push(`${from.identity}: ${data}`));

  const counter = window.room.channel('counter');
  const sent = new Map();
  counter.on('message', ({ data, from }) => (window.counted[from.id] ??= []).push(Number(data)));
  counter.on('close', ({ peer }) => window.log.push({ name: 'counter-closed', peer }));
  setInterval(() => {
    for (const peer of counter.peers) {
      sent.set(peer, (sent.get(peer) ?? 0) + 1);
      counter.send(String(sent.get(peer)), { to: peer });
    }
  }, 50);
}

/** How the page's only connection goes: the types of the two ends, and the transport to the relay, if there is one. */
export const route = (tab) => tab.page.evaluate(selected);

/** Waits until it goes from router to router. */
export const goesDirectly = (tab) =>
  until(tab, 'a direct way', `(${selected})().then(({ local, remote }) => [local, remote].every((type) => ['prflx', 'srflx'].includes(type)))`);

async function selected() {
  const [{ connection }] = window.room.peers.values();
  const report = await connection.getStats();
  const { selectedCandidatePairId } = [...report.values()].find(({ type }) => type === 'transport');
  const pair = report.get(selectedCandidatePairId);
  const [local, remote] = [report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)];
  return { local: local.candidateType, remote: remote.candidateType, relayProtocol: local.relayProtocol };
}

/** What has been counted from each of the others, and of those lists the ones that are not 1, 2, 3, … without a gap. */
export function counts(tab) {
  return tab.page.evaluate(() => {
    const lists = Object.entries(window.counted);
    const broken = lists.filter(([, list]) => list.some((count, at) => count !== at + 1));
    return { last: Object.fromEntries(lists.map(([id, list]) => [id, list.length])), broken };
  });
}
