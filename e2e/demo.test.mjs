/** `web/demo`, the page of `aldis dev`: real browsers, real media, the real server. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join as path } from 'node:path';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { ROOT, startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { chat, complaint, fact, join, open, othersAre, plays, says, tiles } from './lib/demo.mjs';
import { screenOfCanvas } from './lib/screen.mjs';
import { FAKE_DEVICES, NO_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const OUT = path(ROOT, 'e2e/out');
before(() => mkdir(OUT, { recursive: true }));

test('two browsers see, hear and write to each other, and leave and come back', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = await twoTabs(t, port);
  const [first, second] = tabs;
  for (const tab of tabs) {
    const before = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
    await plays(tab, 'other');
    await plays(tab, 'me');
  }
  await chat(first, 'hello from the first', second);
  await chat(second, 'hello from the second', first);

  assert.match(await fact(first, 'offer'), /^sent \+\d+ ms$/);
  assert.match(await fact(first, 'answer'), /^received \+\d+ ms$/);
  assert.match(await fact(second, 'offer'), /^received \+\d+ ms$/);
  assert.match(await fact(second, 'answer'), /^sent \+\d+ ms$/);
  for (const tab of tabs) {
    assert.match(await fact(tab, 'candidate'), /^[1-9]\d* sent, [1-9]\d* received$/);
    assert.match(await fact(tab, 'connected'), /^\+\d+ ms$/);
  }

  await first.page.screenshot({ path: path(OUT, 'demo-two-light.png'), fullPage: true });
  await second.page.emulateMedia({ colorScheme: 'dark' });
  await second.page.setViewportSize({ width: 360, height: 760 });
  await second.page.click('#code summary');
  assert.ok(await second.page.evaluate(() => document.documentElement.scrollWidth <= 360), 'nothing is wider than 360 px');
  await second.page.screenshot({ path: path(OUT, 'demo-two-dark-360.png'), fullPage: true });

  await second.page.click('#leave');
  await says(second, 'You left the room.');
  await Promise.all([says(first, 'alone'), tiles(first, 'other', 0)]);
  await second.page.click('#join button');
  for (const tab of tabs) await othersAre(tab, 'connected');
  await chat(second, 'back again', first);
  assertQuiet(...tabs);
});

test('the others see who is muted and whose camera is off', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [first, second] = await twoTabs(t, port);
  const muted = first.page.locator('figure[data-kind="other"] .muted');
  await plays(first, 'other');
  await muted.waitFor({ state: 'hidden' });
  await second.page.click('#mute');
  await muted.waitFor({ state: 'visible' });
  assert.equal(await second.page.getAttribute('#mute', 'aria-pressed'), 'true');
  await second.page.click('#mute');
  await muted.waitFor({ state: 'hidden' });

  // Twice, because what is switched on again travels in a section that was used before.
  for (const round of [1, 2]) {
    t.diagnostic(`camera, round ${round}`);
    await second.page.click('#camera');
    await first.page.locator('figure[data-kind="other"] video').waitFor({ state: 'hidden' });
    await second.page.click('#camera');
    await plays(first, 'other');
    const { video } = await receives(first, { audio: 1, video: 1 });
    await receives(first, { audio: 1, video: video + 10 });
  }
  assertQuiet(first, second);
});

test('a screen is shared beside the camera, until its user or the browser ends it', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [first, second] = await twoTabs(t, port, { prepare: screenOfCanvas });
  for (const end of [clickAgain, endInBrowser]) {
    await first.page.click('#screen');
    for (const tab of [first, second]) await plays(tab, 'screen', 'wide');
    assert.match(await second.page.innerText('figure[data-kind="screen"] .name'), /^guest-\w+’s screen$/);
    await plays(second, 'other');
    await end(first);
    for (const tab of [first, second]) await tiles(tab, 'screen', 0);
    assert.equal(await first.page.getAttribute('#screen', 'aria-pressed'), 'false');
  }
  assertQuiet(first, second);
});

test('with the network dropped the call goes on, and the page finds its way back', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [first, second] = await twoTabs(t, port);
  await first.page.click('#drop');
  await says(first, 'Reconnecting');
  assert.match(await first.page.innerText('#countdown'), /^(Next try in \d+ s\.|Trying …)$/);
  assert.match(await complaint(first, 'server-unreachable'), /You dropped the network.*chat go on/s);
  await othersAre(second, 'out of the server’s reach');
  await chat(first, 'can you hear me', second);
  await chat(second, 'yes', first);
  for (const tab of [first, second]) {
    const { video } = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: 1, video: video + 10 });
  }
  await first.page.screenshot({ path: path(OUT, 'demo-dropped.png'), fullPage: true });

  await first.page.locator('#drop[aria-pressed="false"]').waitFor();
  await says(first, 'with 1 more');
  assert.equal(await first.page.locator('.notice').count(), 0);
  await second.page.locator('.state', { hasText: /^connected$/ }).waitFor();
  assert.equal(await second.page.locator('#lines', { hasText: 'left.' }).count(), 0);
  assertQuiet(first, second);
});

test('who has no camera, or may not use it, is told why and takes part all the same', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const camera = await openTab(t, 'camera', FAKE_DEVICES);
  const missing = await openTab(t, 'missing', NO_DEVICES);
  // As on a page that came over plain http from another machine.
  const insecure = await openTab(t, 'insecure', FAKE_DEVICES, {
    prepare: () => Object.defineProperty(navigator, 'mediaDevices', { value: undefined }),
  });
  const denied = await openTab(t, 'denied', FAKE_DEVICES);
  await denied.context.clearPermissions();
  const expected = [[missing, 'media-missing', /Plug one in/], [insecure, 'insecure-context', /over https/], [denied, 'media-denied', /address bar/]];
  await join(camera, port);
  await says(camera, 'In the room');
  for (const [tab, code, advice] of expected) {
    await join(tab, port);
    assert.match(await complaint(tab, code), advice);
    assert.equal(await tab.page.getAttribute('#camera', 'aria-pressed'), 'true');
  }
  for (const tab of [missing, insecure]) {
    // Without the permission Chromium offers no loopback address, so the one that was denied reaches nobody on this machine.
    await receives(tab, { audio: 1, video: 10 });
    await chat(tab, `hello from ${tab.name}`, camera);
  }
  await denied.page.screenshot({ path: path(OUT, 'demo-denied.png'), fullPage: true });

  await denied.context.grantPermissions(['camera', 'microphone']);
  await denied.page.click('.notice .action');
  await plays(denied, 'me');
  assert.equal(await denied.page.locator('.notice').count(), 0);
  assertQuiet(camera, missing, insecure, denied);
});

test('where the browser plays no sound, a click does', async (t) => {
  const { port } = await startAldis(t, 'dev');
  // The click on “Join” already allows sound here: so this is a browser that wants one more.
  const [first] = await twoTabs(t, port, { prepare: soundWantsAnotherClick });
  await first.page.locator('#listen').waitFor();
  await plays(first, 'other');
  assert.ok(await first.page.evaluate(() => document.querySelector('figure[data-kind="other"] video').muted));
  await first.page.click('#listen');
  await first.page.locator('#listen').waitFor({ state: 'hidden' });
  assert.deepEqual(
    await first.page.$$eval('figure video', (videos) => videos.map(({ muted, paused }) => ({ muted, paused }))),
    [{ muted: true, paused: false }, { muted: false, paused: false }],
  );
  assertQuiet(first);
});

test('who is not let in is told why, and may try again', async (t) => {
  const { port, program } = await startAldis(t, 'dev', { ALDIS_LIMITS_ROOM_PEERS: '1' });
  const [first, second] = [await openTab(t, 'first', NO_DEVICES), await openTab(t, 'second', NO_DEVICES)];
  await join(first, port);
  await says(first, 'In the room');
  await join(second, port);
  assert.match(await complaint(second, 'room-full'), /The room has 1 peer/);
  await second.page.screenshot({ path: path(OUT, 'demo-full.png'), fullPage: true });
  await first.page.click('#leave');
  await says(first, 'You left the room.');
  await second.page.click('.notice .action');
  await says(second, 'In the room');

  await join(second, port, { token: 'a.wrong.token' });
  t.diagnostic(await complaint(second, 'token-invalid'));
  await join(second, port, { token: 'no token' });
  assert.match(await complaint(second, 'token-failed'), /`token` of type string is not a JSON Web Token/);
  assertQuiet(first, second);

  await open(second, port);
  await program.stop();
  await second.page.click('#join button');
  assert.match(await complaint(second, 'server-unreachable'), /Check the server/);
  assert.ok(await second.page.locator('.notice .action', { hasText: 'Try again' }).isVisible());
});

test('who is removed is told so, and may join again', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [first, second] = await twoTabs(t, port);
  await removeEverybody(t, port);
  for (const tab of [first, second]) t.diagnostic(await complaint(tab, 'removed'));
  await first.page.screenshot({ path: path(OUT, 'demo-removed.png'), fullPage: true });
  for (const tab of [first, second]) await tab.page.click('.notice[data-code="removed"] .action');
  for (const tab of [first, second]) {
    await says(tab, 'with 1 more');
    await othersAre(tab, /^connected$/);
    await tiles(tab, 'other', 1);
  }
  await chat(first, 'here again', second);
});

test('nothing in the page would need an inline script or style to be allowed', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tab = await openTab(t, 'reader', NO_DEVICES);
  await open(tab, port);
  const inline = await tab.page.evaluate(async () => {
    const source = await (await fetch('/')).text();
    const page = new DOMParser().parseFromString(source, 'text/html');
    const all = [page, ...[...page.querySelectorAll('template')].map(({ content }) => content)].flatMap((part) => [...part.querySelectorAll('*')]);
    const isInline = (one) => one.matches('script:not([src]), style, [style]') || one.getAttributeNames().some((name) => name.startsWith('on'));
    return { elements: all.length > 50, inline: all.filter(isInline).map(({ outerHTML }) => outerHTML) };
  });
  assert.deepEqual(inline, { elements: true, inline: [] });
});

test('the lines that the page shows put a call into another page', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tabs = [await openTab(t, 'first', FAKE_DEVICES), await openTab(t, 'second', FAKE_DEVICES)];
  await open(tabs[0], port);
  const shown = await tabs[0].page.textContent('#code code');
  const pages = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    // A page of another port; its own server would give out the library and be the one that is joined.
    response.end(`<!doctype html><link rel="icon" href="data:,">${shown
      .replace("'/sdk.js'", `'http://localhost:${port}/sdk.js'`)
      .replace('location.origin', `'http://localhost:${port}'`)}`);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.after(() => pages.close());

  const videos = (tab, count) =>
    tab.page.waitForFunction((count) => {
      const all = [...document.querySelectorAll('video')];
      return all.length === count && all.every(({ videoWidth }) => videoWidth > 0);
    }, count);
  for (const { page } of tabs) await page.goto(`http://localhost:${pages.address().port}/`);
  for (const tab of tabs) await videos(tab, 2);
  await tabs[1].page.close();
  await videos(tabs[0], 1);
  assertQuiet(...tabs);
});

/** Two tabs, one after the other, in one room and connected. */
async function twoTabs(t, port, options) {
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, FAKE_DEVICES, options)));
  await join(tabs[0], port);
  await says(tabs[0], 'alone');
  await join(tabs[1], port);
  for (const tab of tabs) await othersAre(tab, 'connected');
  return tabs;
}

