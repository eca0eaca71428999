/** Firefox and Chromium with each other, on the page without an SDK. */
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { openFirefoxTab } from './lib/firefox.mjs';
import { chat, connected, enter } from './lib/raw-page.mjs';
import { FAKE_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

const OPEN = { Chromium: openTab, Firefox: openFirefoxTab };

for (const [there, comes] of [['Chromium', 'Firefox'], ['Firefox', 'Chromium']]) {
  test(`${comes} comes to ${there}, and they see, hear and write to each other`, async (t) => {
    const { port } = await startAldis(t, 'dev');
    const [first, second] = await Promise.all([there, comes].map((name) => OPEN[name](t, name, FAKE_DEVICES)));
    await enter(first, port, 'alone');
    const opened = performance.now();
    await enter(second, port, 'with 1 more');
    await Promise.all([connected(first, 1), connected(second, 1)]);
    t.diagnostic(`connected ${Math.round(performance.now() - opened)} ms after ${comes} opened the page`);

    for (const tab of [first, second]) {
      const before = await receives(tab, { audio: 1, video: 1 });
      const after = await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
      t.diagnostic(`${tab.name}: ${after.video} frames decoded, ${after.audio} bytes of audio`);
    }
    await chat(first, `hello from ${there}`, second);
    await chat(second, `hello from ${comes}`, first);
    assertQuiet(first, second);
  });
}
