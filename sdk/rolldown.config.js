import { defineConfig } from 'rolldown'

/**
 * The one file that the server gives out at `/sdk.js`. It is checked in, so that building the server needs no Node. What bundlers load only
 * when it is needed is in it too.
 */
export default defineConfig({
  input: 'src/index.ts',
  output: { file: '../crates/server/assets/sdk.js', format: 'esm', minify: true, comments: false, codeSplitting: false },
})
