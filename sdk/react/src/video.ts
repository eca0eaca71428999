/** Showing streams, which HTML has no attribute for. */

import { type ComponentPropsWithoutRef, createElement, type ReactElement, type RefCallback, useCallback } from 'react'

/**
 * Shows a stream in a `<video>` or plays it in an `<audio>`: a `ref` for it.
 *
 * @param stream what to show; nothing shows nothing
 * @example
 * const ref = useStream(peer.streams[0])
 * return createElement('audio', { ref, autoPlay: true })
 */
export function useStream(stream: MediaStream | null | undefined): RefCallback<HTMLMediaElement> {
  return useCallback(
    (element: HTMLMediaElement | null) => {
      // The same stream again would begin anew, with a flicker.
      if (element && element.srcObject !== (stream ?? null)) element.srcObject = stream ?? null
    },
    [stream],
  )
}

/**
 * What a {@link Video} takes: a stream, and whatever a `<video>` does.
 *
 * @example
 * const props: VideoProps = { stream: peer.streams[0], muted: true, className: 'tile' }
 * createElement(Video, props)
 */
export type VideoProps = Omit<ComponentPropsWithoutRef<'video'>, 'src'> & {
  /** What it shows. */
  readonly stream: MediaStream | null | undefined
}

/**
 * A `<video>` that plays a stream, at once and in its place. Your own should be `muted`.
 *
 * @example
 * return peer.streams.map((stream) => createElement(Video, { key: stream.id, stream }))
 */
export function Video({ stream, ...props }: VideoProps): ReactElement {
  return createElement('video', { autoPlay: true, playsInline: true, ...props, ref: useStream(stream) })
}
