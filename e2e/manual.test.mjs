/** `/manual` of `aldis dev`: two browsers that meet without a server. It is stopped as soon as both have the page. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ROOT, startAldis } from './lib/aldis.mjs';
import { cameraOfCanvas, hold } from './lib/camera-of-canvas.mjs';
import { openTab } from './lib/chromium.mjs';
import { chat, complaint, plays, says } from './lib/demo.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { FAKE_DEVICES, assertQuiet } from './lib/tab.mjs';

const OPEN = { Chromium: openTab, Firefox: openFirefoxTab };
const OUT = join(ROOT, 'e2e/out');
before(() => mkdir(OUT, { recursive: true }));

for (const [inviting, invited] of [['Chromium', 'Chromium'], ['Chromium', 'Firefox'], ['Firefox', 'Chromium']]) {
  test(`${inviting} shows ${invited} a code, reads the one that comes back, and they talk with no server at all`, async (t) => {
    const [first, second] = await twoTabs(t, inviting, invited);
    await first.page.click('#invite');
    await says(first, 'Waiting for their reply.');
    await look(first, 'invitation', t);
    await hold(first, '#picture', second);
    await second.page.click('#scan-invitation');
    await says(second, 'Waiting until they have taken your reply.');
    assert.equal(await second.page.locator('#scanner').isVisible(), false);
    assert.ok(await second.page.evaluate(() => window.filming.getTracks()[0].readyState === 'ended'), 'the camera is off again');
    await look(second, 'reply', t);
    await hold(second, '#picture', first);
    await first.page.click('#scan-reply');
    await talk(first, second);

    // Sections of audio and video, and what they carry, are agreed on over the data channel.
    await first.page.click('#camera');
    await plays(second, 'other');
    await second.page.click('#camera');
    await plays(first, 'other');
    if (inviting === invited) await portraits(first, second);
    await first.page.click('#camera');
    await second.page.locator('figure[data-kind="other"]').waitFor({ state: 'detached' });

    // ICE starts afresh, whoever wants it. Where Chromium offers that to Firefox its candidates do not arrive any more (`sdk/src/head-start.ts`).
    for (const tab of invited === 'Firefox' ? [] : [first, second]) {
      const fragment = await ufrag(first);
      await tab.page.evaluate(() => window.connections[0].restartIce());
      await first.page.waitForFunction(
        (before) => {
          const [connection] = window.connections;
          const { sdp } = connection.localDescription;
          return connection.signalingState === 'stable' && !sdp.includes(`a=ice-ufrag:${before}`);
        },
        fragment,
      );
      await chat(first, `after ${tab.name} had its way`, second);
    }
    for (const tab of [first, second]) assert.equal(await tab.page.evaluate(() => window.connections.length), 1);

    await second.page.click('#leave');
    await says(first, 'The other side closed the call.');
    await says(second, 'You closed the call.');
    assertQuiet(first, second);
  });
}

test('a mail does as well, and what is wrong with a text is said', async (t) => {
  const [first, second] = await twoTabs(t, 'Chromium', 'Chromium');
  await first.page.click('#invite');
  await says(first, 'Waiting for their reply.');
  const invitation = await first.page.inputValue('#mine');

  await second.page.fill('#invitation', invitation.slice(0, -9));
  await second.page.click('#answer button.primary');
  assert.match(await complaint(second, 'text-incomplete'), /The end of the invitation is missing\. Copy all of it\./);
  await second.page.fill('#invitation', `Hi,\n> ${invitation.match(/.{1,40}/g).join('\n> ')}\n\nBest regards`);
  await second.page.click('#answer button.primary');
  await says(second, 'Waiting until they have taken your reply.');

  await first.page.fill('#reply', invitation);
  await first.page.click('#accept button.primary');
  assert.match(await complaint(first, 'text-misplaced'), /This is an invitation, where a reply belongs/);
  await says(first, 'Waiting for their reply.');
  await first.page.fill('#reply', await second.page.inputValue('#mine'));
  await first.page.click('#accept button.primary');
  await talk(first, second);
  assertQuiet(first, second);
});

async function twoTabs(t, ...browsers) {
  const { port, program } = await startAldis(t, 'dev');
  const open = (browser, at) => OPEN[browser](t, ['first', 'second'][at], FAKE_DEVICES, { prepare: cameraOfCanvas });
  const tabs = await Promise.all(browsers.map(open));
  for (const { page } of tabs) {
    await page.goto(`http://localhost:${port}/manual`);
    await page.locator('#words', { hasText: 'Invite somebody' }).waitFor();
  }
  await tabs[0].page.screenshot({ path: join(OUT, 'manual-start.png'), fullPage: true });
  await program.stop();
  return tabs;
}

async function look(tab, kind, t) {
  const text = await tab.page.inputValue('#mine');
  t.diagnostic(`the ${kind} of ${tab.name}: ${text.length} characters`);
  assert.ok(text.length < 400, `${text.length} characters`);
  await tab.page.screenshot({ path: join(OUT, `manual-${kind}.png`), fullPage: true });
}

async function talk(first, second) {
  for (const tab of [first, second]) await says(tab, 'Connected.');
  await chat(first, 'hello from the first', second);
  await chat(second, 'hello from the second', first);
}

const ufrag = (tab) => tab.page.evaluate(() => window.connections[0].localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1]);

async function portraits(first, second) {
  await first.page.screenshot({ path: join(OUT, 'manual-call-light.png'), fullPage: true });
  await second.page.emulateMedia({ colorScheme: 'dark' });
  await second.page.setViewportSize({ width: 360, height: 760 });
  assert.ok(await second.page.evaluate(() => document.documentElement.scrollWidth <= 360), 'nothing is wider than 360 px');
  await second.page.screenshot({ path: join(OUT, 'manual-call-dark-360.png'), fullPage: true });
}
