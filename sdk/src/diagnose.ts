/**
 * Finds out why calls do not come about: of the page, the server, the token, the clocks, the ways to the server, STUN and TURN, and of
 * camera and microphone it says what it found and what to do.
 *
 * ```text
 *   page ─┬─► token ─┬─► server ──────────────► token's verdict, clock
 *         │          └─► websocket ─► event-stream
 *         │                  └── ICE servers ─► stun, turn-udp, turn-tcp, turn-tls, relay: side by side
 *         └─► camera, microphone
 * ```
 *
 * Each check has 5 s, and the longest chain of them is three long.
 *
 * @packageDocumentation
 */

import { browserDiagnosis, checkDiagnosis, type DiagnosisEnvironment } from './diagnose/environment.ts'
import { checkAll } from './diagnose/plan.ts'
import { shortAgent } from './diagnose/redact.ts'
import { type Report, reportOf } from './diagnose/report.ts'
import { type Progress, Run } from './diagnose/run.ts'
import { checkRoom, endpointOf } from './endpoint.ts'
import { rethrow } from './errors.ts'
import { checkIceServers } from './ice-servers.ts'
import { type Checks, checkFunction, checkOptions, checkSignal, oneOf } from './options.ts'
import { checkToken, type TokenOption } from './token.ts'

export type { DiagnosisEnvironment, PageFacts } from './diagnose/environment.ts'
export {
  CHECKS,
  type Check,
  type CheckId,
  type CheckStatus,
  type Details,
  type FindingCode,
  type Report,
} from './diagnose/report.ts'
export type { Begun, Progress } from './diagnose/run.ts'

/**
 * What to check, and how.
 *
 * @example
 * const options: DiagnoseOptions = { token, devices: 'ask', onProgress: ({ id, status }) => show(id, status) }
 * const report = await diagnose('https://rtc.example.org', options)
 */
export interface DiagnoseOptions {
  /**
   * The room to look at. By default that of the token; where a development server gives out tokens, a room of its own. The check is in the room for a
   * moment, and whoever is there sees somebody come and leave.
   */
  readonly room?: string
  /** As for `joinRoom`: a token of your backend, or a function that gets one. Without it a development server is asked. */
  readonly token?: TokenOption
  /** ICE servers to check in the place of those that the server names. */
  readonly iceServers?: readonly RTCIceServer[]
  /** What to do about camera and microphone: only `look` (the default), or `ask`, which opens them and may ask the user. */
  readonly devices?: 'look' | 'ask'
  /** Hears of each check when it begins and when it is done. */
  readonly onProgress?: (progress: Progress) => void
  /** Ends it all. */
  readonly signal?: AbortSignal
  /** Replaces what is taken from the browser. */
  readonly environment?: Partial<DiagnosisEnvironment>
}

const CHECKED: Checks = {
  room: checkRoom,
  token: checkToken,
  iceServers: checkIceServers,
  devices: oneOf("'look' or 'ask'"),
  onProgress: checkFunction,
  signal: checkSignal,
  environment: checkDiagnosis,
}

/** How long all checks together take at most, in milliseconds. */
const WHOLE_MS = 15_000

/**
 * Checks what a call needs. Resolves within 15 s, whatever is wrong; what is wrong is in the report. It tries real ways: it joins the room
 * of the token for a moment, and opens relays. Where there is no page or no WebRTC, as under Node, those checks are skipped.
 *
 * @param url the server, as `https://rtc.example.org`, or a path of the page's own
 * @param options how to get a token, and what to check
 * @throws AldisError when an option is wrong (`invalid-option`), and the reason of the `signal` when that is aborted
 * @example
 * const report = await diagnose('https://rtc.example.org', { token })
 * for (const { id, status, found, todo } of report.checks) show(id, status, found, todo)
 * await navigator.clipboard.writeText(report.text)
 */
export async function diagnose(url: string | URL, options: DiagnoseOptions = {}): Promise<Report> {
  checkOptions(options, CHECKED)
  const { room, token, iceServers, devices = 'look', signal, onProgress } = options
  const environment = { ...browserDiagnosis(), ...options.environment }
  const ownRoom = `check-${Math.floor(environment.random() * 36 ** 6).toString(36)}`
  const { probe } = endpointOf(url, room ?? ownRoom)
  signal?.throwIfAborted()

  const run = new Run(environment, (progress) => {
    try {
      if (!signal?.aborted) onProgress?.(progress)
    } catch (error) {
      rethrow(error)
    }
  })
  const [began, startedAt] = [environment.clock.now(), new Date(environment.wallClock()).toISOString()]
  const stop = (): void => run.stop()
  const cancel = environment.clock.after(WHOLE_MS, stop)
  signal?.addEventListener('abort', stop)
  try {
    await checkAll(run, environment, { url, room, ownRoom, token, iceServers, devices })
  } finally {
    cancel()
    signal?.removeEventListener('abort', stop)
  }
  signal?.throwIfAborted()
  const durationMs = Math.round(environment.clock.now() - began)
  const server = run.redaction.text(probe.replace(/\/v1\/signal\?.*/, ''))
  return reportOf({ url: server, startedAt, durationMs, agent: shortAgent(environment.agent) }, run.checks)
}
