import { expect, test } from 'vitest'
import { Gate, type GiveUp } from '../src/gate.ts'

/** Lets some in, and notes who has started. */
function queue(places: number, names: string): { started: string[]; giveUp: Map<string, GiveUp> } {
  const gate = new Gate(places)
  const started: string[] = []
  const giveUp = new Map([...names].map((name) => [name, gate.enter(() => started.push(name))]))
  return { started, giveUp }
}

test('as many start at once as there are places', () => {
  expect(queue(2, 'abcd').started).toEqual(['a', 'b'])
})

test('whoever waits starts in turn as places become free', () => {
  const { started, giveUp } = queue(2, 'abcd')
  giveUp.get('b')?.()
  expect(started).toEqual(['a', 'b', 'c'])
  giveUp.get('a')?.()
  expect(started).toEqual(['a', 'b', 'c', 'd'])
})

test('whoever gives up waiting never starts, and takes nobody else’s turn', () => {
  const { started, giveUp } = queue(1, 'abc')
  giveUp.get('b')?.()
  expect(started).toEqual(['a'])
  giveUp.get('a')?.()
  expect(started).toEqual(['a', 'c'])
})

test('a place is given up once, however often it is said', () => {
  const { started, giveUp } = queue(1, 'abcd')
  giveUp.get('a')?.()
  giveUp.get('a')?.()
  expect(started).toEqual(['a', 'b'])
  giveUp.get('c')?.()
  giveUp.get('c')?.()
  giveUp.get('b')?.()
  expect(started).toEqual(['a', 'b', 'd'])
})

test('without places nobody starts', () => {
  expect(queue(0, 'ab').started).toEqual([])
})

test('whoever enters while another starts waits its turn too', () => {
  const gate = new Gate(1)
  const started: string[] = []
  gate.enter(() => {
    started.push('outer')
    gate.enter(() => started.push('inner'))
  })()
  expect(started).toEqual(['outer', 'inner'])
})
