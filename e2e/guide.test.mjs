/** The examples of `docs/guide`: each page runs in two browsers, and comes from another port than the server. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startAldis, temporaryFolder } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { examples, plays, serve } from './lib/examples.mjs';
import { Program } from './lib/program.mjs';
import { screenOfCanvas } from './lib/screen.mjs';
import { bundled } from './lib/sdk-sources.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const QUICK_START = await examples('docs/guide/quick-start.md');
const run = new Set();
after(() => assert.deepEqual(QUICK_START.filter((example) => !run.has(example)), [], 'every example is run'));

/** The example of the quick start under a heading. */
function example(heading, language = 'html') {
  const found = QUICK_START.find((one) => one.heading === heading && one.language === language);
  run.add(found);
  return found.text;
}

/** Two tabs with the page under a heading. */
async function twoTabs(t, heading, devices, options) {
  const { port } = await startAldis(t, 'dev');
  const url = await serve(t, example(heading), port);
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, devices, options)));
  for (const { page } of tabs) await page.goto(url);
  return tabs;
}

const shows = (tab, selector, hasText) => tab.page.locator(selector, { hasText }).first().waitFor();

test('“A call” shows everybody, and nobody who has gone', async (t) => {
  const tabs = await twoTabs(t, 'A call', FAKE_DEVICES);
  for (const tab of tabs) {
    await plays(tab, 2);
    const before = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
  }
  await tabs[1].page.close();
  await plays(tabs[0], 1);
  assertQuiet(...tabs);
});

test('“Chat” carries what is said to the other page', async (t) => {
  const tabs = await twoTabs(t, 'Chat', NO_DEVICES);
  for (const tab of tabs) await shows(tab, 'li', /^guest-\w{4} is here$/);
  for (const [from, to] of [tabs, tabs.toReversed()]) {
    await from.page.fill('#text', `hello from the ${from.name}`);
    await from.page.click('#say button');
    await shows(from, 'li', `me: hello from the ${from.name}`);
    await shows(to, 'li', new RegExp(`^guest-\\w{4}: hello from the ${from.name}$`));
  }
  assertQuiet(...tabs);
});

test('“Messages that arrive” marks what was delivered', async (t) => {
  const tabs = await twoTabs(t, 'Messages that arrive', NO_DEVICES);
  // Whoever comes second sees the first; the first has to have heard of the second.
  for (const [from, to] of [tabs.toReversed(), tabs]) {
    await from.page.fill('#text', `hello from the ${from.name}`);
    await from.page.click('#say button');
    await shows(from, 'li', `hello from the ${from.name} ✓`);
    await shows(to, 'li', new RegExp(`^guest-\\w{4}: hello from the ${from.name}$`));
  }
  assertQuiet(...tabs);
});

test('“Mute, camera, screen” does all three', async (t) => {
  const tabs = await twoTabs(t, 'Mute, camera, screen', FAKE_DEVICES, { prepare: screenOfCanvas });
  const [first, second] = tabs;
  // Camera and microphone are in one stream, which stays when one of them goes.
  const pictures = (count) =>
    second.page.waitForFunction(
      (count) => [...document.querySelectorAll('video')].filter((video) => video.srcObject.getVideoTracks().length > 0).length === count,
      count,
    );
  // By its shape: a busy browser sends smaller pictures.
  const screens = (count) =>
    second.page.waitForFunction(
      (count) => [...document.querySelectorAll('video')].filter((video) => video.videoWidth > 1.5 * video.videoHeight).length === count,
      count,
    );
  await pictures(1);
  await first.page.click('#mute');
  assert.equal(await first.page.textContent('#mute'), 'Unmute');
  await first.page.click('#camera');
  await shows(first, '#camera', 'Camera on');
  await pictures(0);
  await first.page.click('#camera');
  await pictures(1);
  const { video } = await receives(second, { audio: 1, video: 1 });
  await receives(second, { audio: 1, video: video + 10 });

  const byPage = () => first.page.click('#share');
  const byBrowser = () =>
    first.page.evaluate(() => {
      const [track] = window.shared.getTracks();
      track.stop();
      track.dispatchEvent(new Event('ended'));
    });
  for (const end of [byPage, byBrowser]) {
    await first.page.click('#share');
    await screens(1);
    await end();
    await pictures(1);
    await screens(0);
    await shows(first, '#share', 'Share the screen');
  }
  assertQuiet(...tabs);
});

test('“Errors” says what is wrong and what to do, and goes on without a camera', async (t) => {
  const { port, program } = await startAldis(t, 'dev', { ALDIS_LIMITS_ROOM_PEERS: '2' });
  const url = await serve(t, example('Errors'), port);
  const camera = await openTab(t, 'camera', FAKE_DEVICES);
  const missing = await openTab(t, 'missing', NO_DEVICES);
  const late = await openTab(t, 'late', NO_DEVICES);
  for (const { page } of [camera, missing]) await page.goto(url);
  await shows(missing, '#problem', 'The camera or microphone is not there. Plug one in');
  await plays(missing, 1);
  await late.page.goto(url);
  await shows(late, '#problem', 'The room has 2 peers');
  await program.stop();
  await shows(camera, '#server', 'reconnecting');
  const { video } = await receives(missing, { audio: 1, video: 1 });
  await receives(missing, { audio: 1, video: video + 10 });
});

