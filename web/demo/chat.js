// @ts-check
/** Chat, over a data channel to everybody: it does not pass the server. */

import { element, nameOf } from './dom.js'

const lines = element('lines', HTMLDivElement)
const form = element('say', HTMLFormElement)
const input = element('text', HTMLInputElement)

/** @param {import('/sdk.js').Room} room */
export function watchChat(room) {
  const chat = room.channel('chat')
  lines.replaceChildren()
  chat.on('message', ({ data, from }) => write(nameOf(from), String(data)))
  room.on('peer-joined', ({ peer }) => note(`${nameOf(peer)} came.`))
  room.on('peer-left', ({ peer }) => note(`${nameOf(peer)} left.`))
  form.onsubmit = (event) => {
    event.preventDefault()
    const sentTo = chat.send(input.value)
    write('you', input.value)
    if (sentTo.length === 0) note('Nobody is connected, so nobody read this.')
    form.reset()
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function write(name, text) {
  const author = document.createElement('b')
  author.textContent = name
  add(author, ` ${text}`)
}

/** @param {string} text what nobody said */
function note(text) {
  add(text).className = 'faint'
}

/** @param {(Node | string)[]} content */
function add(...content) {
  const line = document.createElement('p')
  line.append(...content)
  lines.append(line)
  lines.scrollTop = lines.scrollHeight
  return line
}
