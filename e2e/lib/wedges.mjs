/**
 * What makes two sides that negotiate wait for each other for ever, or spoils their connection for good, case by case.
 *
 * Each is told twice. `bare` does it between two sides without a room, by the W3C's sample or by the SDK's `negotiate` alone, on a wire
 * that the test carries by hand, and returns what the sides should come to. `ours` does the same with the SDK: it gets the `polite` and the
 * `impolite` tab, and how to `join` them, and returns what each should hear at the end, and what else should be so (`check`). `where`
 * says for which browsers, the polite one first.
 *
 * What cannot happen by design is not played: `unreachable` says why, with `negotiate` `alone`, or in `ours`. `breaks` is what `negotiate` may
 * report as broken, since only another connection helps; the room makes one.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { CHROMIUM, FIREFOX } from './browsers.mjs';
import { fragment, hears, isStable, restarted, talks } from './pair-health.mjs';
import { IMPOLITE, POLITE, isAnswer, isCandidate, isDescription, isOffer } from './bare-pair.mjs';
import { hold, release, steps, until } from './sdk-page.mjs';
import { PATIENCE_MS } from './tab.mjs';
import { letThrough, tamperWith } from './tamper.mjs';
import { within } from './within.mjs';

export const CHROMIUMS = [CHROMIUM, CHROMIUM];
export const FIREFOXES = [FIREFOX, FIREFOX];
/** The polite one first. */
export const CHROMIUM_YIELDS = [CHROMIUM, FIREFOX];
export const FIREFOX_YIELDS = [FIREFOX, CHROMIUM];