test('“A game” connects those who want to play, and carries their moves', async (t) => {
  const tabs = await twoTabs(t, 'A game', NO_DEVICES);
  for (const tab of tabs) await shows(tab, '#players button', /^Play with guest-/);
  assert.equal(await tabs[0].page.evaluate(() => window.connections.length), 0, 'nobody is called before somebody wants to');
  // The one who came later asks for the call.
  await tabs[1].page.click('#players button');
  for (const [from, to] of [tabs, tabs.toReversed()]) {
    const dot = to.page.locator('#board b').waitFor();
    let arrived = false;
    dot.finally(() => (arrived = true)).catch(() => {});
    for (let x = 10; !arrived; x = 10 + ((x + 1) % 200)) await from.page.hover('#board', { position: { x, y: 20 } });
    await dot;
    assert.match(await to.page.getAttribute('#board b', 'style'), /left: \d+px; top: \d+px/);
  }
  assertQuiet(...tabs);
});

test('“Give up, leave, look” shows who is there and how, and leaves', async (t) => {
  const tabs = await twoTabs(t, 'Give up, leave, look', NO_DEVICES);
  const [first, second] = tabs;
  for (const tab of tabs) {
    await shows(tab, '#now', 'joined');
    await shows(tab, '#people li[style*="hsl"], #people li[style*="rgb"]', /^guest-/);
    await shows(tab, '#numbers', /^connected, direct, \d+(\.\d+)? ms$/);
  }
  await first.page.click('#leave');
  await shows(first, '#now', 'left');
  await second.page.locator('#people li').waitFor({ state: 'detached' });
  assertQuiet(...tabs);
});

test('“Tokens from your backend” lets two users of that backend meet', async (t) => {
  const key = 'k1:a secret that is at least 32 bytes long';
  const { port } = await startAldis(t, 'serve', { ALDIS_AUTH_KEYS: key });
  const heading = 'Tokens from your backend';
  const folder = await temporaryFolder(t);
  const page = example(heading).replaceAll('7654', port).replace('<title>', '<link rel="icon" href="data:,"><title>');
  const anyPort = "listen(0, '127.0.0.1', function () { console.log(`on ${this.address().port}`) })";
  await writeFile(join(folder, 'page.html'), page);
  await writeFile(join(folder, 'backend.mjs'), example(heading, 'js').replace("listen(8000, '127.0.0.1')", anyPort));
  const backend = new Program(t, process.execPath, ['backend.mjs'], { env: { ALDIS_AUTH_KEYS: key }, cwd: folder });
  const [, backendPort] = await backend.says(/on (\d+)/);
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, NO_DEVICES)));
  for (const tab of tabs) {
    await tab.page.goto(`http://localhost:${backendPort}/`);
    await shows(tab, '#who', /^user-\w+/);
  }
  for (const tab of tabs) await shows(tab, '#who', /^user-\w+ and user-\w+$/);
  assertQuiet(...tabs);
});

test('without the SDK two pages of another port greet each other', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [{ text }, ...others] = await examples('docs/guide/without-an-sdk.md');
  assert.deepEqual(others, []);
  const url = await serve(t, text, port);
  const tabs = [await openTab(t, 'first', NO_DEVICES), await openTab(t, 'second', NO_DEVICES)];
  const greeted = tabs.map(({ page }) => page.waitForEvent('console', { predicate: (message) => message.text() === 'hello' }));
  for (const { page } of tabs) {
    const welcome = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framereceived'));
    await page.goto(url);
    // The second comes when the first is in the room.
    await welcome;
  }
  await Promise.all(greeted);
});

test('“When it does not connect” shows its report', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [{ text }, ...others] = await examples('docs/guide/when-it-does-not-connect.md');
  assert.deepEqual(others, []);
  const tab = await openTab(t, 'tab', FAKE_DEVICES);
  await tab.page.goto(await serve(t, text, port));
  await tab.page.click('#check');
  await shows(tab, '#result', /^Aldis connection check: 0 failed, 1 warning, .*turn-missing/s);
  assertQuiet(tab);
});

test('“Without a server” lets two pages chat that carry two texts', async (t) => {
  const { port, program } = await startAldis(t, 'dev');
  const [{ text }, ...others] = await examples('docs/guide/without-a-server.md');
  assert.deepEqual(others, []);
  const url = await serve(t, text, port);
  const tabs = [await openTab(t, 'first', NO_DEVICES), await openTab(t, 'second', NO_DEVICES)];
  for (const { page } of tabs) await page.goto(url);
  await program.stop();
  const [first, second] = tabs;
  const mine = async ({ page }) => {
    await page.waitForFunction(() => document.querySelector('#mine').textContent.startsWith('aldis1'));
    return page.textContent('#mine');
  };
  await first.page.click('#invite');
  await second.page.fill('#theirs', await mine(first));
  await second.page.click('#answer');
  await first.page.fill('#theirs', await mine(second));
  await first.page.click('#accept');
  for (const [from, to] of [tabs, tabs.toReversed()]) {
    await shows(from, 'li', 'connected');
    await from.page.fill('#text', `hello from the ${from.name}`);
    await from.page.click('#say button');
    await shows(to, 'li', `they: hello from the ${from.name}`);
  }
  assertQuiet(...tabs);
});

test('“Testing an application” is a test that passes', async (t) => {
  const [{ text, language }, ...others] = await examples('docs/guide/testing.md');
  assert.deepEqual([language, others], ['js', []]);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'example.mjs');
  await writeFile(file, text);
  await writeFile(file, await bundled(file));
  const run = new Program(t, process.execPath, ['--test', file]);
  assert.equal(await run.end(30_000), 0, run.output);
  assert.match(run.output, /^# pass 1$/m);
});
