/**
 * Two real browsers that change their call at random and at once, over a wire that loses descriptions and brings some twice. However it
 * goes on the way, in the end the pair stands and everything arrives.
 *
 * `ALDIS_STRESS_SEED` repeats the operations of a run, and `ALDIS_STRESS_OPERATIONS` and `ALDIS_STRESS_LOSS` change how many there are
 * and which share of the descriptions is lost; as many come twice.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { CHROMIUM, FIREFOX, freshTab, launch } from './lib/browsers.mjs';
import { seeded } from './lib/random.mjs';
import { connected, hold, join, release, until } from './lib/sdk-page.mjs';
import { installStress } from './lib/stress-page.mjs';
import { prepareFaults } from './lib/tamper.mjs';

const soak = process.env.ALDIS_SOAK === '1';
const OPERATIONS = Number(process.env.ALDIS_STRESS_OPERATIONS ?? (soak ? 5_000 : 200));
const SEED = Number(process.env.ALDIS_STRESS_SEED ?? (soak ? Math.floor(Math.random() * 2 ** 31) : 4));
const LOSS = Number(process.env.ALDIS_STRESS_LOSS ?? 0.03);

/** The share of offers that should meet another one on their way. */
const GLARE = 0.45;

/** After how many operations everything has to arrive. */
const CHECK_EVERY = 100;

/** How long a round waits for the offers it may bring about, and for their answers: a lost one is not waited for. In milliseconds. */
const ROUND_MS = 250;

/** The older one first. Where that is Firefox, Chromium takes no restart of its own: only a new connection helps, each time. */
const PAIRS = [[CHROMIUM, CHROMIUM], [CHROMIUM, FIREFOX], [FIREFOX, FIREFOX], ...(soak ? [[FIREFOX, CHROMIUM]] : [])];

for (const kinds of PAIRS) {
  test(`${OPERATIONS} random operations between ${kinds[0]} and ${kinds[1]}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const tabs = [];
    for (const [at, kind] of kinds.entries()) {
      const tab = await freshTab(t, await launch(t, kind), `${kind} ${at + 1}`);
      const chance = { seed: SEED + at, lost: LOSS, doubled: LOSS };
      await prepareFaults(tab, { chance });
      await join(tab, port, { identity: `peer-${at + 1}` });
      await tab.page.evaluate(installStress);
      tabs.push(tab);
    }
    await Promise.all(tabs.map((tab) => connected(tab, 1)));
    const began = performance.now();
    let done = 0;
    try {
      for (const operations of rounds(seeded(SEED))) {
        await (share(await counts(tabs)) < GLARE ? atOnce(tabs, operations) : oneByOne(tabs, operations));
        done += operations.length;
        if (done % CHECK_EVERY === 0 || done >= OPERATIONS) await everythingArrives(tabs, done);
      }
    } catch (error) {
      const reports = await Promise.all(tabs.map((tab) => call(tab, 'report').catch(({ message }) => message)));
      const states = reports.map((report, at) => `${tabs[at].name}: ${JSON.stringify(report)}`).join('\n');
      throw new Error(`with ALDIS_STRESS_SEED=${SEED}, after ${done} operations: ${error.message}\n${states}`, { cause: error });
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    const both = await counts(tabs);
    const reports = await Promise.all(tabs.map((tab) => call(tab, 'report')));
    t.diagnostic(`seed ${SEED}: ${done} operations in ${seconds} s, ${both['offer-sent']} offers, ${Math.round(100 * share(both))} % of them crossed`);
    t.diagnostic(`on the way: ${JSON.stringify(both)}`);
    for (const [at, { stats, done }] of reports.entries()) t.diagnostic(`${tabs[at].name}: ${JSON.stringify({ ...done, ...stats })}`);
    assert.ok(both['glare-yielded'] > 0 && both['glare-ignored'] > 0, 'offers have crossed');
  });
}

/** One operation for each side, again and again. */
function* rounds(random) {
  const integer = (below) => Math.floor(random() * below);
  const operation = () => {
    const luck = random();
    if (luck < 0.5) return { name: 'publication', kind: ['audio', 'video'][integer(2)], at: integer(3) };
    if (luck < 0.7) return { name: 'direction', at: integer(64) };
    if (luck < 0.8) return { name: 'channel', label: `channel ${integer(8)}` };
    return { name: 'restart' };
  };
  for (let made = 0; made < OPERATIONS; made += 2) yield [operation(), operation()];
}

const call = (tab, name, argument) => tab.page.evaluate(([name, argument]) => window.stress[name](argument), [name, argument]);

/** What the steps of both come to. */
async function counts(tabs) {
  const sum = {};
  for (const counts of await Promise.all(tabs.map((tab) => tab.page.evaluate(() => window.stress.counts)))) {
    for (const [step, count] of Object.entries(counts)) sum[step] = (sum[step] ?? 0) + count;
  }
  return sum;
}

const share = (counts) => ((counts['glare-ignored'] ?? 0) + (counts['glare-yielded'] ?? 0)) / (counts['offer-sent'] ?? 1);

/** Neither hears of the other's offer before it has made its own, if it makes one. */
async function atOnce(tabs, operations) {
  await Promise.all(tabs.map(hold));
  await Promise.all(tabs.map((tab, at) => call(tab, 'perform', operations[at])));
  await Promise.all(tabs.map((tab) => soon(tab, 'hasOffered')));
  await Promise.all(tabs.map(release));
  await Promise.all(tabs.map((tab) => soon(tab, 'isSettled')));
}

async function oneByOne(tabs, operations) {
  for (const [at, tab] of tabs.entries()) {
    await call(tab, 'perform', operations[at]);
    await soon(tab, 'hasOffered');
    await Promise.all(tabs.map((tab) => soon(tab, 'isSettled')));
  }
}

/** Waits for it, but not for long: an operation may need no offer, and an offer or an answer may be lost. */
const soon = (tab, name) =>
  tab.page.evaluate(
    async ([name, ms]) => {
      const end = performance.now() + ms;
      while (!window.stress[name]() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    [name, ROUND_MS],
  );

async function everythingArrives(tabs, word) {
  const [first, second] = tabs;
  for (const tab of tabs) await call(tab, 'receiveAll');
  const labels = (await Promise.all(tabs.map((tab) => call(tab, 'channelLabels')))).flat();
  for (const tab of tabs) await call(tab, 'openChannels', [...new Set(labels)]);
  const ids = await Promise.all(tabs.map((tab) => call(tab, 'publishedIds')));
  for (const tab of tabs) await until(tab, 'a stable connection', () => window.stress.isSettled());
  for (const [tab, incoming] of [[first, ids[1]], [second, ids[0]]]) {
    await tab.page.evaluate(() => window.stress.grown.clear());
    await until(tab, `${incoming.length} streams that grow`, (ids) => window.stress.streamsGrow(ids), incoming);
  }
  for (const tab of tabs) await until(tab, 'a word on each channel and back', (word) => window.stress.channelsCarry(word), word);
  for (const tab of tabs) await until(tab, 'that it is stable in the end', () => window.stress.isSettled());
}
