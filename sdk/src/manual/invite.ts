/** The two sides of an introduction by hand. */

import { unlessAborted } from '../abort.ts'
import { AldisError } from '../errors.ts'
import { signalIn } from '../options.ts'
import { Call, checkManual, type ManualOptions } from './call.ts'
import { keepCalling } from './calling.ts'
import { describe, type Facts, factsOf } from './description.ts'
import { checkReply, type Letter, readText, writeText } from './text.ts'

/** How long a way to the other side may take to be found once the reply is there, in milliseconds. */
const OPENING_MS = 30_000

/**
 * A call that somebody is invited to: give {@link Invitation.text} to the other side, and what comes back to {@link Invitation.accept}.
 *
 * @example
 * const invitation: Invitation = await invite()
 * show(invitation.text)
 * await invitation.accept(await carried())
 * invitation.channel('chat').send('hello')
 */
export class Invitation extends Call {
  #text = ''
  #id = 0
  #accepted = false

  /** @internal */
  constructor(options: ManualOptions) {
    super('offers', options)
  }

  /** For the other side: about 150 to 300 characters. It is good for one reply, as long as this page is open. */
  get text(): string {
    return this.#text
  }

  /** Writes the text. @internal */
  async write(): Promise<this> {
    const { text, id } = writeText('invitation', await ownFacts(this))
    this.#text = text
    this.#id = id
    return this
  }

  /**
   * Takes the reply, and connects. A text that cannot be taken changes nothing: try again with another.
   *
   * @param reply the other side's text, with whatever stands around it
   * @param options `signal` gives up: a call that does not stand yet is closed, and the promise rejects with the signal's reason
   * @throws AldisError `text-invalid`, `text-incomplete`, `text-damaged`, `text-outdated`, `text-misplaced` or `text-foreign` when it is not
   * the reply to this invitation; `invalid-option` when one was accepted before; `negotiation-failed` when no way to the other side is found
   * within 30 s; `peer-closed`
   * @example
   * await invitation.accept(pasted, { signal: AbortSignal.timeout(10_000) })
   */
  async accept(reply: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const signal = signalIn(options)
    const letter = readText('reply', reply)
    checkReply(letter, this.#id)
    if (this.#accepted) {
      throw new AldisError('invalid-option', 'A reply was accepted already.', { hint: 'Make an invitation for each other side.' })
    }
    this.#accepted = true
    this.life.after(OPENING_MS, () => {
      if (!this.pair.hasStood) this.giveUp(noWay())
    })
    void this.pair.receive({ type: 'answer', sdp: describe('answer', letter.facts), x: { re: 1, d: 1 } })
    await unlessAborted(this.connected(), signal, () => this.close())
  }
}

/**
 * A call that this side was invited to: give {@link Reply.text} back to the other side, and wait for {@link Call.connected}.
 *
 * @example
 * const reply: Reply = await answer(await carried())
 * show(reply.text)
 * await reply.connected()
 * await reply.publish({ audio: true })
 */
export class Reply extends Call {
  #text = ''

  /** @internal */
  constructor(options: ManualOptions) {
    super('answers', options)
  }

  /** For the side that invited. */
  get text(): string {
    return this.#text
  }

  /** Takes the invitation, and writes the text. @internal */
  async write({ facts, id }: Letter): Promise<this> {
    void this.pair.receive({ type: 'offer', sdp: describe('offer', facts), x: { d: 1 } })
    this.#text = writeText('reply', await ownFacts(this), id).text
    const stop = keepCalling(this.connection, facts.ufrag, facts.ways, this.environment.clock)
    this.life.defer(stop)
    this.connected().then(stop, stop)
    return this
  }
}

/**
 * Invites somebody. Resolves when the text is written, which takes up to 3 s.
 *
 * @param options ICE servers above all
 * @throws AldisError `negotiation-failed` when the browser finds no address of this device
 * @example
 * const invitation = await invite({ iceServers: [{ urls: 'stun:stun.example.org' }] })
 * show(invitation.text)
 * await invitation.accept(await carried())
 * invitation.channel('chat').send('hello')
 */
export async function invite(options: ManualOptions = {}): Promise<Invitation> {
  checkManual(options)
  return written(new Invitation(options), options, (invitation) => invitation.write())
}

/**
 * Answers an invitation. Resolves when the reply is written; {@link Call.connected} resolves when the other side has accepted it, which may
 * take as long as it takes to carry it.
 *
 * @param invitation the other side's text, with whatever stands around it
 * @param options ICE servers above all
 * @throws AldisError `text-invalid`, `text-incomplete`, `text-damaged`, `text-outdated` or `text-misplaced` when it is no invitation;
 * `negotiation-failed` when the browser finds no address of this device
 * @example
 * const reply = await answer(await carried())
 * show(reply.text)
 * await reply.connected()
 */
export async function answer(invitation: string, options: ManualOptions = {}): Promise<Reply> {
  checkManual(options)
  const letter = readText('invitation', invitation)
  return written(new Reply(options), options, (reply) => reply.write(letter))
}

async function written<Made extends Call>(
  call: Made,
  { signal }: ManualOptions,
  write: (call: Made) => Promise<Made>,
): Promise<Made> {
  try {
    signal?.throwIfAborted()
    return await unlessAborted(write(call), signal)
  } catch (error) {
    call.close()
    throw error
  }
}

async function ownFacts(call: Call): Promise<Facts> {
  const facts = factsOf(await call.describe())
  if (facts === undefined)
    throw new AldisError('negotiation-failed', 'This browser describes connections in another way.', { hint: '' })
  if (facts.ways.length > 0) return facts
  throw new AldisError('negotiation-failed', 'The browser finds no address of this device.', { hint: 'Connect it to a network.' })
}

function noWay(): AldisError {
  const hint = 'Both must be on one network, or name a STUN or TURN server in `iceServers`. Make a new invitation.'
  return new AldisError('negotiation-failed', 'No way to the other side was found.', { hint })
}
