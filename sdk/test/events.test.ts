import { expect, test } from 'vitest'
import { Emitter } from '../src/events.ts'
import { uncaughtDuring } from './support/uncaught.ts'

interface Sounds {
  bark: string
  silence: undefined
}

test('each listener of a name hears each event of that name, in the order in which they came', () => {
  const dog = new Emitter<Sounds>()
  const heard: string[] = []
  dog.on('bark', (sound) => heard.push(`first ${sound}`))
  dog.on('bark', (sound) => heard.push(`second ${sound}`))
  dog.on('silence', () => heard.push('silence'))
  dog.emit('bark', 'woof')
  dog.emit('bark', 'wuff')
  expect(heard).toEqual(['first woof', 'second woof', 'first wuff', 'second wuff'])
})

test('nobody has to listen', () => {
  new Emitter<Sounds>().emit('bark', 'woof')
})

test('whoever unsubscribes hears no more, and may do so twice', () => {
  const dog = new Emitter<Sounds>()
  const heard: string[] = []
  const off = dog.on('bark', (sound) => heard.push(sound))
  dog.emit('bark', 'one')
  off()
  off()
  dog.emit('bark', 'two')
  expect(heard).toEqual(['one'])
})

test('the same function may listen twice, and ends one subscription at a time', () => {
  const dog = new Emitter<Sounds>()
  const heard: string[] = []
  const listener = (sound: string): void => {
    heard.push(sound)
  }
  const off = dog.on('bark', listener)
  dog.on('bark', listener)
  dog.emit('bark', 'both')
  off()
  dog.emit('bark', 'one')
  expect(heard).toEqual(['both', 'both', 'one'])
})

test('whoever subscribes or unsubscribes during an event changes only the next one', () => {
  const dog = new Emitter<Sounds>()
  const heard: string[] = []
  const offFirst = dog.on('bark', (sound) => {
    heard.push(`first ${sound}`)
    offSecond()
    offFirst()
    dog.on('bark', (later) => heard.push(`third ${later}`))
  })
  const offSecond = dog.on('bark', (sound) => heard.push(`second ${sound}`))
  dog.emit('bark', 'a')
  dog.emit('bark', 'b')
  expect(heard).toEqual(['first a', 'second a', 'third b'])
})

test('a listener that throws stops neither the others nor whoever emits, and its error reaches the console as uncaught', async () => {
  const dog = new Emitter<Sounds>()
  const heard: string[] = []
  const mistake = new Error('a mistake of the application')
  dog.on('bark', () => {
    throw mistake
  })
  dog.on('bark', (sound) => heard.push(sound))
  const uncaught = await uncaughtDuring(() => {
    dog.emit('bark', 'woof')
    heard.push('and on')
  })
  expect(heard).toEqual(['woof', 'and on'])
  expect(uncaught).toEqual([mistake])
})
