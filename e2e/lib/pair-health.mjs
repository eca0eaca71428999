/** Whether a call between two tabs with the SDK is as well as it should be. */
import { chat, connected, until } from './sdk-page.mjs';

let words = 0;

/** Waits until both are stable and connected, and texts go both ways. */
export async function talks(...tabs) {
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  await Promise.all(tabs.map((tab) => until(tab, 'a stable connection', standsStill)));
  const [first, second] = tabs;
  await chat(first, `word ${++words}`, second);
  await chat(second, `word ${++words}`, first);
}

/** Waits until media of these kinds comes in. */
export async function hears(tab, kinds) {
  await tab.page.evaluate(() => void (window.grown = new Set()));
  await until(tab, kinds.join(' and '), comes, kinds);
}

/** What ICE goes by on the side of the tab; a restart replaces it, and so does a new connection. */
export const fragment = (tab) => tab.page.evaluate(ownFragment);

export const restarted = (tab, before) =>
  until(tab, 'a fresh start of ICE', (before) => {
    const [{ connection }] = window.room.peers.values();
    const now = connection?.currentLocalDescription?.sdp.match(/a=ice-ufrag:(\S+)/)[1];
    return connection?.signalingState === 'stable' && now !== undefined && now !== before;
  }, before);

/** Whether no description is on its way, and the connection stands. */
export const isStable = (tab) => tab.page.evaluate(standsStill);

const standsStill = () => {
  const [{ connection }] = window.room.peers.values();
  return connection?.signalingState === 'stable' && connection.connectionState === 'connected';
};

const ownFragment = () => {
  const [{ connection }] = window.room.peers.values();
  return connection.currentLocalDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
};

const comes = async (kinds) => {
  const [{ connection }] = window.room.peers.values();
  for (const receiver of connection?.getReceivers() ?? []) {
    if (await window.grows(receiver)) window.grown.add(receiver.track.kind);
  }
  return kinds.every((kind) => window.grown.has(kind));
};
