/** What a diagnosis finds, in a shape that programs and people can read. */

import type { AldisError, AldisErrorCode } from '../errors.ts'

/**
 * What is checked.
 *
 * @example
 * const titles: Partial<Record<CheckId, string>> = { 'turn-udp': 'TURN by UDP', relay: 'Through the relay' }
 * for (const id of CHECKS) show(titles[id] ?? id)
 */
export type CheckId =
  | 'page'
  | 'server'
  | 'token'
  | 'clock'
  | 'websocket'
  | 'event-stream'
  | 'webrtc'
  | 'stun'
  | 'turn-udp'
  | 'turn-tcp'
  | 'turn-tls'
  | 'relay'
  | 'camera'
  | 'microphone'

/**
 * All that is checked, in the order of a report.
 *
 * @example
 * for (const id of CHECKS) show(id)
 */
export const CHECKS: readonly CheckId[] = [
  'page',
  'server',
  'token',
  'clock',
  'websocket',
  'event-stream',
  'webrtc',
  'stun',
  'turn-udp',
  'turn-tcp',
  'turn-tls',
  'relay',
  'camera',
  'microphone',
]

/**
 * How a check came out: `skipped` where there was nothing to check, or no way to.
 *
 * @example
 * const marks: Record<CheckStatus, string> = { ok: '✓', warning: '!', failed: '✗', skipped: '–' }
 * for (const { status, found } of report.checks) show(marks[status], found)
 */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped'

/**
 * What was found, to match on: the `code` of an `AldisError`, of the client or the server, or one of these.
 *
 * @example
 * const has = (wanted: FindingCode) => report.checks.some(({ code }) => code === wanted)
 * if (has('udp-blocked')) show('This network lets no UDP through: a TURN server over TLS helps.')
 */
export type FindingCode =
  | AldisErrorCode
  | 'check-failed'
  | 'clock-skewed'
  | 'mixed-content'
  | 'relay-closed'
  | 'stun-unreachable'
  | 'turn-missing'
  | 'turn-unreachable'
  | 'udp-blocked'
  | 'webrtc-missing'

/**
 * Figures of a check; which ones depends on the check.
 *
 * @example
 * const clock = report.checks.find(({ id }) => id === 'clock')
 * show(`This device is ${clock?.details['skewMs'] ?? 0} ms ahead.`)
 */
export type Details = Readonly<Record<string, string | number | readonly string[] | readonly number[]>>

/**
 * What one check found.
 *
 * @example
 * const isBad = ({ status }: Check) => status === 'failed'
 * for (const { id, found, todo } of report.checks.filter(isBad)) show(id, found, todo)
 */
export interface Check {
  /** Which check. */
  readonly id: CheckId
  /** How it came out. */
  readonly status: CheckStatus
  /** What was found, to match on; absent where all is well and where it was skipped. The guide has a section for each. */
  readonly code?: FindingCode
  /** What was found, for people. */
  readonly found: string
  /** What to do about it, for people; empty where there is nothing to do. */
  readonly todo: string
  /** Figures. */
  readonly details: Details
  /** How long it took, in milliseconds. */
  readonly durationMs: number
}

/**
 * What a diagnosis found; plain data but for its `toString`, which returns {@link Report.text}.
 *
 * @example
 * const report: Report = await diagnose('https://rtc.example.org', { token })
 * if (report.status !== 'ok') await fetch('/bugs', { method: 'POST', body: report.text })
 */
export interface Report {
  /** The version of this shape. */
  readonly version: 1
  /** The server. */
  readonly url: string
  /** When it began, ISO 8601. */
  readonly startedAt: string
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** The browser, without its small version numbers. */
  readonly agent: string
  /** The worst that was found. */
  readonly status: Exclude<CheckStatus, 'skipped'>
  /** Each check, in the order of {@link CHECKS}. */
  readonly checks: readonly Check[]
  /** All of it for a bug report: without tokens, credentials, session descriptions and addresses. */
  readonly text: string
}

/** What a check says of itself. */
export interface Finding {
  readonly status: CheckStatus
  readonly code?: FindingCode
  readonly found: string
  readonly todo?: string
  readonly details?: Details
}

/** Makes the report of what was found. */
export function reportOf(about: Pick<Report, 'url' | 'startedAt' | 'durationMs' | 'agent'>, checks: readonly Check[]): Report {
  const worst = (['failed', 'warning'] as const).find((status) => checks.some((check) => check.status === status))
  const status = worst ?? 'ok'
  const text = textOf(about, checks)
  // Not enumerable, so that the report can be cloned and compared as the data that it is.
  return Object.defineProperty({ version: 1, ...about, status, checks, text } as const, 'toString', { value: () => text })
}

function textOf(
  { url, startedAt, durationMs, agent }: Pick<Report, 'url' | 'startedAt' | 'durationMs' | 'agent'>,
  checks: readonly Check[],
): string {
  const count = (status: CheckStatus): string => `${checks.filter((check) => check.status === status).length} ${status}`
  const lines = [
    `Aldis connection check: ${(['failed', 'warning', 'ok', 'skipped'] as const).map(count).join(', ')}`,
    `${url} · ${startedAt} · ${(durationMs / 1_000).toFixed(1)} s`,
    agent,
    '',
  ]
  for (const { id, status, code, found, todo } of checks) {
    lines.push(`${status.padEnd(8)}${id.padEnd(14)}${code ? `${code}: ` : ''}${found}`)
    if (todo) lines.push(`${' '.repeat(22)}→ ${todo}`)
  }
  return lines.join('\n')
}

/** A check that was not made, because of what another one found. */
export function seeOther(id: CheckId): Finding {
  return { status: 'skipped', found: `Not tried: see \`${id}\`.` }
}

/** A failure as a finding. */
export function findingOf({ code, message, hint }: AldisError): Finding {
  return { status: 'failed', code, found: message, todo: hint }
}
