/** The way to one peer and back, as `delivery.ts` sees it: a stream where both sides speak them, plain messages otherwise. */

import type { AldisError } from './errors.ts'
import type { ErrorMessage, Presence, Relayed, Signal } from './generated/wire.ts'

/** A signal without what a lane adds. */
export type Parcel = DistributiveOmit<Signal, 'to' | 'msg' | 'receipt'>

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never

/** A signal on its way, and who wants to know what becomes of it. */
export interface Letter {
  readonly parcel: Parcel
  /** Its size, about. */
  readonly bytes: number
  /** It was delivered, or it was not. Called once. */
  settle(failure?: AldisError): void
}

/** The way to one peer; see the module. Times are in milliseconds. */
export interface Lane {
  /** Takes a letter, which it settles sooner or later. */
  post(letter: Letter, now: number): void
  /** Whether this side's connection stands; what stood before may have swallowed what was sent. */
  connect(way: 'open' | 'shut', now: number): void
  /** Whether the peer's does. */
  present(presence: Presence, now: number): void
  /** How many bytes the signal has that may go now. */
  peek(now: number): number | undefined
  /** The signal that goes now. */
  take(now: number): Signal | undefined
  /** The acknowledgement that goes now. */
  takeAck(now: number): Signal | undefined
  /** Takes a message of the peer. Returns what is to be handled now, in order. */
  receive(message: Relayed, now: number): Relayed[]
  /** The server wrote a message to the peer's connection. */
  written(name: string): void
  /** The server did not hand a message on. */
  refuse(name: string, error: ErrorMessage, now: number): void
  /** Drops what a connection that is over still wanted to say. */
  forget(): void
  /** Settles what is too late. */
  expire(now: number): void
  /** There is no way to the peer any more. */
  end(failure: AldisError): void
  /** When something is to be done next. */
  nextAt(now: number): number | undefined
}
