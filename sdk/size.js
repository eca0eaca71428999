/** Prints what a page has to load, and fails where it is more than we promise: docs/adr/0012-what-is-core-and-what-is-extra.md. */
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const KIB = 1024
const SOURCES = fileURLToPath(new URL('src/', import.meta.url))
const PROMISES = [
  { name: 'core: a room without calls', entries: ['signaling-entry'], lazily: true, most: 12 * KIB },
  { name: 'core: negotiate alone', entries: ['negotiate-entry'], most: 3.75 * KIB },
  { name: 'core: both in one bundle', entries: ['signaling-entry', 'negotiate-entry'] },
  { name: 'a room without calls, in one file (/signaling.js)', entries: ['signaling-entry'], most: 13.5 * KIB },
  { name: 'everything, in one file (/sdk.js)', entries: ['index'], most: 26 * KIB },
  { name: 'everything, as a bundler begins', entries: ['index'], lazily: true },
  { name: 'diagnose alone (/diagnose.js)', entries: ['diagnose'], most: 12 * KIB },
  { name: 'on top of it, the React hooks', entries: ['../react/src/index'], without: ['react', 'aldis-client'], most: 2 * KIB },
  { name: 'manual (/manual.js)', entries: ['manual/index'], most: 14 * KIB },
  { name: 'manual/qr (/qr.js, with the package `qr`)', entries: ['manual/qr'], most: 20 * KIB },
  { name: 'testing, beside the SDK', entries: ['testing/index'], most: 13 * KIB },
]

/** Extras of a room: what it would weigh without one of these files. */
const EXTRAS = { 'camera, microphone': 'devices', codecs: 'codecs', snapshots: 'snapshots', attributes: 'attributes' }

/** That the hooks are for the client says nothing here. */
const onLog = (level, log, tell) => log.code === 'MODULE_LEVEL_DIRECTIVE' || tell(level, log)

/** The bytes of some entries together, minified and gzipped, with or without what is loaded only when it is needed, or is imported as one of `without`. */
async function weigh(entries, { lazily = false, without = [] } = {}) {
  const all = entries.map((name) => `export * from ${JSON.stringify(`${SOURCES}${name}.ts`)}`).join('\n')
  const virtual = {
    name: 'all',
    resolveId: (id) => (id === 'all' ? id : undefined),
    load: (id) => (id === 'all' ? all : undefined),
  }
  const bundle = await rolldown({ input: 'all', plugins: [virtual], external: without, onLog })
  const { output } = await bundle.generate({ format: 'esm', minify: true, comments: false, codeSplitting: lazily })
  // What the first chunk imports is loaded with it.
  const first = new Set([output[0].fileName])
  for (const name of first) for (const other of output.find(({ fileName }) => fileName === name)?.imports ?? []) first.add(other)
  const sum = (chunks) => chunks.reduce((bytes, { code }) => bytes + gzipSync(code, { level: 9 }).length, 0)
  const [now, later] = [true, false].map((is) => sum(output.filter(({ fileName }) => first.has(fileName) === is)))
  return { first: now, later }
}

for (const { name, entries, most, lazily, without } of PROMISES) {
  const { first, later } = await weigh(entries, { lazily, without })
  const bound = (most ? `, of ${most}` : '') + (later ? `, and ${later} more when they are needed` : '')
  process.stdout.write(`size: ${name}: ${first} bytes minified and gzipped${bound}\n`)
  if (first > most) process.exitCode = 1
}
const whole = (await weigh(['index'])).first
for (const [name, without] of Object.entries(EXTRAS)) {
  process.stdout.write(
    `size: of it, ${name}: ${whole - (await weigh(['index'], { without: [new RegExp(`/${without}\\.ts$`)] })).first} bytes\n`,
  )
}
