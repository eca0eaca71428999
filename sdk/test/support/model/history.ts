/** What somebody needs who looks for the fault that a seed has found. */

import type { Checker, Violation } from './checker.ts'
import { RULES, type Rules, World } from './world.ts'

/** How many lines of a history are told: what led to it, and what came of it. */
const FIRST = 20
const LAST = 40

/** Runs a seed again and tells the first violation, with what happened in the world and to the message. */
export function historyOf(seed: number, rules: Rules = RULES): string {
  const lines: string[] = []
  const checker = new World(seed, rules, (line) => lines.push(line)).run()
  const [first] = checker.violations
  if (first === undefined) return `seed ${seed}: no violation`
  const told = lines.filter((line) => concerns(line, first))
  const shown = told.length <= FIRST + LAST ? told : [...told.slice(0, FIRST), '   ...', ...told.slice(-LAST)]
  const { kind, letter, at } = first
  return [`seed ${seed}: message ${letter.id} from ${letter.from} to ${letter.to} is ${kind} at ${at}`, ...shown].join('\n')
}

function concerns(line: string, { letter, at }: Violation): boolean {
  const time = Number(line.slice(0, 6))
  if (time < letter.sentAt || time > at) return false
  return new RegExp(`#${letter.id}( |$)`).test(line) || / (world|relay):| (joined|is told|notices|is (refused|gone))/.test(line)
}

/** Which kinds of violation a run has seen, and how often. */
export function tally({ violations }: Checker, into: Map<string, number>): void {
  for (const { kind } of violations) into.set(kind, 1 + (into.get(kind) ?? 0))
}
