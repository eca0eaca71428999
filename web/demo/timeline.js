// @ts-check
/** The handshake with each peer, step by step: who offered, who answered, and how long it took until the connection stood. */

import { copyOf, element, inside, nameOf } from './dom.js'

/**
 * @import { NegotiationStep, Peer, Room } from '/sdk.js'
 * @typedef {'offer' | 'answer' | 'candidate' | 'connected'} Kind
 */

const list = element('timeline', HTMLUListElement)
const empty = element('timeline-empty', HTMLParagraphElement)

/** @param {Room} room */
export function watchTimeline(room) {
  /** @type {Map<string, Handshake>} */
  const handshakes = new Map()

  /** @param {Peer} peer */
  const begin = (peer) => {
    end(peer)
    handshakes.set(peer.id, new Handshake(nameOf(peer)))
    empty.hidden = true
  }
  /** @param {Peer} peer */
  const end = (peer) => {
    handshakes.get(peer.id)?.row.remove()
    handshakes.delete(peer.id)
    empty.hidden = handshakes.size > 0
  }

  room.on('peer-state', ({ peer, state }) => {
    if (state === 'connecting') begin(peer)
    if (state === 'connected') handshakes.get(peer.id)?.connected()
  })
  room.on('negotiation', ({ peer, step }) => handshakes.get(peer.id)?.take(step))
  room.on('peer-left', ({ peer }) => end(peer))
  list.replaceChildren()
  // Those who were here first: their connections began while the page was joining.
  for (const peer of room.peers.values()) begin(peer)
}

class Handshake {
  row = copyOf('handshake')
  #began = performance.now()
  /** @type {{ kind: Kind, at: number }[]} */
  #ticks = []
  /** @type {Map<Kind, string>} what came first of a kind */
  #first = new Map()
  /** @type {Partial<Record<NegotiationStep, number>>} */
  #counts = {}
  #later = 0

  /** @param {string} name */
  constructor(name) {
    inside(this.row, 'h3').textContent = name
    list.append(this.row)
    this.#draw()
  }

  /** @param {NegotiationStep} step */
  take(step) {
    this.#counts[step] = this.#count(step) + 1
    const [what, way] = step.split('-')
    if (what === 'offer' || what === 'answer' || what === 'candidate') this.#tick(what, way)
    if (what === 'offer' && this.#first.has('connected')) this.#later += 1
    this.#draw()
  }

  connected() {
    this.#tick('connected')
    this.#draw()
  }

  /**
   * @param {Kind} kind
   * @param {string} [way]
   */
  #tick(kind, way) {
    // What follows is no part of the handshake any more.
    if (this.#first.has('connected')) return
    const at = performance.now() - this.#began
    this.#ticks.push({ kind, at })
    if (!this.#first.has(kind)) this.#first.set(kind, `${way ?? ''} +${Math.round(at)} ms`.trim())
  }

  /** @param {NegotiationStep} step */
  #count(step) {
    return this.#counts[step] ?? 0
  }

  #draw() {
    const span = Math.max(1, ...this.#ticks.map(({ at }) => at))
    inside(this.row, '.axis').replaceChildren(...this.#ticks.map(({ kind, at }) => dot(kind, at / span)))
    const glares = this.#count('glare-yielded') + this.#count('glare-ignored')
    inside(this.row, 'dl').replaceChildren(
      ...fact('offer', 'Offer', this.#first.get('offer') ?? 'not yet'),
      ...fact('answer', 'Answer', this.#first.get('answer') ?? 'not yet'),
      ...fact('candidate', 'Candidates', `${this.#count('candidate-sent')} sent, ${this.#count('candidate-received')} received`),
      ...fact('connected', 'Connected', this.#first.get('connected') ?? 'not yet'),
      ...fact('glare', 'Glare', glares === 0 ? 'none' : `${glares} crossed`),
      ...fact('later', 'Later offers', String(this.#later || 'none')),
    )
  }
}

/**
 * @param {Kind} kind
 * @param {number} where from 0 to 1
 */
function dot(kind, where) {
  const made = document.createElement('i')
  made.dataset['kind'] = kind
  made.style.left = `${where * 100}%`
  return made
}

/**
 * @param {string} kind
 * @param {string} title
 * @param {string} text
 */
function fact(kind, title, text) {
  const term = document.createElement('dt')
  const description = document.createElement('dd')
  term.textContent = title
  description.textContent = text
  term.dataset['kind'] = description.dataset['kind'] = kind
  return [term, description]
}
