/** The snippets of `docs/guide/frameworks.md` for other frameworks than React, in small applications of theirs. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import WebSocket from 'ws';
import { startAldis } from './lib/aldis.mjs';
import { bundle } from './lib/bundle.mjs';
import { openTab } from './lib/chromium.mjs';
import { examples } from './lib/examples.mjs';
import { entry, servePackage } from './lib/package.mjs';
import { until } from './lib/sdk-page.mjs';
import { NO_DEVICES, assertQuiet } from './lib/tab.mjs';

const { SignalingClient } = await entry('signaling-entry.js');
// The test of React runs its own.
const SNIPPETS = (await examples('docs/guide/frameworks.md')).filter(({ heading }) => heading !== 'React');

/** Each shows `status: who, who` in `#root`, in the room of the name that `run` is given, until the function that it returns is called. */
const APPS = {
  Vue: `
    import { createApp, h } from 'vue'
    import { useRoom } from './room.js'
    export function run(url, options, text) {
      const app = createApp({ setup: () => {
        const call = useRoom(url, options)
        return () => h('p', text(call.value))
      } })
      app.mount('#root')
      return () => app.unmount()
    }`,
  Svelte: `
    import { roomStore } from './room.js'
    export function run(url, options, text) {
      const call = roomStore(url, options)
      const offs = [1, 2].map(() => call.subscribe((value) => { document.querySelector('#root').textContent = text(value) }))
      return () => offs.forEach((off) => off())
    }`,
  Solid: `
    import { render } from 'solid-js/web'
    import { createRoom } from './room.js'
    export function run(url, options, text) {
      const App = () => {
        const call = createRoom(url, options)
        return () => text(call())
      }
      return render(App, document.querySelector('#root'))
    }`,
};

const run = new Set();
after(() => assert.deepEqual([...run], SNIPPETS, 'every snippet is run'));

for (const [framework, app] of Object.entries(APPS)) {
  test(`${framework}: who comes and goes is shown, and whoever is unmounted has left`, async (t) => {
    const snippet = SNIPPETS.find(({ heading }) => heading === framework);
    run.add(snippet);
    const { port } = await startAldis(t, 'dev');
    const url = `http://localhost:${port}`;
    const tab = await openTab(t, framework, NO_DEVICES);
    await tab.page.goto(await servePackage(t, { 'app.js': await bundle({ 'app.js': app, 'room.js': snippet.text }) }));
    const begin = (options) =>
      tab.page.evaluate(
        async ({ url, options }) => {
          document.body.innerHTML = '<div id="root"></div>';
          const { run } = await import('/app.js');
          const text = ({ status, peers, error }) => `${status}: ${peers.map(({ identity }) => identity)}${error?.code ?? ''}`;
          window.end = run(url, options, text);
        },
        { url, options },
      );
    const shows = (text) => until(tab, text, (text) => document.querySelector('#root').textContent === text, text);

    await begin({ room: 'not a room' });
    await shows('failed: invalid-option');
    await tab.page.evaluate(() => window.end());

    await begin({ room: 'here' });
    await shows('joined: ');
    const other = await SignalingClient.join(url, { room: 'here', WebSocket });
    t.after(() => other.leave());
    await shows(`joined: ${other.me.identity}`);
    assert.equal(other.peers.size, 1, 'one stay');
    const left = new Promise((resolve) => other.on('peer-left', resolve));
    await tab.page.evaluate(() => window.end());
    assert.equal((await left).reason, 'left');
    assertQuiet(tab);
  });
}
