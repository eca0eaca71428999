/** Type-checks every `@example` of the sources: each becomes a file in target/, with what a page would have around it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCES = [new URL('../src/', import.meta.url), new URL('../react/src/', import.meta.url)]
const OUT = new URL('../../target/sdk-examples/', import.meta.url)
const AROUND = `import { AldisError, joinRoom, negotiate, type Channel, type Peer, type Room } from '../../sdk/src/index.ts'
import { SignalingClient } from '../../sdk/src/signaling-entry.ts'
import { CHECKS, diagnose } from '../../sdk/src/diagnose.ts'
import { useChannel, usePeer, usePeers, useRoom, useRoomEvent, useSnapshot, useStream, Video } from '../../sdk/react/src/index.ts'
import { createElement } from 'react'
import { answer, invite, type Call, type Invitation } from '../../sdk/src/manual/index.ts'
import { drawQr, readQr, scanQr } from '../../sdk/src/manual/qr.ts'
import { createTestServer, settle, TestClock, type TestNetwork, type TestServer } from '../../sdk/src/testing/index.ts'
declare const room: Room
declare const peer: Peer
declare const client: SignalingClient
declare const chat: Channel
declare const pc: RTCPeerConnection
declare const port: MessagePort
declare const video: HTMLVideoElement
declare const token: string
declare const id: string
declare const parts: ArrayBuffer[]
declare const call: Call
declare const invitation: Invitation
declare const camera: MediaStream
declare const canvas: HTMLCanvasElement
declare const carried: () => Promise<string>
declare const network: TestNetwork
declare const pasted: string
declare const picture: HTMLImageElement
declare const server: TestServer
declare const show: (...what: unknown[]) => void
declare const greet: (peer: Peer) => void
`

rmSync(OUT, { recursive: true, force: true })
mkdirSync(OUT, { recursive: true })
let count = 0
const files = SOURCES.flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => new URL(name, folder)))
for (const file of files.filter(({ pathname }) => pathname.endsWith('.ts'))) {
  const source = readFileSync(file, 'utf8')
  for (const [, body] of source.matchAll(/@example\n([^]*?)(?=\n *\* @|\n *\*\/)/g)) {
    const example = body.replaceAll(/^ *\* ?/gm, '')
    count += 1
    writeFileSync(new URL(`${basename(file.pathname, '.ts')}-${count}.ts`, OUT), `${AROUND}export async function example() {\n${example}\n}\n`)
  }
}
const options = {
  extends: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
  compilerOptions: {
    rootDir: '/',
    noUnusedLocals: false,
    isolatedDeclarations: false,
    paths: {
      'aldis-client': [fileURLToPath(new URL('../src/index.ts', import.meta.url))],
      react: [fileURLToPath(new URL('../node_modules/@types/react/index.d.ts', import.meta.url))],
    },
  },
  include: ['*.ts'],
}
writeFileSync(new URL('tsconfig.json', OUT), JSON.stringify(options))
// A package of modules, as the SDK is: else its imports would be those of CommonJS.
writeFileSync(new URL('package.json', OUT), '{ "type": "module" }')
const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', import.meta.url))
const { status } = spawnSync(process.execPath, [tsc, '--project', fileURLToPath(OUT)], { stdio: 'inherit' })
process.exitCode = status ?? 1
if (status === 0) process.stdout.write(`api: ${count} examples have the types that they should\n`)
