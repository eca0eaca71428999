/**
 * What the W3C's sample of "perfect negotiation" waits for ever at, and the SDK does not. What the sample does is reported with the
 * version of the browsers, and is nobody's failure here; what the SDK does is asserted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { freshTab, launch } from './lib/browsers.mjs';
import { talks } from './lib/pair-health.mjs';
import { SamplePair } from './lib/sample-pair.mjs';
import { join } from './lib/sdk-page.mjs';
import { prepareFaults } from './lib/tamper.mjs';
import { CHROMIUMS, CHROMIUM_YIELDS, FIREFOXES, FIREFOX_YIELDS, WEDGES, areWell } from './lib/wedges.mjs';
import { installSample } from './lib/w3c-sample.mjs';

/** The long form tries every case in every pair of browsers, and not only in those that are known to have it. */
const everywhere = process.env.ALDIS_SOAK === '1';

for (const kinds of [CHROMIUMS, FIREFOXES, CHROMIUM_YIELDS, FIREFOX_YIELDS]) {
  const wedges = WEDGES.filter(({ where }) => everywhere || where.includes(kinds));
  test(`${kinds[0]} yields to ${kinds[1]}`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const browsers = await Promise.all(kinds.map((kind) => launch(t, kind)));
    const versions = [...new Set(browsers.map(({ version }) => version))].join(' and ');
    for (const { name, sample, ours } of wedges) {
      await t.test(name, async (t) => {
        const ailment = await sampleFares(t, { browsers, port, sample });
        t.diagnostic(`${versions}: the sample ${ailment ? `still wedges: ${ailment}` : 'is well'}`);
        await oursFares(t, { browsers, port, name, ours });
      });
    }
  });
}

/** Does it with the W3C's sample, and returns what is wrong in the end, if anything is. */
async function sampleFares(t, { browsers, port, sample }) {
  const [polite, impolite] = await Promise.all(browsers.map((browser, at) => freshTab(t, browser, ['polite', 'impolite'][at])));
  for (const { page } of [polite, impolite]) {
    await page.goto(`http://localhost:${port}/livez`);
    await page.evaluate(installSample);
  }
  const pair = await SamplePair.start(polite, impolite);
  const ailment = await pair.ailment(await sample(pair));
  await Promise.all([polite, impolite].map(({ page }) => page.close()));
  return ailment;
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
