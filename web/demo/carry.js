// @ts-check
/** The text of this side, to be carried away, and the place for the one that comes back. */

import { drawQr } from '/qr.js'
import { button, element } from './dom.js'
import { scan } from './scan.js'

const mine = element('mine', HTMLTextAreaElement)
const theirs = element('theirs', HTMLElement)
const form = element('accept', HTMLFormElement)
const reply = element('reply', HTMLTextAreaElement)

/**
 * Shows a text of this side.
 *
 * @param {string} title
 * @param {string} text
 * @param {'invitation' | 'reply'} kind
 */
export function carry(title, text, kind) {
  element('mine-title', HTMLHeadingElement).textContent = title
  element('picture', HTMLImageElement).src = `data:image/svg+xml,${encodeURIComponent(drawQr(text))}`
  mine.value = text
  mine.onfocus = () => mine.select()
  theirs.hidden = kind === 'reply'
  form.reset()
  copies('copy', 'Copy the text', text)
  // A reply is of use only to the page that is open already.
  copies('copy-link', 'Copy as a link', `${location.origin}${location.pathname}#${text}`)
  if (kind === 'reply') button('copy-link').hidden = true
}

/** @param {(text: string) => void} take */
export function onReply(take) {
  form.onsubmit = (event) => {
    event.preventDefault()
    take(reply.value)
  }
  button('scan-reply').onclick = () =>
    scan('r', (text) => {
      reply.value = text
      take(text)
    })
}

/**
 * @param {string} id
 * @param {string} words
 * @param {string} text
 */
function copies(id, words, text) {
  const copy = button(id)
  copy.textContent = words
  // Only secure pages have a clipboard.
  copy.hidden = navigator.clipboard === undefined
  copy.onclick = () =>
    navigator.clipboard.writeText(text).then(
      () => (copy.textContent = 'Copied'),
      () => (copy.textContent = 'The browser copies nothing'),
    )
}
