/// <reference types="vite/types/import-meta.d.ts" />
import { expect, test } from 'vitest'
import { Outgoing } from '../src/outgoing.ts'
import { Stream } from '../src/stream.ts'
import { last } from './support/lists.ts'
import { play, type Step, type Trace } from './support/trace.ts'

const files = Object.entries(import.meta.glob<Trace>('../../streams/*.json', { eager: true, import: 'default' }))
const traces = files.map(([path, trace]) => ({ name: path.replace(/^.*\//, ''), trace }))
const given = ({ steps }: Trace): unknown[] => steps.map(({ gives }) => gives)

test.each(traces)('$name: $trace.story', ({ trace }) => {
  expect(trace.steps.length).toBeGreaterThan(0)
  expect(play(trace)).toEqual(given(trace))
})

test('the stories call everything that a stream can do', () => {
  const called = new Set(traces.flatMap(({ trace }) => trace.steps.map(({ call }) => call as string)))
  const members = new Set([Stream, Outgoing].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)))
  // `receive` calls it.
  for (const name of ['constructor', 'acknowledge']) members.delete(name)
  expect([...called].sort()).toEqual([...members].sort())
})

test.each(traces)('$name is played to its end: another last answer is noticed', ({ trace }) => {
  const doctored = { ...trace, steps: [...trace.steps.slice(0, -1), { ...last(trace.steps), gives: 'something else' }] }
  expect(play(doctored)).not.toEqual(given(doctored))
})

test('a story whose epochs differ by one is noticed', () => {
  const told = traces.filter(({ trace: { epochs, ...rest } }) => {
    const doctored: Trace = { ...rest, epochs: [(epochs[0] + 1) >>> 0, (epochs[1] + 1) >>> 0] }
    return JSON.stringify(play(doctored)) !== JSON.stringify(given(doctored))
  })
  expect(told.length).toBeGreaterThan(traces.length / 2)
})

test('a call that does not exist is an error', () => {
  const step = { at: 0, end: 'a', call: 'jump', gives: null } as unknown as Step
  expect(() => play({ story: 'A stream jumps.', epochs: [1, 2], steps: [step] })).toThrow('A stream has no call')
})