export const WEDGES = [
  {
    name: 'an offer to somebody who is not there yet',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.addChannel(IMPOLITE);
      await pair.sends(IMPOLITE, 'offer');
      await pair.gathered(IMPOLITE);
      await pair.take(IMPOLITE);
      await pair.addChannel(POLITE);
    },
    async ours({ impolite, polite, join }) {
      await join(impolite);
      await publish(impolite, 'video');
      await join(polite, { publishFirst: 'audio' });
      return { polite: ['video'], impolite: ['audio'] };
    },
  },
  ...[
    ['polite has a channel, audio and video, impolite a channel', ['audio', 'video'], []],
    ['polite has a channel, impolite a channel, audio and video', [], ['audio', 'video']],
    ['polite has a channel and audio, impolite a channel, audio and video', ['audio'], ['audio', 'video']],
  ].map(([layouts, ofPolite, ofImpolite]) => ({
    name: `first offers that cross: ${layouts}`,
    where: [CHROMIUMS, CHROMIUM_YIELDS],
    unreachable: { alone: 'the polite side makes no first offer' },
    async bare(pair) {
      await pair.addChannelAndMedia(POLITE, ofPolite);
      await pair.addChannelAndMedia(IMPOLITE, ofImpolite);
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      return { polite: ofImpolite, impolite: ofPolite };
    },
    async ours({ impolite, polite, join }) {
      for (const tab of [impolite, polite]) await join(tab, { connect: 'manual' });
      for (const tab of [impolite, polite]) await until(tab, 'the other', () => window.room.peers.size === 1);
      for (const tab of [impolite, polite]) await hold(tab);
      for (const kind of ofPolite) await publish(polite, kind);
      for (const kind of ofImpolite) await publish(impolite, kind);
      for (const tab of [impolite, polite]) await tab.page.evaluate(() => void [...window.room.peers.values()][0].connect());
      await offers(impolite, 0);
      for (const tab of [impolite, polite]) await release(tab);
      return { polite: ofImpolite, impolite: ofPolite };
    },
  })),
  ...[['audio', 'video'], ['video', 'audio']].map(([ofPolite, ofImpolite]) => ({
    name: `polite adds ${ofPolite} while impolite adds ${ofImpolite}, where there was only a channel`,
    where: [CHROMIUMS, CHROMIUM_YIELDS],
    breaks: true,
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(POLITE, ofPolite);
      await pair.addMedia(IMPOLITE, ofImpolite);
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      return { polite: [ofImpolite], impolite: [ofPolite] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await together([polite, impolite], () => [publish(polite, ofPolite), publish(impolite, ofImpolite)]);
      return { polite: [ofImpolite], impolite: [ofPolite] };
    },
  })),
  {
    name: 'polite adds video while impolite restarts ICE',
    where: [FIREFOXES, FIREFOX_YIELDS],
    async bare(pair) {
      await pair.establish();
      const before = await pair.fragment(IMPOLITE);
      await pair.addMedia(POLITE, 'video');
      await pair.restartIce(IMPOLITE);
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      return { impolite: ['video'], restarted: { [IMPOLITE]: before } };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      const before = await fragment(impolite);
      await together([polite, impolite], () => [publish(polite, 'video'), restartIce(impolite)]);
      await restarted(impolite, before);
      return { impolite: ['video'] };
    },
  },
  {
    name: 'polite restarts ICE, and the other made the first offer',
    where: [CHROMIUM_YIELDS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      const before = await pair.fragment(POLITE);
      await pair.restart(POLITE);
      return { restarted: { [POLITE]: before } };
    },
    async ours({ polite, meet }) {
      await meet();
      const before = await fragment(polite);
      await restartIce(polite);
      await restarted(polite, before);
    },
  },
  {
    name: 'polite restarts ICE, and has to take that offer back',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      const before = await pair.fragment(POLITE);
      await pair.restartIce(POLITE);
      await pair.addMedia(IMPOLITE, 'video');
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      return { polite: ['video'], restarted: { [POLITE]: before } };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      const before = await fragment(polite);
      await together([polite, impolite], () => [offerRestart(polite), publish(impolite, 'video')]);
      await restarted(polite, before);
      return { polite: ['video'] };
    },
  },
  ...[['a little', 100], ['a lot', 1_500]].map(([much, lateMs]) => ({
    name: `impolite restarts ICE while all is well, and checks are ${much} faster than candidates`,
    where: [FIREFOX_YIELDS],
    breaks: true,
    async bare(pair) {
      await pair.establish();
      const before = await pair.fragment(IMPOLITE);
      await pair.restartIce(IMPOLITE);
      await pair.sends(IMPOLITE, 'offer');
      await pair.gathered(IMPOLITE);
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.carry(POLITE, isDescription);
      await pause(lateMs);
      return { restarted: { [IMPOLITE]: before } };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      const before = await fragment(impolite);
      await tamperWith(impolite, { keep: ['ice-candidate'] });
      await restartIce(impolite);
      await restarted(impolite, before);
      await pause(lateMs);
      await letThrough(impolite, ['ice-candidate']);
      // Both say that they are connected, whether the polite one hears anything or not.
      await until(polite, 'a way that it hears on', hasFoundOne);
      // What is said on a connection that was deaf is lost.
      for (const tab of [polite, impolite]) await until(tab, 'one connection', hasOne);
    },
  })),
  {
    name: 'candidates that come before their descriptions',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.addChannel(IMPOLITE);
      await pair.gathered(IMPOLITE);
      await pair.carry(IMPOLITE, isCandidate);
      await pair.carry(IMPOLITE, isOffer);
      await pair.sends(POLITE, 'answer');
      await pair.gathered(POLITE);
      await pair.carry(POLITE, isCandidate);
    },
    async ours({ impolite, polite, join }) {
      const keep = ['offer', 'answer', 'ice-candidate'];
      await join(impolite, { faults: { keep } });
      await join(polite, { faults: { keep } });
      await kept(polite, 'offer');
      await gathered(impolite);
      await letThrough(polite, ['ice-candidate', 'offer']);
      await kept(impolite, 'answer');
      await gathered(polite);
      await letThrough(impolite, ['ice-candidate', 'answer']);
    },
  },
  {
    name: 'an answer that comes when its time has passed',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(POLITE, 'audio');
      await pair.sends(POLITE, 'offer');
      await pair.carry(POLITE);
      await pair.sends(IMPOLITE, 'answer');
      const stale = await pair.take(IMPOLITE);
      // Polite takes its offer back for impolite's, and has another on its way when the answer to the first comes at last.
      await pair.addMedia(IMPOLITE, 'audio');
      await pair.sends(IMPOLITE, 'offer');
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.carry(POLITE);
      const before = await pair.fragment(POLITE);
      await pair.restartIce(POLITE);
      await pair.sends(POLITE, 'offer');
      await pair.give(POLITE, stale);
      return { polite: ['audio'], impolite: ['audio'], restarted: { [POLITE]: before } };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await tamperWith(polite, { keep: ['answer', 'offer'] });
      await publish(polite, 'audio');
      await kept(polite, 'answer');
      await publish(impolite, 'audio');
      await kept(polite, 'offer');
      const before = await fragment(polite);
      await restartIce(polite);
      await letThrough(polite, ['offer', 'answer']);
      await restarted(polite, before);
      return { polite: ['audio'], impolite: ['audio'] };
    },
  },
  {
    name: 'an offer that comes while the answer before it is being applied',
    where: [CHROMIUMS, FIREFOXES, CHROMIUM_YIELDS, FIREFOX_YIELDS],
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(POLITE, 'audio');
      await pair.sends(POLITE, 'offer');
      await pair.carry(POLITE);
      await pair.sends(IMPOLITE, 'answer');
      await pair.addMedia(IMPOLITE, 'audio');
      await pair.sends(IMPOLITE, 'offer');
      await pair.carry(IMPOLITE);
      return { polite: ['audio'], impolite: ['audio'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await hold(polite);
      const before = await steps(impolite, 'answer-sent');
      await publish(polite, 'audio');
      await until(impolite, 'an answer', answersAfter, before);
      const made = await steps(impolite, 'offer-sent');
      await publish(impolite, 'audio');
      await offers(impolite, made);
      await release(polite);
      return { polite: ['audio'], impolite: ['audio'] };
    },
  },
  {
    name: 'candidates of a start of ICE that is over',
    where: [CHROMIUMS, FIREFOXES],
    quiet: true,
    unreachable: { ours: 'what a stream brings late or twice is dropped below' },
    async bare(pair) {
      await pair.addChannel(IMPOLITE);
      await pair.gathered(IMPOLITE);
      const candidates = await pair.take(IMPOLITE, isCandidate);
      await pair.carry(IMPOLITE);
      await pair.give(POLITE, candidates);
      await pair.establish();
      const before = await pair.fragment(IMPOLITE);
      await pair.restartIce(IMPOLITE);
      await pair.sends(IMPOLITE, 'offer');
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.carry(POLITE);
      await pair.give(POLITE, candidates);
      return { restarted: { [IMPOLITE]: before } };
    },
  },
  {
    name: 'candidates of a first offer that was taken back',
    where: [CHROMIUMS, FIREFOXES],
    unreachable: { alone: 'the polite side makes no first offer', ours: 'nor does it in a room' },
    async bare(pair) {
      for (const side of [POLITE, IMPOLITE]) await pair.addChannel(side);
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      await pair.gathered(POLITE);
      const stale = await pair.take(POLITE);
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.carry(POLITE, isAnswer);
      await pair.give(IMPOLITE, stale.filter(isCandidate));
    },
  },
  {
    name: 'polite adds video while impolite adds audio, where there was only audio',
    where: [CHROMIUMS, CHROMIUM_YIELDS],
    breaks: true,
    async bare(pair) {
      await pair.addChannelAndMedia(IMPOLITE, ['audio']);
      await pair.sends(IMPOLITE, 'offer');
      const ailment = await pair.ailment({ polite: ['audio'] });
      if (ailment) throw new Error(`the two do not even connect: ${ailment}`);
      await pair.addMedia(POLITE, 'video');
      await pair.addMedia(IMPOLITE, 'audio');
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      return { polite: ['audio'], impolite: ['video'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await publish(impolite, 'audio');
      await hears(polite, ['audio']);
      await together([polite, impolite], () => [publish(polite, 'video'), publish(impolite, 'audio')]);
      return { polite: ['audio'], impolite: ['video'] };
    },
  },
  {
    name: 'two offers in a row that cannot be read',
    where: [CHROMIUMS, FIREFOXES, CHROMIUM_YIELDS, FIREFOX_YIELDS],
    breaks: true,
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(IMPOLITE, 'video');
      await pair.sends(IMPOLITE, 'offer');
      const [{ description }] = await pair.take(IMPOLITE, isOffer);
      const garbled = { ...description, sdp: 'no description at all' };
      await pair.give(POLITE, [{ description: garbled }, { description: { ...garbled, x: { d: 1 + description.x?.d } } }]);
      return { polite: ['video'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await publish(impolite, 'video');
      await publish(polite, 'audio');
      await hears(polite, ['video']);
      await hears(impolite, ['audio']);
      await Promise.all([polite, impolite].map(({ page }) => page.evaluate(() => void (window.calm = window.log.length))));
      await tamperWith(polite, { garble: { offer: 2 } });
      await publish(impolite, 'audio');
      await until(polite, 'a refusal', () => window.log.some(({ step }) => step === 'nack-sent'));
      await publish(impolite, 'audio');
      const rebuilt = () => {
        const [peer] = window.room.peers.values();
        return peer.counts.rebuilds === 1 && peer.state === 'connected';
      };
      for (const tab of [polite, impolite]) await until(tab, 'another connection', rebuilt);
      return { polite: ['video', 'audio'], impolite: ['audio'], check: rebuiltOnce };
    },
  },
  {
    name: 'candidates of an offer that was ignored',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      const before = await pair.fragment(POLITE);
      await pair.restartIce(POLITE);
      await pair.gathered(POLITE);
      await pair.addMedia(IMPOLITE, 'video');
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      await pair.carry(POLITE, isDescription);
      const stale = await pair.take(POLITE);
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.carry(POLITE, isAnswer);
      await pair.give(IMPOLITE, stale);
      return { polite: ['video'], restarted: { [POLITE]: before } };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      const before = await fragment(polite);
      await together([polite, impolite], () => [offerRestart(polite), publish(impolite, 'video')], () => gathered(polite));
      await restarted(polite, before);
      return { polite: ['video'] };
    },
  },
  {
    name: 'an offer that cannot be read, while an own one is pending',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(POLITE, 'audio');
      await pair.addMedia(IMPOLITE, 'audio');
      for (const side of [POLITE, IMPOLITE]) await pair.sends(side, 'offer');
      const [{ description }] = await pair.take(IMPOLITE, isOffer);
      await pair.carry(POLITE);
      await pair.give(POLITE, [{ description: { ...description, sdp: 'no description at all' } }]);
      return { polite: ['audio'], impolite: ['audio'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await together([polite, impolite], () => [
        tamperWith(polite, { garble: { offer: 1 } }),
        publish(polite, 'audio'),
        publish(impolite, 'audio'),
      ]);
      return { polite: ['audio'], impolite: ['audio'] };
    },
  },
  {
    name: 'the first offer is lost',
    where: [CHROMIUMS, FIREFOXES],
    // Chromium was seen to take back its first offer, connect on the next one, and never open the channel.
    unreachable: { alone: 'it asks for a wire that loses nothing' },
    async bare(pair) {
      await pair.addChannel(IMPOLITE);
      await pair.sends(IMPOLITE, 'offer');
      await pair.take(IMPOLITE, isOffer);
      await pair.addMedia(POLITE, 'audio');
      return { impolite: ['audio'] };
    },
    async ours({ impolite, polite, join }) {
      await join(impolite);
      await join(polite, { faults: { drop: { offer: 1 } }, publishFirst: 'audio' });
      return { impolite: ['audio'] };
    },
  },
  {
    name: 'a later offer is lost',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(POLITE, 'audio');
      await pair.sends(POLITE, 'offer');
      await pair.take(POLITE, isOffer);
      return { impolite: ['audio'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await tamperWith(impolite, { drop: { offer: 1 } });
      await publish(polite, 'audio');
      return { impolite: ['audio'] };
    },
  },
  {
    name: 'an answer is lost',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.establish();
      await pair.addMedia(IMPOLITE, 'video');
      await pair.sends(IMPOLITE, 'offer');
      await pair.carry(IMPOLITE);
      await pair.sends(POLITE, 'answer');
      await pair.take(POLITE, isAnswer);
      return { polite: ['video'] };
    },
    async ours({ impolite, polite, meet }) {
      await meet();
      await tamperWith(impolite, { drop: { answer: 1 } });
      await publish(impolite, 'video');
      return { polite: ['video'] };
    },
  },
  {
    name: 'every description comes twice',
    where: [CHROMIUMS, FIREFOXES],
    async bare(pair) {
      await pair.addChannel(IMPOLITE);
      await pair.addMedia(IMPOLITE, 'video');
      for (const [side, type] of [[IMPOLITE, 'offer'], [POLITE, 'answer']]) {
        await pair.sends(side, type);
        const descriptions = await pair.take(side, isDescription);
        await pair.give(side === POLITE ? IMPOLITE : POLITE, [...descriptions, ...descriptions]);
      }
      return { polite: ['video'] };
    },
    async ours({ impolite, polite, join }) {
      await join(impolite, { faults: { duplicate: { offer: 1 } } });
      await publish(impolite, 'video');
      await join(polite, { faults: { duplicate: { answer: 1 } } });
      await talks(impolite, polite);
      await alone(polite, impolite, () => publish(polite, 'audio'));
      await hears(impolite, ['audio']);
      await publish(impolite, 'audio');
      return { polite: ['video', 'audio'], impolite: ['audio'] };
    },
  },
];

/** Publishes a track of the kind. */
const publish = (tab, kind) => tab.page.evaluate(async (kind) => void (await window.room.publish(window.fakeStream(kind))), kind);

const restartIce = (tab) => tab.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());

/** Has the browser itself do it, by an offer of this side: what the SDK makes of `restartIce` asks the other one. */
const offerRestart = (tab) =>
  tab.page.evaluate(() => {
    const [{ connection }] = window.room.peers.values();
    RTCPeerConnection.prototype.restartIce.call(connection);
  });

const gathered = (tab) =>
  until(tab, 'all candidates', () => [...window.room.peers.values()][0].connection?.iceGatheringState === 'complete');

const kept = (tab, type) => until(tab, `an ${type} that is kept`, (type) => window.kept.some((message) => message.type === type), type);

/** In the page: whether it has sent more answers than so many. */
const answersAfter = (before) => window.log.filter(({ step }) => step === 'answer-sent').length > before;

/** In the page: whether ICE has found a way, as its own statistics have it. */
const hasFoundOne = async () => {
  const [{ connection }] = window.room.peers.values();
  const report = await connection?.getStats();
  return [...(report?.values() ?? [])].some(({ type, iceState }) => type === 'transport' && ['connected', 'completed'].includes(iceState));
};

/** In the page: whether what was replaced is closed. */
const hasOne = () => window.connections.filter(({ connectionState }) => connectionState !== 'closed').length === 1;

/** Another connection took the place of the old one, once; the application heard of one interruption, and has the channels that it had. */
async function rebuiltOnce(tab) {
  const seen = await tab.page.evaluate(() => ({
    rebuilds: [...window.room.peers.values()][0].counts.rebuilds,
    states: window.log.slice(window.calm).flatMap(({ name, state }) => (name === 'peer-state' ? state : [])),
    connections: window.connections.length,
    isTheSame: window.room.channel('chat') === window.chat && window.chat.peers.length === 1,
  }));
  assert.deepEqual(seen, { rebuilds: 1, states: ['interrupted', 'connected'], connections: 2, isTheSame: true }, tab.name);
}

/** Waits until the tab has made more than `before` offers. */
const offers = (tab, before) =>
  until(tab, 'an offer', (before) => window.log.filter(({ step }) => step === 'offer-sent').length > before, before);

/** Does something at both, so that neither hears of the other's offer before it has made its own; and then `more`. */
const together = (tabs, act, more) => unheard(tabs, tabs, act, more);

/** Does something at one side that it makes an offer of: were the other one first, an answer might take it along. */
const alone = (tab, other, act) => unheard([tab, other], [tab], () => [act()]);

/** Does something while neither hears the other, until those who offer have done so; and then `more`. */
async function unheard(tabs, offering, act, more) {
  await holdStill(tabs);
  const before = await Promise.all(offering.map((tab) => steps(tab, 'offer-sent')));
  await Promise.all(act());
  await Promise.all(offering.map((tab, at) => offers(tab, before[at])));
  await more?.();
  await Promise.all(tabs.map(release));
}

/** Keeps both from hearing each other, at a moment when neither waits for the other: who does makes no offer. */
async function holdStill(tabs) {
  const still = async () => {
    await Promise.all(tabs.map(hold));
    if ((await Promise.all(tabs.map(isStable))).every(Boolean)) return;
    await Promise.all(tabs.map(release));
    await pause(50);
    await still();
  };
  await within(PATIENCE_MS, 'two sides that are still', still());
}

/** Waits until the two are well, and each hears what it should. */
export async function areWell({ polite, impolite }, wants = {}) {
  await hears(polite, wants.polite ?? []);
  await hears(impolite, wants.impolite ?? []);
  await talks(impolite, polite);
  for (const tab of [polite, impolite]) await wants.check?.(tab);
}
