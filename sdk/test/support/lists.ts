/** Elements that a test knows to be there. */

/** The element at an index, from the end where it is negative. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list.at(index)
  if (found === undefined) throw new Error(`There is no element ${index} of ${list.length}.`)
  return found
}

/** The last element. */
export function last<T>(list: readonly T[]): T {
  return at(list, -1)
}
