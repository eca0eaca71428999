import { defineConfig } from 'rolldown'

/**
 * The files that the server gives out, `/sdk.js` and so on. They are checked in, so that building the server needs no Node. What bundlers
 * load only when it is needed is in them too.
 */
const FILES = {
  'sdk.js': 'src/index.ts',
  'signaling.js': 'src/signaling-entry.ts',
  'diagnose.js': 'src/diagnose.ts',
  'manual.js': 'src/manual/index.ts',
  'qr.js': 'src/manual/qr.ts',
}

export default defineConfig(
  Object.entries(FILES).map(([name, input]) => ({
    input,
    output: { file: `../crates/server/assets/${name}`, format: 'esm', minify: true, comments: false, codeSplitting: false },
  })),
)
