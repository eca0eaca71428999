/** Prints what a page has to load, and fails where it is more than we promise. */
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const KIB = 1024
const PROMISES = [
  { name: 'everything (/sdk.js)', input: 'src/index.ts', most: 20 * KIB },
  { name: 'signaling alone', input: 'src/signaling-entry.ts', most: 12 * KIB },
  { name: 'negotiate alone', input: 'src/negotiate.ts', most: 4 * KIB },
]

for (const { name, input, most } of PROMISES) {
  const bundle = await rolldown({ input })
  const { output } = await bundle.generate({ format: 'esm', minify: true, comments: false })
  const size = gzipSync(output[0].code, { level: 9 }).length
  process.stdout.write(`size: ${name}: ${size} bytes minified and gzipped, of ${most}\n`)
  if (size > most) process.exitCode = 1
}
