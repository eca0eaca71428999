// @ts-check
/** What two do who are connected: chat, and see each other. */

import { button, element, press } from './dom.js'
import { complain, settle } from './notice.js'

/** @import { Call } from '/manual.js' */

const lines = element('lines', HTMLDivElement)
const form = element('say', HTMLFormElement)
const input = element('text', HTMLInputElement)
const stage = element('stage', HTMLElement)

/** @param {Call} call */
export function talk(call) {
  const chat = call.channel('chat')
  lines.replaceChildren()
  stage.replaceChildren()
  chat.on('message', ({ data }) => write('them', String(data)))
  form.onsubmit = (event) => {
    event.preventDefault()
    if (chat.send(input.value).length === 0) return
    write('you', input.value)
    form.reset()
  }
  call.on('track', ({ stream }) => show('other', stream))
  call.on('track-removed', ({ stream }) => {
    if (stream.getTracks().length === 0) hide(stream)
  })
  button('leave').onclick = () => call.close()
  watchCamera(call)
}

/** @param {Call} call */
function watchCamera(call) {
  const camera = button('camera')
  /** @type {MediaStream | 'asking' | undefined} */
  let mine
  press(camera, false)
  camera.onclick = async () => {
    if (mine === 'asking') return
    settle('media')
    if (mine !== undefined) {
      call.unpublish(mine)
      hide(mine)
      mine = undefined
    } else {
      mine = 'asking'
      mine = await call.publish({ audio: true, video: true }).catch((error) => void complain('media', error))
      if (mine !== undefined) show('me', mine)
    }
    press(camera, mine !== undefined)
  }
}

/**
 * @param {'me' | 'other'} kind
 * @param {MediaStream} stream
 */
function show(kind, stream) {
  const known = stage.querySelector(`[data-stream="${CSS.escape(stream.id)}"] video`)
  const video = known instanceof HTMLVideoElement ? known : document.createElement('video')
  if (known === null) {
    const figure = document.createElement('figure')
    Object.assign(figure.dataset, { kind, stream: stream.id })
    figure.append(video)
    stage.append(figure)
  }
  Object.assign(video, { srcObject: stream, autoplay: true, playsInline: true, muted: kind === 'me' })
}

/** @param {MediaStream} stream */
function hide(stream) {
  stage.querySelector(`[data-stream="${CSS.escape(stream.id)}"]`)?.remove()
}

/**
 * @param {string} name
 * @param {string} text
 */
function write(name, text) {
  const line = document.createElement('p')
  const author = document.createElement('b')
  author.textContent = name
  line.append(author, ` ${text}`)
  lines.append(line)
  lines.scrollTop = lines.scrollHeight
}
