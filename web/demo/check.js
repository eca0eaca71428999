// @ts-check
/**
 * The page `/check`: finds out why calls do not come about. By default it looks at the server that it came from; `?server=` names another,
 * `?room=` and `#token=` are those of somebody who was not let in.
 */

import { CHECKS, diagnose } from '/diagnose.js'
import { button, copyOf, element, inside } from './dom.js'

/**
 * @import { CheckId, Progress, Report } from '/diagnose.js'
 */

/** @type {Record<CheckId, string>} */
const TITLES = {
  page: 'This page',
  server: 'Server',
  token: 'Token',
  clock: 'Clocks',
  websocket: 'WebSocket',
  'event-stream': 'Event stream',
  webrtc: 'WebRTC',
  stun: 'STUN',
  'turn-udp': 'TURN over UDP',
  'turn-tcp': 'TURN over TCP',
  'turn-tls': 'TURN over TLS',
  relay: 'Through the relay',
  camera: 'Camera',
  microphone: 'Microphone',
}

/** @type {Record<Progress['status'] | 'waiting', string>} */
const VERDICTS = { waiting: 'waiting', running: 'checking', ok: 'fine', warning: 'look at this', failed: 'failed', skipped: 'skipped' }

const query = new URLSearchParams(location.search)
const status = element('status', HTMLParagraphElement)
const words = element('words', HTMLSpanElement)
const text = element('text', HTMLPreElement)

/** @type {Map<CheckId, HTMLElement>} */
const rows = new Map()

const room = query.get('room')
element('back', HTMLAnchorElement).href = room === null ? '/' : `/?${new URLSearchParams({ room })}`
button('again').onclick = () => check('look')
button('ask').onclick = () => check('ask')
void check('look')

/** @param {'look' | 'ask'} devices */
async function check(devices) {
  begin()
  // A fragment reaches no server, and no log of one.
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  // A token is for its room. Without one this page gets a room to itself, where it disturbs nobody.
  const who = token === null ? {} : { token, ...(room && { room }) }
  try {
    end(await diagnose(query.get('server') ?? location.origin, { ...who, devices, onProgress: draw }))
  } catch (error) {
    say('bad', `The check could not begin. ${error instanceof Error ? error.message : error}`)
    text.textContent = String(error)
  }
  for (const id of ['again', 'ask']) button(id).disabled = false
}

function begin() {
  say('busy', 'Checking …')
  for (const id of ['copy', 'again', 'ask']) button(id).disabled = true
  button('copy').textContent = 'Copy as text'
  text.textContent = 'Checking …'
  for (const id of CHECKS) {
    const row = copyOf('row')
    row.dataset['check'] = id
    inside(row, 'h2').textContent = TITLES[id]
    inside(row, '.verdict').textContent = VERDICTS.waiting
    rows.set(id, row)
  }
  element('checks', HTMLUListElement).replaceChildren(...rows.values())
}

/** @param {Progress} progress */
function draw(progress) {
  const row = rows.get(progress.id)
  if (row === undefined) return
  row.dataset['status'] = progress.status
  inside(row, '.verdict').textContent = VERDICTS[progress.status]
  if (progress.status === 'running') return
  if (progress.code !== undefined) row.dataset['code'] = progress.code
  write(inside(row, '.found'), progress.found)
  const todo = inside(row, '.todo')
  write(todo, progress.todo)
  todo.hidden = progress.todo === ''
}

/**
 * Writes a text in which backticks mark what is to be taken by the letter.
 *
 * @param {HTMLElement} where
 * @param {string} what
 */
function write(where, what) {
  const parts = what.split('`').map((part, index) => {
    if (index % 2 === 0) return part
    const code = document.createElement('code')
    code.textContent = part
    return code
  })
  where.replaceChildren(...parts)
}

/** @param {Report} report */
function end(report) {
  // What is wrong comes first: on a small screen it would be far down.
  const bad = ['failed', 'warning'].flatMap((worse) => report.checks.filter(({ status }) => status === worse))
  element('checks', HTMLUListElement).prepend(...bad.flatMap(({ id }) => rows.get(id) ?? []))
  const things = bad.length === 1 ? 'One thing' : `${bad.length} things`
  if (report.status === 'ok') say('good', 'All is well.')
  else if (report.status === 'warning') say('calm', `It works. ${things} to look at.`)
  else say('bad', `${things} to mend.`)
  text.textContent = report.text
  // Only secure pages have a clipboard; the text below can be selected everywhere.
  button('copy').hidden = navigator.clipboard === undefined
  button('copy').disabled = false
  button('copy').onclick = () =>
    navigator.clipboard.writeText(report.text).then(
      () => (button('copy').textContent = 'Copied'),
      () => (button('copy').textContent = 'The browser copies nothing'),
    )
}

/**
 * @param {'calm' | 'good' | 'busy' | 'bad'} tone
 * @param {string} what
 */
function say(tone, what) {
  status.dataset['tone'] = tone
  words.textContent = what
}
