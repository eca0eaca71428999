/** What a component was rendered with last, for whoever calls later. */

import { useInsertionEffect, useRef } from 'react'

/** Keeps the value of the last render that counts: one that React throws away leaves no trace. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value)
  // Before every other effect of the commit, so that none of them sees the value before.
  useInsertionEffect(() => {
    latest.current = value
  })
  return latest
}
