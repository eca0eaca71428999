/** One diagnosis: what it has found so far, and how long it may take. */

import type { DiagnosisEnvironment } from './environment.ts'
import { Limit } from './limit.ts'
import { Redaction } from './redact.ts'
import { CHECKS, type Check, type CheckId, type Finding } from './report.ts'

/**
 * What `onProgress` hears: a check that begins, or one that is done.
 *
 * @example
 * const onProgress = (progress: Progress) => show(progress.id, progress.status === 'running' ? '…' : progress.found)
 * await diagnose('https://rtc.example.org', { token, onProgress })
 */
export type Progress = Begun | Check

/**
 * A check that begins.
 *
 * @example
 * const hasBegun = (progress: Progress): progress is Begun => progress.status === 'running'
 * await diagnose('https://rtc.example.org', { token, onProgress: (progress) => show(progress.id, hasBegun(progress)) })
 */
export interface Begun {
  /** Which check. */
  readonly id: CheckId
  /** It is being made. */
  readonly status: 'running'
}

/** How long one check may take, in milliseconds. */
const CHECK_MS = 5_000

/** Runs checks; see the module. */
export class Run {
  readonly redaction: Redaction = new Redaction()
  readonly #environment: DiagnosisEnvironment
  readonly #tell: (progress: Progress) => void
  readonly #whole = new AbortController()
  readonly #done = new Map<CheckId, Check>()

  constructor(environment: DiagnosisEnvironment, tell: (progress: Progress) => void) {
    this.#environment = environment
    this.#tell = tell
  }

  /** What was found, in the order of a report. */
  get checks(): Check[] {
    // Once more, because a secret may have been learned after it was said.
    return CHECKS.flatMap((id) => this.#done.get(id) ?? []).map((check) => ({ ...check, ...this.#clean(check) }))
  }

  /** Ends everything that still runs. */
  stop(): void {
    this.#whole.abort()
  }

  /** The time of one check, from now on. */
  limit(): Limit {
    return new Limit(this.#environment.clock, CHECK_MS, this.#whole.signal)
  }

  /** Makes a check. What it finds is kept, and what it brings is returned; `undefined` where it did not get that far. */
  async check<Outcome extends { readonly finding: Finding }>(
    id: CheckId,
    work: (limit: Limit) => Outcome | Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    if (this.#whole.signal.aborted) {
      this.#keep(id, { status: 'skipped', found: 'There was no time left for it.' }, 0)
      return undefined
    }
    this.#tell({ id, status: 'running' })
    const limit = this.limit()
    try {
      const outcome = await work(limit)
      this.#keep(id, outcome.finding, limit.elapsedMs)
      return outcome
    } catch (error) {
      // A browser refuses what no other refuses: that is no reason to know nothing of the rest.
      const name = error instanceof Error ? error.name : typeof error
      const found = `The browser refuses to do what this check needs (${name}).`
      const todo = 'Please report it, with this text.'
      this.#keep(id, { status: 'failed', code: 'check-failed', found, todo }, limit.elapsedMs)
      return undefined
    } finally {
      limit.end()
    }
  }

  /** Keeps a finding that took no check. */
  settle(id: CheckId, finding: Finding): void {
    this.#keep(id, finding, 0)
  }

  #keep(id: CheckId, { status, code, found, todo = '', details = {} }: Finding, durationMs: number): void {
    const check: Check = { id, status, ...(code && { code }), ...this.#clean({ found, todo, details }), durationMs }
    this.#done.set(id, check)
    this.#tell(check)
  }

  #clean({ found, todo, details }: Pick<Check, 'found' | 'todo' | 'details'>): Pick<Check, 'found' | 'todo' | 'details'> {
    const { redaction } = this
    return { found: redaction.text(found), todo: redaction.text(todo), details: redaction.details(details) }
  }
}
