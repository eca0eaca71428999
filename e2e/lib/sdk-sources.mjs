import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './aldis.mjs';

/** The bundler of the SDK, so that nothing has to be built before. */
const { rolldown } = await import(pathToFileURL(join(ROOT, 'sdk/node_modules/rolldown/dist/index.mjs')));

const ENTRIES = { 'aldis-client/testing': 'testing/index.ts', 'aldis-client': 'index.ts' };
const alias = Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(ROOT, 'sdk/src', file)]));

/** A program for Node in one file, with what it imports of `aldis-client` taken from its sources. */
export async function bundled(input) {
  const bundle = await rolldown({ input, platform: 'node', resolve: { alias } });
  const { output } = await bundle.generate({ format: 'esm' });
  return output[0].code;
}
