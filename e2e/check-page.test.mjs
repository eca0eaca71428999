/** `/check` of `aldis dev`: what it shows of a diagnosis, and the ways to it. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join as path } from 'node:path';
import { before, test } from 'node:test';
import { ROOT, startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { startCoturn } from './lib/coturn.mjs';
import { complaint, join, open } from './lib/demo.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet } from './lib/tab.mjs';

const OUT = path(ROOT, 'e2e/out');
before(() => mkdir(OUT, { recursive: true }));

/** Opens the page and waits for its end. */
async function check(tab, port, query = {}) {
  await tab.page.goto(`http://localhost:${port}/check?${new URLSearchParams(query)}`);
  await ended(tab);
}

const ended = (tab) => tab.page.locator('#status:not([data-tone="busy"])').waitFor();
const row = (tab, id) => tab.page.locator(`[data-check="${id}"]`);

/** A picture for people, and whether anything is wider than the screen. */
async function picture(tab, name, { dark = false, width = 900 } = {}) {
  await tab.page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
  await tab.page.setViewportSize({ width, height: 800 });
  assert.ok(await tab.page.evaluate((width) => document.documentElement.scrollWidth <= width, width), `nothing is wider than ${width} px`);
  await tab.page.screenshot({ path: path(OUT, `${name}.png`), fullPage: true });
}

test('where all is well it says so, and copies a report', async (t) => {
  const turn = await startCoturn(t, { secret: 'a-secret-that-only-this-test-knows' });
  const { port } = await startAldis(t, 'dev', { ...turn.env, ALDIS_STUN_URLS: `stun:${turn.host}:${turn.port}` });
  const tab = await openTab(t, 'tab', FAKE_DEVICES);
  await tab.context.grantPermissions(['camera', 'microphone', 'clipboard-read', 'clipboard-write']);
  await check(tab, port);
  assert.equal(await tab.page.innerText('#words'), 'All is well.');
  assert.equal(await row(tab, 'relay').getAttribute('data-status'), 'ok');
  await tab.page.click('#copy');
  await tab.page.locator('#copy', { hasText: 'Copied' }).waitFor();
  assert.match(await tab.page.evaluate(() => navigator.clipboard.readText()), /^Aldis connection check: 0 failed, 0 warning/);
  await picture(tab, 'check-well-light');

  await tab.page.click('#ask');
  await ended(tab);
  assert.match(await row(tab, 'camera').innerText(), /It is there, and opens/);
  assertQuiet(tab);
});

test('what is wrong is shown with what to do, also on a small screen at night', async (t) => {
  const turn = await startCoturn(t, { secret: 'what-coturn-was-given' });
  const { port } = await startAldis(t, 'dev', { ...turn.env, ALDIS_TURN_SECRET: 'what-aldis-was-given-by-mistake' });
  const tab = await openTab(t, 'tab', NO_DEVICES);
  await check(tab, port);
  assert.equal(await tab.page.innerText('#words'), '3 things to mend.');
  assert.equal(await row(tab, 'turn-udp').getAttribute('data-code'), 'turn-refused');
  assert.match(await row(tab, 'turn-udp').innerText(), /refuses the credential \(401\).*secret/s);
  assert.match(await row(tab, 'camera').innerText(), /There is no camera.*Plug one in/s);
  assert.deepEqual(await tab.page.$$eval('[data-check]', (all) => all.slice(0, 4).map(({ dataset }) => dataset.check)), ['turn-udp', 'camera', 'microphone', 'page']);
  await tab.page.click('details summary');
  await picture(tab, 'check-faults-dark-360', { dark: true, width: 360 });
  await picture(tab, 'check-faults-light');
  assertQuiet(tab);
});

test('the demo leads there, with the token that was refused', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tab = await openTab(t, 'tab', FAKE_DEVICES);
  await open(tab, port);
  assert.equal(await tab.page.getAttribute('#diagnosis', 'href'), '/check');
  await join(tab, port, { token: 'a.wrong.token' });
  await complaint(tab, 'token-invalid');
  await tab.page.screenshot({ path: path(OUT, 'demo-why.png'), fullPage: true });
  const [page] = await Promise.all([tab.context.waitForEvent('page'), tab.page.click('.notice .why')]);
  await page.locator('[data-check="token"][data-code="token-invalid"]').waitFor();
  await page.locator('#status[data-tone="bad"]').waitFor();
  assert.equal(await page.innerText('#words'), 'One thing to mend.');
  assert.equal(new URL(page.url()).hash, '#token=a.wrong.token', 'a fragment reaches no server');
  assert.equal(new URL(page.url()).search, '?room=e2e');
  assert.equal(await page.getAttribute('#back', 'href'), '/?room=e2e');
});

test('it works in Firefox', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tab = await openFirefoxTab(t, 'tab', FAKE_DEVICES);
  await check(tab, port);
  assert.equal(await row(tab, 'websocket').getAttribute('data-status'), 'ok');
  assert.equal(await row(tab, 'relay').getAttribute('data-code'), 'turn-missing');
  assertQuiet(tab);
});

test('nothing in the page would need an inline script or style to be allowed', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tab = await openTab(t, 'reader', NO_DEVICES);
  await check(tab, port);
  const inline = await tab.page.evaluate(async () => {
    const page = new DOMParser().parseFromString(await (await fetch('/check')).text(), 'text/html');
    const all = [page, ...[...page.querySelectorAll('template')].map(({ content }) => content)].flatMap((part) => [...part.querySelectorAll('*')]);
    const isInline = (one) => one.matches('script:not([src]), style, [style]') || one.getAttributeNames().some((name) => name.startsWith('on'));
    return all.filter(isInline).map(({ outerHTML }) => outerHTML);
  });
  assert.deepEqual(inline, []);
});
