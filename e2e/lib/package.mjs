/** The npm package of the SDK, as `npm --prefix sdk run build` leaves it, for pages, workers and Node. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './aldis.mjs';

const DIST = join(ROOT, 'sdk/dist');

/** One of its entries, as Node imports it. */
export const entry = (name) => import(pathToFileURL(join(DIST, name)).href);

/** Serves it and an empty page for the length of the test `t`, and returns the URL of the page's folder. */
export async function servePackage(t, files = {}) {
  const pages = createServer(async ({ url }, response) => {
    const name = url.slice(1);
    if (name === '') return response.setHeader('content-type', 'text/html').end('<!doctype html><link rel="icon" href="data:,">');
    response.setHeader('content-type', 'text/javascript');
    const text = files[name] ?? (await readFile(join(DIST, name), 'utf8').catch(() => undefined));
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.after(() => pages.close());
  return `http://localhost:${pages.address().port}/`;
}
