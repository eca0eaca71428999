// @ts-check
/** Choosing a room. It is kept in the URL, so that a link to the page is a link to the room. */

import { button, element } from './dom.js'

const form = element('join', HTMLFormElement)
const input = element('room', HTMLInputElement)
const call = element('call', HTMLDivElement)
const query = new URLSearchParams(location.search)

/** For trying a token: `#token=`, which reaches no server's log as `?token=` would. Without one the development server is asked. */
export const tokenOfPage = () => new URLSearchParams(location.hash.slice(1)).get('token')

/** @param {(room: string) => void} join */
export function onJoin(join) {
  input.value = query.get('room') ?? 'demo'
  form.onsubmit = (event) => {
    event.preventDefault()
    query.set('room', input.value)
    history.replaceState(null, '', `?${query}${location.hash}`)
    invite(`${location.origin}/?${new URLSearchParams({ room: input.value })}`)
    join(input.value)
  }
}

/** @param {'lobby' | 'joining' | 'call'} what */
export function show(what) {
  form.hidden = what === 'call'
  call.hidden = what !== 'call'
  input.disabled = button('enter').disabled = what === 'joining'
  // What had the focus is gone.
  if (what === 'call') call.focus()
  if (what === 'lobby') button('enter').focus()
}

/** @param {string} link without a token, which is for one person only */
function invite(link) {
  const copy = button('copy')
  element('invitation', HTMLAnchorElement).href = link
  copy.textContent = 'Copy link'
  // Only secure pages have a clipboard.
  copy.hidden = navigator.clipboard === undefined
  copy.onclick = () =>
    navigator.clipboard.writeText(link).then(
      () => (copy.textContent = 'Copied'),
      () => (copy.textContent = 'The browser copies nothing'),
    )
}
