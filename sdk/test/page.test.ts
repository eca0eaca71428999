import { afterEach, expect, test, vi } from 'vitest'
import { isHidden, type PageEvent, watchPage } from '../src/page.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** The globals of a page, and what was heard of it. */
function newPage(): { window: EventTarget; document: EventTarget; connection: EventTarget; heard: PageEvent[]; end: () => void } {
  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  const connection = new EventTarget()
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window))
  vi.stubGlobal('document', document)
  vi.stubGlobal('navigator', { connection })
  const heard: PageEvent[] = []
  const end = watchPage((event) => heard.push(event))
  return { window, document, connection, heard, end }
}

function happens(target: EventTarget, type: string, fields: object = {}): void {
  target.dispatchEvent(Object.assign(new Event(type), fields))
}

test('a page that goes may be shown again or not, and one that is shown may have been there before or not', () => {
  const { window, heard } = newPage()
  happens(window, 'pageshow', { persisted: false })
  happens(window, 'pagehide', { persisted: true })
  happens(window, 'pageshow', { persisted: true })
  happens(window, 'pagehide', { persisted: false })
  expect(heard).toEqual(['stowed', 'thawed', 'left'])
})

test('a browser may freeze a page, hide it, and change its network', () => {
  const { window, document, connection, heard } = newPage()
  happens(document, 'freeze')
  happens(document, 'resume')
  Object.assign(document, { visibilityState: 'hidden' })
  happens(document, 'visibilitychange')
  expect(isHidden()).toBe(true)
  Object.assign(document, { visibilityState: 'visible' })
  happens(document, 'visibilitychange')
  expect(isHidden()).toBe(false)
  happens(window, 'offline')
  happens(window, 'online')
  Object.assign(connection, { type: 'cellular' })
  happens(connection, 'change')
  // Another estimate of how fast it is.
  happens(connection, 'change')
  expect(heard).toEqual(['frozen', 'thawed', 'hidden', 'visible', 'offline', 'online', 'network-changed'])
})

test('whoever watches no longer hears nothing', () => {
  const { window, document, connection, heard, end } = newPage()
  end()
  end()
  happens(window, 'pagehide', { persisted: false })
  happens(document, 'freeze')
  happens(connection, 'change')
  expect(heard).toEqual([])
})

test('where there is no page nothing happens to it', () => {
  const end = watchPage(() => expect.unreachable())
  expect(isHidden()).toBe(false)
  end()
})
