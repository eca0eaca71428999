/**
 * What makes two sides that negotiate wait for each other for ever, or spoils their connection for good, case by case.
 *
 * Each is told twice. `sample` does it with the W3C's sample and returns what its sides should come to. `ours` does the same with the
 * SDK: it gets the `polite` and the `impolite` tab, and how to `join` them, and returns what each should hear at the end. `where` says
 * for which browsers, the polite one first.
 */
import { CHROMIUM, FIREFOX } from './browsers.mjs';
import { fragment, hears, restarted, talks } from './pair-health.mjs';
import { IMPOLITE, POLITE, isAnswer, isCandidate, isDescription, isOffer } from './sample-pair.mjs';
import { hold, release, steps, until } from './sdk-page.mjs';
import { letThrough, tamperWith } from './tamper.mjs';

export const CHROMIUMS = [CHROMIUM, CHROMIUM];
export const FIREFOXES = [FIREFOX, FIREFOX];
/** The polite one first. */
export const CHROMIUM_YIELDS = [CHROMIUM, FIREFOX];
export const FIREFOX_YIELDS = [FIREFOX, CHROMIUM];

export const WEDGES = [
  {
    name: 'an offer to somebody who is not there yet',
    where: [CHROMIUMS, FIREFOXES],
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
      await pair.establish();
      const before = await pair.fragment(POLITE);
      await pair.restartIce(POLITE);
      await pair.sends(POLITE, 'offer');
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
    async sample(pair) {
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
      await together([polite, impolite], () => [restartIce(polite), publish(impolite, 'video')]);
      await restarted(polite, before);
      return { polite: ['video'] };
    },
  },
  {
    name: 'candidates that come before their descriptions',
    where: [CHROMIUMS, FIREFOXES],
    async sample(pair) {
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
    async sample(pair) {
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
    name: 'candidates of an offer that was ignored',
    where: [CHROMIUMS, FIREFOXES],
    async sample(pair) {
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
      await together([polite, impolite], () => [restartIce(polite), publish(impolite, 'video')], () => gathered(polite));
      await restarted(polite, before);
      return { polite: ['video'] };
    },
  },
  {
    name: 'an offer that cannot be read, while an own one is pending',
    where: [CHROMIUMS, FIREFOXES],
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
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
    async sample(pair) {
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
      const faults = { duplicate: { offer: 1, answer: 1 } };
      await join(impolite, { faults });
      await publish(impolite, 'video');
      await join(polite, { faults });
      await talks(impolite, polite);
      await publish(polite, 'audio');
      await hears(impolite, ['audio']);
      await publish(impolite, 'audio');
      return { polite: ['video', 'audio'], impolite: ['audio'] };
    },
  },
];

/** Publishes a track of the kind. */
const publish = (tab, kind) => tab.page.evaluate(async (kind) => void (await window.room.publish(window.fakeStream(kind))), kind);

const restartIce = (tab) => tab.page.evaluate(() => [...window.room.peers.values()][0].connection.restartIce());

const gathered = (tab) =>
  until(tab, 'all candidates', () => [...window.room.peers.values()][0].connection?.iceGatheringState === 'complete');

const kept = (tab, type) => until(tab, `an ${type} that is kept`, (type) => window.kept.some((message) => message.type === type), type);

/** Waits until the tab has made more than `before` offers. */
const offers = (tab, before) =>
  until(tab, 'an offer', (before) => window.log.filter(({ step }) => step === 'offer-sent').length > before, before);

/** Does something at both, so that neither hears of the other's offer before it has made its own; and then `more`. */
async function together(tabs, act, more) {
  await Promise.all(tabs.map(hold));
  const before = await Promise.all(tabs.map((tab) => steps(tab, 'offer-sent')));
  await Promise.all(act());
  await Promise.all(tabs.map((tab, at) => offers(tab, before[at])));
  await more?.();
  await Promise.all(tabs.map(release));
}

/** Waits until the two are well, and each hears what it should. */
export async function areWell({ polite, impolite }, wants = {}) {
  await hears(polite, wants.polite ?? []);
  await hears(impolite, wants.impolite ?? []);
  await talks(impolite, polite);
}
