// @ts-check
// Everything that this project keeps on `window`, in one place: components of a page have no other way to each other,
// and Streamlit may remove a component and bring it back.

/** @typedef {[layer: number, head: number]} Head */

/**
 * @typedef {object} Globals
 * @property {any} [headlightSelected] the instrument's selection with its number, for the next instrument of this tab
 * @property {Uint8Array} [headlightFrames] the last message of frames of a training
 * @property {Map<string, any>} [headlightTrainings] frames by the name of their training
 * @property {Promise<any> | null} [headlightPlotly] resolves to Plotly
 * @property {any} [headlightAddress] the page's address bar (page/address_bar.js)
 * @property {any} [headlightConnection]
 * @property {any} [Plotly]
 */

/** @type {typeof globalThis & Globals} */
export const globals = globalThis;

export const FRAMES_EVENT = "headlight-frames";
