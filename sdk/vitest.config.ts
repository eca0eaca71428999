import { defineConfig } from 'vitest/config'

// A bound for a test that hangs, on a machine that may be busy; the slowest takes a second where it is not.
export default defineConfig({ test: { testTimeout: 60_000 } })
