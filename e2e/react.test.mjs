/** The React hooks, in StrictMode: the example of the guide, and an application whose props change. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import WebSocket from 'ws';
import { startAldis } from './lib/aldis.mjs';
import { REACTS, bundle } from './lib/bundle.mjs';
import { openTab } from './lib/chromium.mjs';
import { examples, plays } from './lib/examples.mjs';
import { entry, servePackage } from './lib/package.mjs';
import { until } from './lib/sdk-page.mjs';
import { FAKE_DEVICES, NO_DEVICES, PATIENCE_MS, assertQuiet } from './lib/tab.mjs';

const APP = await readFile(new URL('lib/react-app.jsx', import.meta.url), 'utf8');
const GUIDE = await examples('docs/guide/frameworks.md');
const [README] = await examples('sdk/react/README.md');
const { SignalingClient } = await entry('signaling-entry.js');

/** Opens a page of a bundle, in an element `root` that has this HTML already. */
async function open(t, tab, code, html = '') {
  await tab.page.goto(await servePackage(t, { 'app.js': code }));
  await tab.page.evaluate((html) => {
    document.body.innerHTML = `<div id="root">${html}</div>`;
    return import('/app.js');
  }, html);
}

/** Renders the application in a room, as a page would that writes its options in place. */
const show = (tab, port, { mark = 'first', holds = false, ...options } = {}) =>
  tab.page.evaluate(
    ({ url, mark, holds, options }) => {
      if (holds) options.environment = { openSocket: window.openSocket };
      const token = async () => {
        const query = new URLSearchParams({ room: options.room, identity: mark });
        return (await (await fetch(`${url}/dev/token?${query}`)).json()).token;
      };
      window.show({ url, mark, options: options.room === undefined ? null : { token, connect: () => true, ...options } });
    },
    { url: `http://localhost:${port}`, mark, holds, options },
  );

const says = (tab, status) => until(tab, status, (status) => document.querySelector('#status')?.textContent === status, status);

/** Somebody in a room who keeps a list of who comes and goes, and greets everybody. */
async function watch(t, port, room) {
  const client = await SignalingClient.join(`http://localhost:${port}`, { room, WebSocket });
  t.after(() => client.leave());
  const log = [];
  client.on('peer-joined', ({ peer }) => {
    log.push(`${peer.identity} joined`);
    client.send(peer.id, 'welcome').catch(() => undefined);
  });
  client.on('peer-left', ({ peer, reason }) => log.push(`${peer.identity} ${reason}`));
  return { client, log };
}

/** Waits until something holds, and not for ever: what follows says whether it does. */
async function eventually(holds) {
  for (let left = PATIENCE_MS; !holds() && left > 0; left -= 50) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Waits until a list is as long as the other, which it must be equal to. */
async function becomes(list, wanted) {
  await eventually(() => list.length >= wanted.length);
  assert.deepEqual(list, wanted);
}

for (const [version, react] of Object.entries(REACTS)) {
  test(`React ${version}: the example of the guide shows everybody, and nobody who has gone`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const [{ text }] = GUIDE.filter(({ language }) => language === 'jsx');
    const code = await bundle({ 'guide.jsx': text.replaceAll('7654', port) }, react);
    const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, FAKE_DEVICES)));
    for (const tab of tabs) await open(t, tab, code);
    for (const tab of tabs) await plays(tab, 2);
    await tabs[1].page.close();
    await plays(tabs[0], 1);
    assertQuiet(...tabs);
  });

  test(`React ${version}: the lines of the README are a call`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const render = `
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
createRoot(document.getElementById('root')).render(<StrictMode><Call /></StrictMode>)`;
    const code = await bundle({ 'readme.jsx': README.text.replaceAll('7654', port) + render }, react);
    const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, FAKE_DEVICES)));
    for (const tab of tabs) await open(t, tab, code);
    for (const tab of tabs) await plays(tab, 1);
    await tabs[1].page.close();
    await plays(tabs[0], 0);
    assertQuiet(...tabs);
  });

  test(`React ${version}: one stay for one room, whatever is rendered`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const [here, there] = [await watch(t, port, 'here'), await watch(t, port, 'there')];
    const tab = await openTab(t, 'page', NO_DEVICES);
    let sockets = 0;
    let tokens = 0;
    tab.page.on('websocket', () => (sockets += 1));
    tab.page.on('request', (request) => (tokens += request.url().includes('/dev/token') ? 1 : 0));
    await open(t, tab, await bundle({ 'app.jsx': APP }, react));

    await show(tab, port, { room: 'here' });
    await says(tab, 'joined');
    await until(tab, 'the greeting', () => window.seen.messages.length > 0);
    for (let count = 0; count < 20; count += 1) await show(tab, port, { room: 'here', mark: `mark ${count}` });
    await here.client.send([...here.client.peers.keys()][0], 'again');
    assert.deepEqual(await tab.page.evaluate(() => window.seen.messages), ['first: welcome', 'mark 19: again']);
    assert.deepEqual([here.log, sockets, tokens], [['first joined'], 1, 1], 'StrictMode joined once, and rendering did not');

    await show(tab, port, { room: 'there', mark: 'second' });
    await becomes(there.log, ['second joined']);
    await says(tab, 'joined');
    await becomes(here.log, ['first joined', 'first left']);
    await show(tab, port, { mark: 'third' });
    await says(tab, 'idle');
    await becomes(there.log, ['second joined', 'second left']);

    await show(tab, port, { room: 'there', mark: 'fourth' });
    await says(tab, 'joined');
    await show(tab, port, { room: 'there', mark: 'fifth' });
    await tab.page.evaluate(() => window.seen.rejoin());
    await becomes(there.log, ['second joined', 'second left', 'fourth joined', 'fourth left', 'fifth joined']);
    await says(tab, 'joined');
    await tab.page.evaluate(() => window.hide());
    await becomes(there.log, ['second joined', 'second left', 'fourth joined', 'fourth left', 'fifth joined', 'fifth left']);
    assert.equal(sockets, 4);
    assertQuiet(tab);
  });

  test(`React ${version}: whoever is unmounted while joining leaves nobody behind`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const { client, log } = await watch(t, port, 'here');
    const tab = await openTab(t, 'page', NO_DEVICES);
    await open(t, tab, await bundle({ 'app.jsx': APP }, react));
    // As far as the token, the handshake, the welcome: none of it is awaited.
    for (let ms = 0; ms < 60; ms += 5) {
      await show(tab, port, { room: 'here' });
      await new Promise((resolve) => setTimeout(resolve, ms));
      await tab.page.evaluate(() => window.hide());
    }
    await show(tab, port, { room: 'here', mark: 'last' });
    await says(tab, 'joined');
    // Whatever came of the others is over when as many have left as have come.
    const count = (line) => log.filter((one) => one === line).length;
    await eventually(() => count('first left') === count('first joined'));
    assert.deepEqual([...client.peers.values()].map(({ identity }) => identity), ['last']);
  });
}

