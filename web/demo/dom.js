// @ts-check
/** Elements of the page. */

/**
 * The element with an id. The page is broken without it, so it is there.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new TypeError(`The page has no ${type.name} #${id}.`)
}

/** @param {string} id */
export const button = (id) => element(id, HTMLButtonElement)

/**
 * A copy of what a `<template>` holds.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function copyOf(id) {
  const first = element(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true)
  if (first instanceof HTMLElement) return first
  throw new TypeError(`The template #${id} is empty.`)
}

/**
 * What a selector finds inside.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {HTMLElement} outer
 * @param {string} selector
 * @returns {T}
 */
export function inside(outer, selector) {
  return /** @type {T} */ (outer.querySelector(selector))
}

/**
 * Shows whether a button is pressed, to eyes and to screen readers.
 *
 * @param {HTMLButtonElement} button
 * @param {boolean} pressed
 */
export function press(button, pressed) {
  button.setAttribute('aria-pressed', String(pressed))
}

/** @param {{ readonly name: string | undefined, readonly identity: string }} somebody */
export const nameOf = ({ name, identity }) => name ?? identity
