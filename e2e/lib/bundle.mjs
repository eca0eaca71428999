/** Programs that import packages, made into one module as an application's bundler would. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './aldis.mjs';

const fromSdk = createRequire(join(ROOT, 'sdk/package.json'));
const fromHere = createRequire(import.meta.url);
// The SDK's own bundler.
const { rolldown } = await import(pathToFileURL(fromSdk.resolve('rolldown')).href);

/** The Reacts that there are: the oldest that is supported, which the SDK's types are checked against, and today's. */
export const REACTS = { 18: reactOf(fromSdk), 19: reactOf(fromHere) };

function reactOf({ resolve }) {
  return Object.fromEntries(['react', 'react-dom'].map((name) => [name, dirname(resolve(`${name}/package.json`))]));
}

/** Bundles the modules of `files`, by their names, beginning with the first; the others are imported as `./name`. */
export async function bundle(files, react = REACTS[19]) {
  const paths = new Map(Object.entries(files).map(([name, text]) => [join(ROOT, 'e2e', name), text]));
  const given = {
    name: 'given',
    resolveId: (id, importer) => [id, join(dirname(importer ?? ''), id)].find((path) => paths.has(path)),
    load: (id) => paths.get(id),
  };
  const built = await rolldown({
    input: [...paths.keys()][0],
    plugins: [given],
    // That the hooks are for the client says nothing where everything is.
    onLog: (level, log, tell) => log.code === 'MODULE_LEVEL_DIRECTIVE' || tell(level, log),
    platform: 'browser',
    resolve: {
      alias: { ...react, 'aldis-client-react': join(ROOT, 'sdk/react/dist/index.js'), 'aldis-client': join(ROOT, 'sdk/dist/index.js') },
    },
    transform: {
      jsx: 'react-jsx',
      define: {
        'process.env.NODE_ENV': '"development"',
        __VUE_OPTIONS_API__: 'false',
        __VUE_PROD_DEVTOOLS__: 'false',
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
      },
    },
  });
  const { output } = await built.generate({ format: 'esm', codeSplitting: false });
  return output[0].code;
}
