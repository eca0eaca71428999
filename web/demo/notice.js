// @ts-check
/** What the page says: one line about how things are, and a card for each thing that went wrong, with what to do about it. */

import { copyOf, element, inside } from './dom.js'

const line = element('status', HTMLParagraphElement)
const words = element('words', HTMLSpanElement)
const countdown = element('countdown', HTMLSpanElement)
const notices = element('notices', HTMLDivElement)

let counting = 0

/** What the page says why of itself, so that `/check` finds out no more. */
const EXPLAINED = /^(identity-taken|removed|replaced|room-full)$/

/**
 * Says how things are.
 *
 * @param {string} text
 * @param {'calm' | 'good' | 'busy' | 'bad'} [tone]
 */
export function say(text, tone = 'calm') {
  clearInterval(counting)
  countdown.textContent = ''
  line.dataset['tone'] = tone
  // The same words again would be read out again.
  if (words.textContent !== text) words.textContent = text
}

/**
 * Counts down after what was said. Screen readers are spared the seconds.
 *
 * @param {string} before
 * @param {number} ms
 * @param {string} after what it says at the end
 */
export function count(before, ms, after) {
  const end = performance.now() + ms
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000)
    countdown.textContent = left > 0 ? `${before} ${left} s.` : after
  }
  clearInterval(counting)
  counting = setInterval(tick, 250)
  tick()
}

/**
 * Shows what went wrong and what to do, in place of what was said about the same topic.
 *
 * @param {string} topic
 * @param {unknown} error an `AldisError` says what to do in its `hint`
 * @param {{ label: string, act: () => void }} [action]
 */
export function complain(topic, error, action) {
  const { code = '', message, hint = '' } = /** @type {import('/sdk.js').AldisError} */ (error)
  const notice = copyOf('notice')
  notice.dataset['topic'] = topic
  notice.dataset['code'] = code
  inside(notice, '.message').textContent = message
  inside(notice, '.advice').textContent = hint
  // A page that needs no server has no link to what looks for it.
  const why = notice.querySelector('.why')
  if (why instanceof HTMLElement) {
    why.hidden = EXPLAINED.test(code) || topic === 'network'
    // With the token that was tried, if there is one.
    if (location.hash.includes('token=')) why.setAttribute('href', `/check${location.search}${location.hash}`)
  }
  inside(notice, '.dismiss').onclick = () => notice.remove()
  const button = inside(notice, '.action')
  button.hidden = action === undefined
  button.textContent = action?.label ?? ''
  button.onclick = () => {
    notice.remove()
    action?.act()
  }
  settle(topic)
  notices.append(notice)
}

/** @param {string} topic what is no longer wrong */
export function settle(topic) {
  notices.querySelector(`[data-topic="${topic}"]`)?.remove()
}

/** Nothing is wrong any more. */
export function settleAll() {
  notices.replaceChildren()
}