for (const [version, react] of Object.entries(REACTS)) {
  test(`React ${version}: a message that comes right behind the welcome is heard`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    await watch(t, port, 'here');
    const tab = await openTab(t, 'page', NO_DEVICES);
    await open(t, tab, await bundle({ 'app.jsx': APP }, react));
    await show(tab, port, { room: 'here', holds: true });
    await until(tab, 'the greeting', () => window.seen.messages.includes('first: welcome'));
    assertQuiet(tab);
  });
}

test('a room that cannot be joined is an error, and is joined by another try', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const tab = await openTab(t, 'page', NO_DEVICES);
  await open(t, tab, await bundle({ 'app.jsx': APP }));
  await show(tab, port, { room: 'here', joinTimeoutMs: -1 });
  await says(tab, 'failed');
  assert.equal(await tab.page.evaluate(() => window.seen.error.code), 'invalid-option');
  await tab.page.evaluate((url) => window.show({ url, mark: 'first' }), `http://localhost:${port}`);
  await until(tab, 'options are missed', () => window.seen.error?.message === '`options` must be an object, not undefined.');
  await show(tab, port, { room: 'here', joinTimeoutMs: -1 });
  await until(tab, 'options are there', () => window.seen.error?.message.includes('joinTimeoutMs'));
  await show(tab, port, { room: 'here' });
  await says(tab, 'failed');
  await tab.page.evaluate(() => window.seen.rejoin());
  await says(tab, 'joined');
  assert.equal(await tab.page.evaluate(() => window.seen.error), undefined);
  assertQuiet(tab);
});

test('what changes is rendered and nothing else, and channels are heard from their beginning', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [still, busy] = [await watch(t, port, 'here'), await watch(t, port, 'here')];
  const code = await bundle({ 'app.jsx': APP });
  const tabs = await Promise.all(['first', 'second'].map((name) => openTab(t, name, NO_DEVICES)));
  for (const tab of tabs) {
    await open(t, tab, code);
    await show(tab, port, { room: 'here', mark: tab.name });
  }
  await until(tabs[0], 'the channel', () => window.seen.lines.includes('hello from second'));
  await until(tabs[1], 'the channel', () => window.seen.lines.includes('hello from first'));

  const [first] = tabs;
  await first.page.evaluate(() => void (window.seen.renders = []));
  busy.client.setAttributes({ hand: 'up' });
  await first.page.locator('li', { hasText: `${busy.client.me.identity} up` }).waitFor();
  assert.deepEqual(new Set(await first.page.evaluate(() => window.seen.renders)), new Set([busy.client.me.identity]));
  still.client.leave();
  await first.page.locator('li', { hasText: still.client.me.identity }).waitFor({ state: 'detached' });
  assertQuiet(...tabs);
});

test('what a server rendered joins in the browser', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const { log } = await watch(t, port, 'here');
  const server = `
    import { renderToString } from 'react-dom/server.edge'
    import { App } from './app.jsx'
    export const html = renderToString(<App url="http://localhost:${port}" mark="first" options={{ room: 'here' }} />)`;
  const code = await bundle({ 'server.jsx': server, 'app.jsx': APP });
  const { html } = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
  assert.match(html, /connecting/);
  const tab = await openTab(t, 'page', NO_DEVICES);
  await open(t, tab, await bundle({ 'app.jsx': APP }), html);
  await show(tab, port, { room: 'here' });
  await says(tab, 'joined');
  assert.deepEqual(log, ['first joined']);
  assertQuiet(tab);
});
