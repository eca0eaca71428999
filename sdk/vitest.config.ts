import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // What the hooks import is what is here, not what was built.
  resolve: { alias: { 'aldis-client': fileURLToPath(new URL('src/index.ts', import.meta.url)) } },
  // A bound for a test that hangs, on a machine that may be busy; the slowest takes a second where it is not.
  test: { testTimeout: 60_000 },
})
