// @ts-check
// The contract with Streamlit: it calls a module's default function when the component appears and with each message.

/** @typedef {(name: string, value: unknown) => void} Send tell the page something, which runs the page */

/**
 * @template Data
 * @typedef {object} Component
 * @property {Data} data
 * @property {HTMLElement} parentElement
 * @property {Send} setTriggerValue
 */

/** @typedef {{ end(): void }} Picture */

/**
 * Return the picture in a parent element: a new one at the first call, the same one with every later message.
 * @template {Picture} P
 * @param {HTMLElement} parent
 * @param {new (parent: HTMLElement) => P} Kind
 * @returns {P}
 */
export function pictureIn(parent, Kind) {
  const host = /** @type {HTMLElement & { headlightPicture?: P }} */ (parent);
  host.headlightPicture ??= new Kind(parent);
  return host.headlightPicture;
}

/**
 * End the picture in a parent element.
 * @param {HTMLElement} parent
 */
export function endPicture(parent) {
  const host = /** @type {HTMLElement & { headlightPicture?: Picture }} */ (parent);
  host.headlightPicture?.end();
  delete host.headlightPicture;
}
