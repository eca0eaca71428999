/** The examples of the documentation: blocks whose info string ends in `run`. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { ROOT } from './aldis.mjs';

/** The blocks of a page of the documentation as `{ heading, language, text }`, in order. */
export async function examples(file) {
  const source = await readFile(join(ROOT, file), 'utf8');
  const found = [];
  let heading = '';
  for (const [, title, language, text] of source.matchAll(/^#+ (.+)$|^```(\w+) run\n([^]*?)^```$/gm)) {
    if (title) heading = title;
    else found.push({ heading, language, text });
  }
  return found;
}

/** Serves a page for the length of the test `t`, from another port than the development server on `aldis`, and returns its URL. */
export async function serve(t, html, aldis) {
  const pages = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><link rel="icon" href="data:,">${html.replaceAll('7654', aldis)}`);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.after(() => pages.close());
  return `http://localhost:${pages.address().port}/`;
}

/** Waits until the page shows exactly so many videos, each with a picture that moves. */
export async function plays(tab, count) {
  const shown = (count) => {
    const all = [...document.querySelectorAll('video')];
    return all.length === count && all.every(({ currentTime, videoWidth }) => videoWidth > 0 && currentTime > 0);
  };
  await tab.page.waitForFunction(shown, count).catch(async (error) => {
    const seen = await tab.page.evaluate(() => [
      document.body.innerText,
      ...[...document.querySelectorAll('video')].map(({ currentTime, videoWidth, readyState, paused, srcObject }) =>
        ({ currentTime, videoWidth, readyState, paused, tracks: srcObject?.getTracks().map(({ kind, muted, readyState }) => ({ kind, muted, readyState })) })),
    ]);
    throw new Error(`${tab.name} does not show ${count} videos that play, but ${JSON.stringify(seen)}`, { cause: error });
  });
}
