// @ts-check
/** Microphone and camera. */

import { button, press } from './dom.js'
import { complain, settle } from './notice.js'

/**
 * @import { Room } from '/sdk.js'
 * @import { Marks } from './marks.js'
 * @import { Stage } from './stage.js'
 * @typedef {{ audio?: true, video?: true }} Wanted
 */

export class Media {
  #room
  #marks
  #stage
  /** @type {MediaStreamTrack | undefined} */
  #microphone
  /** @type {MediaStreamTrack | undefined} */
  #camera
  /** @type {'idle' | 'asking'} */
  #state = 'idle'

  /**
   * @param {Room} room
   * @param {Marks} marks
   * @param {Stage} stage
   */
  constructor(room, marks, stage) {
    this.#room = room
    this.#marks = marks
    this.#stage = stage
    button('mute').onclick = () => this.#toggleMicrophone()
    button('camera').onclick = () => this.#toggleCamera()
    this.#draw()
  }

  /**
   * Sends what there is of microphone and camera. Without either the call goes on.
   *
   * @param {Wanted} wanted
   */
  async start(wanted) {
    // Its user is being asked already.
    if (this.#state === 'asking') return
    this.#state = 'asking'
    settle('media')
    try {
      await this.#publish(wanted)
    } catch (error) {
      if (this.#room.status === 'left') return
      complain('media', error, { label: 'Try again', act: () => this.start(wanted) })
      if (wanted.audio && wanted.video && isMissing(error)) await this.#startEither()
    } finally {
      this.#state = 'idle'
    }
  }

  /** One of the two may be there. */
  async #startEither() {
    for (const wanted of [{ audio: true }, { video: true }]) await this.#publish(/** @type {Wanted} */ (wanted)).catch(() => {})
  }

  /** @param {Wanted} wanted */
  async #publish(wanted) {
    const stream = await this.#room.publish(wanted)
    const [microphone, camera] = [stream.getAudioTracks()[0], stream.getVideoTracks()[0]]
    this.#microphone = microphone ?? this.#microphone
    this.#camera = camera ?? this.#camera
    microphone?.addEventListener('ended', () => this.#unplugged('microphone'))
    camera?.addEventListener('ended', () => this.#unplugged('camera'))
    this.#draw()
  }

  /** @param {'microphone' | 'camera'} device */
  #unplugged(device) {
    if (device === 'camera') this.#camera = undefined
    else this.#microphone = undefined
    this.#draw()
  }

  #toggleMicrophone() {
    if (this.#microphone === undefined) return void this.start({ audio: true })
    // It sends silence then, which needs no negotiation.
    this.#microphone.enabled = !this.#microphone.enabled
    this.#draw()
  }

  #toggleCamera() {
    if (this.#camera === undefined) return void this.start({ video: true })
    // Its light goes off, too.
    this.#room.unpublish(this.#camera)
    this.#camera = undefined
    this.#draw()
  }

  #draw() {
    const muted = !this.#microphone?.enabled
    press(button('mute'), muted)
    press(button('camera'), this.#camera === undefined)
    this.#marks.set({ muted })
    this.#stage.drawMe([this.#microphone, this.#camera].filter((track) => track !== undefined), muted)
  }
}

/** @param {unknown} error */
function isMissing(error) {
  return /** @type {import('/sdk.js').AldisError} */ (error).code === 'media-missing'
}