function clickAgain(tab) {
  return tab.page.click('#screen');
}

/** As the browser's own “Stop sharing” does. */
function endInBrowser(tab) {
  return tab.page.evaluate(() => {
    for (const track of window.shared.getTracks()) {
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }
  });
}

function soundWantsAnotherClick() {
  const { play } = HTMLMediaElement.prototype;
  let clicked = false;
  addEventListener('click', ({ target }) => (clicked ||= target.id === 'listen'), { capture: true });
  HTMLMediaElement.prototype.play = function () {
    if (clicked || this.muted) return play.call(this);
    return Promise.reject(new DOMException('The user did not interact.', 'NotAllowedError'));
  };
}

/** A moderator, who ends the stay of whoever is in the room, and leaves. */
async function removeEverybody(t, port) {
  const query = new URLSearchParams({ room: 'e2e', identity: 'moderator' });
  const { url, token } = await (await fetch(`http://localhost:${port}/dev/token?${query}`, { signal: AbortSignal.timeout(5_000) })).json();
  const socket = new WebSocket(`${url}?${new URLSearchParams({ room: 'e2e', token })}`);
  t.after(() => socket.terminate());
  const [welcome] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
  for (const { id } of JSON.parse(welcome).peers) socket.send(JSON.stringify({ type: 'remove', id, reason: 'a test' }));
  socket.send(JSON.stringify({ type: 'leave' }));
  await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
}
