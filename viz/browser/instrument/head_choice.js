// @ts-check
// How clicks and keys change the chosen heads. Each function returns the change of the selection.

import { expandHeads, writeHeads } from "./head_set.js";
import { headAfter, sameHead } from "./heads_layout.js";

/** @import { HeadPlace } from "./head_set.js" */
/** @import { Selection, State } from "./store.js" */

/** @typedef {Pick<Selection, "layer" | "head" | "heads">} Choice */
/** @typedef {{ ctrlKey: boolean, metaKey: boolean, shiftKey: boolean }} Modifiers */

/**
 * Return the chosen heads, none for the one head.
 * @param {Pick<Selection, "heads">} state
 * @param {number[]} heads heads of each layer
 */
export function chosenHeads(state, heads) {
  return state.heads === "" ? [] : expandHeads(state.heads, heads);
}

/**
 * Choose one head alone.
 * @param {HeadPlace} place
 * @returns {Choice}
 */
export function chooseOnly([layer, head]) {
  return { layer, head, heads: "" };
}

/**
 * Add a head to the chosen ones and make it the current one, or remove it. The first head that is added to the one head
 * makes two. A removed current head hands over to the chosen head before it.
 * @param {Choice} state
 * @param {HeadPlace} place
 * @param {number[]} heads heads of each layer
 * @returns {Choice}
 */
export function toggleHead(state, place, heads) {
  /** @type {HeadPlace} */
  const current = [state.layer, state.head];
  const chosen = chosenHeads(state, heads);
  const rest = chosen.filter((each) => !sameHead(each, place));
  if (rest.length === chosen.length) {
    const start = chosen.length || sameHead(current, place) ? chosen : [current];
    return { layer: place[0], head: place[1], heads: writeHeads([...start, place], heads) };
  }
  const [layer, head] = sameHead(current, place) && rest.length ? lastBefore(rest, place, heads) : current;
  return { layer, head, heads: writeHeads(rest, heads) };
}

/**
 * Choose all heads from the current one to another, in reading order. The current head stays, so that the next such
 * click begins there too.
 * @param {Choice} state
 * @param {HeadPlace} place
 * @param {number[]} heads heads of each layer
 * @returns {Choice}
 */
export function chooseRange({ layer, head }, place, heads) {
  const ends = [placeNumber([layer, head], heads), placeNumber(place, heads)];
  const between = expandHeads("all", heads).slice(Math.min(...ends), Math.max(...ends) + 1);
  return { layer, head, heads: writeHeads(between, heads) };
}

/**
 * Choose a whole layer, or only its current head if the layer is chosen; `adds` keeps the other chosen heads.
 * @param {Choice} state
 * @param {number} layer
 * @param {number[]} heads heads of each layer
 * @param {boolean} [adds]
 * @returns {Choice}
 */
export function toggleLayer(state, layer, heads, adds = false) {
  const own = expandHeads(String(layer), heads);
  const chosen = chosenHeads(state, heads);
  const others = chosen.filter(([each]) => each !== layer);
  const isWhole = chosen.length - others.length === own.length;
  const head = Math.min(state.head, heads[layer] - 1);
  if (!adds)
    return isWhole && !others.length ? chooseOnly([layer, head]) : { layer, head, heads: writeHeads(own, heads) };
  if (isWhole) return { layer: state.layer, head: state.head, heads: writeHeads(others, heads) };
  /** @type {HeadPlace[]} */
  const before = chosen.length ? others : [[state.layer, state.head]];
  return { layer, head, heads: writeHeads([...before, ...own], heads) };
}

/**
 * Choose all heads, or only the current one if all are chosen.
 * @param {Choice} state
 * @param {number[]} heads heads of each layer
 * @returns {Choice}
 */
export function toggleAllHeads({ layer, head, heads: text }, heads) {
  return { layer, head, heads: text === "all" ? "" : writeHeads(expandHeads("all", heads), heads) };
}

/**
 * Return the change that a click on a head makes.
 * @param {State} state
 * @param {HeadPlace} place
 * @param {Modifiers} modifiers
 * @param {number[]} heads heads of each layer
 */
export function clickHead(state, place, { ctrlKey, metaKey, shiftKey }, heads) {
  if (ctrlKey || metaKey) return toggleHead(state, place, heads);
  return shiftKey ? chooseRange(state, place, heads) : chooseOnly(place);
}

/**
 * Return the change that a key makes: arrows move the current head and keep the chosen ones, Space adds or removes it,
 * Enter chooses it alone; null for other keys.
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey">} event
 * @param {Choice} state
 * @param {number[]} heads heads of each layer
 * @returns {Partial<Choice> | null}
 */
export function choiceOfKey({ key, ctrlKey, metaKey }, state, heads) {
  /** @type {HeadPlace} */
  const current = [state.layer, state.head];
  const reached = headAfter(key, current, heads);
  if (reached) return { layer: reached[0], head: reached[1] };
  if (key === " " || (key === "Enter" && (ctrlKey || metaKey))) return toggleHead(state, current, heads);
  return key === "Enter" ? chooseOnly(current) : null;
}

/**
 * Return the heads whose lines the token graph overlays; none where it draws one map.
 * @param {Selection} state
 * @param {number[]} heads heads of each layer
 */
export function overlaidHeads(state, heads) {
  if (state.combine !== "overlay") return [];
  const chosen = chosenHeads(state, heads);
  return chosen.length === 1 && sameHead(chosen[0], [state.layer, state.head]) ? [] : chosen;
}

/**
 * Return the number of a head in reading order.
 * @param {HeadPlace} place
 * @param {number[]} heads heads of each layer
 */
function placeNumber([layer, head], heads) {
  return heads.slice(0, layer).reduce((sum, count) => sum + count, head);
}

/**
 * @param {HeadPlace[]} places in reading order
 * @param {HeadPlace} place
 * @param {number[]} heads heads of each layer
 */
function lastBefore(places, place, heads) {
  const number = placeNumber(place, heads);
  return places.findLast((each) => placeNumber(each, heads) < number) ?? places[0];
}
