/**
 * What the W3C's sample of "perfect negotiation" waits for ever at, and the SDK does not: neither its `negotiate` alone, on the same wire, nor
 * a room. What the sample does is reported with the version of the browsers, and is nobody's failure here; what the SDK does is asserted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { freshTab, launch } from './lib/browsers.mjs';
import { BarePair, NEGOTIATE, SAMPLE } from './lib/bare-pair.mjs';
import { installNegotiate } from './lib/negotiate-side.mjs';
import { talks } from './lib/pair-health.mjs';
import { join } from './lib/sdk-page.mjs';
import { installSide } from './lib/side.mjs';
import { prepareFaults } from './lib/tamper.mjs';
import { CHROMIUMS, CHROMIUM_YIELDS, FIREFOXES, FIREFOX_YIELDS, WEDGES, areWell } from './lib/wedges.mjs';
import { installSample } from './lib/w3c-sample.mjs';

/** The long form tries every case in every pair of browsers, and not only in those that are known to have it. */
const everywhere = process.env.ALDIS_SOAK === '1';
/** `ALDIS_WEDGE=twice` tries only those whose name has it. */
const chosen = process.env.ALDIS_WEDGE ?? '';

for (const kinds of [CHROMIUMS, FIREFOXES, CHROMIUM_YIELDS, FIREFOX_YIELDS]) {
  const wedges = WEDGES.filter(({ name, where }) => name.includes(chosen) && (everywhere || where.includes(kinds)));
  test(`${kinds[0]} yields to ${kinds[1]}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const browsers = await Promise.all(kinds.map((kind) => launch(t, kind)));
    const versions = [...new Set(browsers.map(({ version }) => version))].join(' and ');
    for (const wedge of wedges) {
      await t.test(wedge.name, async (t) => {
        const { breaks, quiet, unreachable = {} } = wedge;
        const place = { browsers, port };
        const [sample, alone, ours] = await Promise.allSettled([
          bareFares(t, { ...place, ...wedge, how: SAMPLE }),
          unreachable.alone ? undefined : bareFares(t, { ...place, ...wedge, how: NEGOTIATE }),
          unreachable.ours ? undefined : oursFares(t, { ...place, ...wedge }),
        ]);
        for (const { reason } of [sample, alone, ours]) if (reason) throw reason;
        const { ailment } = sample.value;
        t.diagnostic(`${versions}: the sample ${ailment ? `still wedges: ${ailment}` : 'is well'}`);
        for (const [what, why] of Object.entries(unreachable)) t.diagnostic(`${what === 'alone' ? 'negotiate alone' : 'the SDK'} cannot come there: ${why}`);
        if (!alone.value) return;
        const isTold = breaks && alone.value.broken;
        if (isTold) t.diagnostic(`negotiate alone reports it as broken: ${alone.value.ailment}`);
        else assert.equal(alone.value.ailment, undefined, 'negotiate alone is well');
        if (quiet) assert.deepEqual(alone.value.errors, []);
      });
    }
  });
}

/** Does it between two sides without a room, and returns what is wrong in the end, if anything is. */
async function bareFares(t, { browsers, port, bare, how }) {
  const [polite, impolite] = await Promise.all(browsers.map((browser, at) => freshTab(t, browser, ['polite', 'impolite'][at])));
  for (const { page } of [polite, impolite]) {
    await page.goto(`http://localhost:${port}/livez`);
    for (const install of [installSide, installSample, installNegotiate]) await page.evaluate(install);
  }
  const pair = await BarePair.start(polite, impolite, how);
  const ailment = await pair.ailment(await bare(pair));
  const errors = await pair.errors();
  const broken = await pair.isBroken();
  await Promise.all([polite, impolite].map(({ page }) => page.close()));
  return { ailment, errors, broken };
}

/** Does it with the SDK: the pair must be well. */
async function oursFares(t, { browsers, port, name, ours }) {
  const [polite, impolite] = await Promise.all(browsers.map((browser, at) => freshTab(t, browser, ['polite', 'impolite'][at])));
  const room = name.replaceAll(/\W+/g, '-').slice(0, 100);
  const joinRoom = async (tab, { faults, publishFirst, ...options } = {}) => {
    await prepareFaults(tab, faults);
    await join(tab, port, { room, ...options });
    if (publishFirst) await tab.page.evaluate((kind) => void window.room.publish(window.fakeStream(kind)), publishFirst);
  };
  const meet = async () => {
    await joinRoom(impolite);
    await joinRoom(polite);
    await talks(impolite, polite);
  };
  const wants = await ours({ polite, impolite, join: joinRoom, meet });
  await areWell({ polite, impolite }, wants);
  for (const { name, page } of [polite, impolite]) {
    const { faults, failures } = await page.evaluate(() => ({
      faults: window.faults,
      failures: window.log.filter(({ name }) => name === 'error').map(({ error }) => error.message),
    }));
    const pending = ['drop', 'duplicate', 'garble'].flatMap((fault) => Object.values(faults[fault]).filter((times) => times > 0));
    assert.deepEqual(pending, [], `everything that should go wrong at ${name} did`);
    for (const failure of failures) t.diagnostic(`the SDK reported on the way, at ${name}: ${failure}`);
  }
  await Promise.all([polite, impolite].map(({ page }) => page.close()));
}
