/** The example of the README, as a reader would paste it into a page of their own. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { NO_DEVICES } from './lib/tab.mjs';

test('the ten lines of the README connect two pages of another port', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, example] = readme.match(/```html\n([^]*?)```/);
  const pages = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><link rel="icon" href="data:,">${example.replaceAll('7654', port)}`);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.after(() => pages.close());

  const tabs = [await openTab(t, 'first', NO_DEVICES), await openTab(t, 'second', NO_DEVICES)];
  const greeted = tabs.map(({ page }) => page.waitForEvent('console', { predicate: (message) => message.text() === 'hello' }));
  for (const { page } of tabs) {
    const welcome = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framereceived'));
    await page.goto(`http://localhost:${pages.address().port}/`);
    // The second comes when the first is in the room.
    await welcome;
  }
  await Promise.all(greeted);
});
