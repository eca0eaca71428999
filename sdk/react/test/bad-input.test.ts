/** What hooks are handed in wrong, as a component shows it when it is rendered. */

import type { Room } from 'aldis-client'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { expect, test } from 'vitest'
import { useChannel, usePeers, useRoom, useRoomEvent, useSnapshot } from '../src/index.ts'

const render = (hook: () => unknown): string => renderToString(createElement(() => JSON.stringify(hook())))

const room = { on: () => () => undefined } as unknown as Room

test.each<[string, () => unknown, string]>([
  ['useRoomEvent', () => useRoomEvent(room, 'message', 5 as never), '`handler` must be a function, not 5.'],
  [
    'useRoomEvent',
    () => useRoomEvent({} as Room, 'message', () => undefined),
    '`target` must be a room or a channel, not an object.',
  ],
  ['useSnapshot', () => useSnapshot(5 as never), '`room` must be a room, not 5.'],
  ['usePeers', () => usePeers('standup' as never), '`room` must be a room, not "standup".'],
  ['useChannel', () => useChannel(5 as never, 'chat'), '`room` must be a room, not 5.'],
  ['useChannel', () => useChannel(undefined, 'chat', 5 as never), '`handlers` must be an object, not 5.'],
  ['useChannel', () => useChannel(undefined, 'chat', { message: 5 as never }), '`handlers.message` must be a function, not 5.'],
  [
    'useChannel',
    () => useChannel(undefined, 'chat', { massage: 5 } as never),
    '`handlers` must be made of message, open, close, not "massage".',
  ],
])('%s says what is wrong: %#', (_, hook, message) => {
  expect(() => render(hook)).toThrow(expect.objectContaining({ code: 'invalid-option', message }))
})

test('no room is no mistake', () => {
  for (const room of [undefined, null]) {
    expect(render(() => [useSnapshot(room as undefined) ?? 'none', useChannel(room as undefined, 'chat') ?? 'none'])).toContain(
      'none',
    )
  }
})

test('without options, which is a mistake, a component is rendered all the same', () => {
  expect(render(() => useRoom('https://x.org', undefined as never).status)).toContain('connecting')
})
