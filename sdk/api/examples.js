/** Type-checks every `@example` of the sources: each becomes a file in target/, with what a page would have around it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCES = [new URL('../src/', import.meta.url), new URL('../react/src/', import.meta.url)]
const OUT = new URL('../../target/sdk-examples/', import.meta.url)

/** Where what the examples name comes from: types and values. */
const FROM = {
  'src/signaling-entry.ts': 'PeerInfo PeerSignal SignalingClient SignalingClientEvents SignalingSnapshot',
  'src/index.ts': `AldisError AldisErrorCode AldisErrorDetails Cancel Channel ChannelEvents ClientErrorCode Clock CodecPreferences ConnectOption
    ConnectionStats Emitter Environment ErrorCode FlowStats IceServer JoinOptions JsonObject LeaveReason Negotiation NegotiationLink
    NegotiationMessage NegotiationStep OpenSocket PageEvent Peer PeerSnapshot PeerState PeerStats Presence Room RoomSnapshot RoomStats
    SignalingEnvironment Socket SocketEvents Status StatusEvent TokenOption Transport Unsubscribe joinRoom negotiate openWebSocket`,
  'src/diagnose.ts': `Begun CHECKS Check CheckId CheckStatus DiagnoseOptions DiagnosisEnvironment FindingCode PageFacts Progress Report
    diagnose`,
  'src/manual/index.ts': 'Call Invitation ManualOptions OtherSide Reply answer invite',
  'src/manual/qr.ts': 'drawQr readQr scanQr',
  'src/testing/index.ts': 'TestClaims TestClock TestNetwork TestServer TestServerOptions Whom createTestServer settle',
  'react/src/index.ts': `ChannelHandlers InsideRoom OutsideRoom RoomOptions RoomState SnapshotSource Video VideoProps useChannel usePeer usePeers
    useRoom useRoomEvent useSnapshot useStream`,
}

const IMPORTS = Object.entries(FROM).map(([file, names]) => `import { ${names.split(/\s+/).join(', ')} } from '../../sdk/${file}'\n`)

const AROUND = `${IMPORTS.join('')}import { createElement } from 'react'
declare const room: Room
declare const peer: Peer
declare const client: SignalingClient
declare const chat: Channel
declare const alice: Room
declare const clock: TestClock
declare const negotiation: Negotiation
declare const report: Report
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
    verbatimModuleSyntax: false,
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
