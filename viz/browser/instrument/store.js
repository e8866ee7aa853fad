// @ts-check
// The state of the instrument: what is selected and what the pointer is over. Parts change it and listen to it.

/** @typedef {[firstQuery: number, lastQuery: number, firstKey: number, lastKey: number]} Region last ones included */
/** @typedef {"query" | "key"} Side */
/** @typedef {"show" | "dim" | "hide"} Treatment of tokens */
/** @typedef {"overlay" | "mean" | "maximum"} Combine an overlay is drawn by the token graph alone */

/**
 * @typedef {object} Hover what the pointer or the keyboard is on; null where it is on none
 * @property {number | null} query
 * @property {number | null} key
 * @property {[layer: number, head: number] | null} head
 */

/**
 * @typedef {object} Selection
 * @property {number} layer
 * @property {number} head
 * @property {number | null} query position of the locked query
 * @property {number | null} key position of the locked key; with a locked query, the two are the selected pair
 * @property {Side} first the side that was locked first, which exports isolate
 * @property {Region | null} region null for the whole head
 * @property {number} threshold smallest weight of a line in the token graph
 * @property {string} palette a palette's name, or "automatic": it follows the theme
 * @property {string} scale
 * @property {boolean} truth whether right answers are outlined
 * @property {"pieces" | "words"} unit what positions count
 * @property {string} heads several chosen heads, as head_set.js writes them; "" for the one head
 * @property {Combine} combine what is shown of several heads
 * @property {Treatment} special how special tokens are shown
 * @property {Treatment} sink how the first token is shown, which often gets attention that means nothing
 * @property {boolean} renormalise whether rows are divided by what hidden tokens leave
 */

/** @typedef {Selection & { side: Side, hover: Hover }} State `side` is what a token of the strip is chosen as */
/** @typedef {{ query: number | null, key: number | null }} Focus positions that all parts emphasise */

/** @type {Hover} */
export const NO_HOVER = { query: null, key: null, head: null };

export class Store {
  /** @type {Set<() => void>} */
  listeners = new Set();
  /** Counts the changes of the selection. The server answers with the number of the last one that it has received. */
  number = 0;
  /** The number of the last change that the visitor made. */
  chosen = 0;

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  /**
   * Change some of the state, which the visitor chose, and inform the listeners, if anything differs.
   * @param {Partial<State>} changes
   */
  set(changes) {
    this.change(changes, true);
  }

  /**
   * Change some of the state to what another trace has of it, which is no choice of the visitor.
   * @param {Partial<State>} changes
   */
  fit(changes) {
    this.change(changes, false);
  }

  /**
   * @param {Partial<State>} changes
   * @param {boolean} isChosen
   */
  change(changes, isChosen) {
    const before = this.state;
    const names = /** @type {(keyof State)[]} */ (Object.keys(changes));
    const changed = names.filter((name) => !isEqual(before[name], changes[name]));
    if (!changed.length) return;
    this.state = { ...before, ...changes };
    if (changed.some((name) => name !== "hover")) {
      this.number++;
      if (isChosen) this.chosen = this.number;
    }
    for (const listener of this.listeners) listener();
  }

  /** @param {Partial<Hover> | null} hover */
  hover(hover) {
    this.set({ hover: hover ? { ...NO_HOVER, ...hover } : NO_HOVER });
  }
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
function isEqual(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Return what all parts emphasise: the pair that the pointer is on; or the token that it is on, with a locked token of
 * the other side; or what is locked.
 * @param {State} state
 * @returns {Focus}
 */
export function focusOf({ hover, query, key }) {
  return { query: hover.query ?? query, key: hover.key ?? key };
}

/**
 * Return the change that a click on a token makes: it locks the token, or releases it if it is locked.
 * @param {Selection} selection
 * @param {Side} side
 * @param {number} position
 * @returns {Partial<Selection>}
 */
export function toggleToken(selection, side, position) {
  const other = side === "query" ? "key" : "query";
  if (selection[side] === position) return { [side]: null, first: other };
  return { [side]: position, first: selection[other] === null ? side : selection.first };
}

/**
 * Return the change that a click on a pair makes: it locks both tokens, or releases them if both are locked.
 * @param {Selection} selection
 * @param {number} query
 * @param {number} key
 * @returns {Partial<Selection>}
 */
export function togglePair(selection, query, key) {
  if (selection.query === query && selection.key === key) return { query: null, key: null };
  return { query, key, first: selection.key === key && selection.query === null ? "key" : "query" };
}

/**
 * Return the side as which a token of the strip is hovered or locked: the side on which it is locked; else the chosen
 * side, or the other one while another token is locked on that side.
 * @param {State} state
 * @param {number} position
 * @returns {Side}
 */
export function sideInStrip(state, position) {
  const { side } = state;
  const other = side === "query" ? "key" : "query";
  if (state[side] === position) return side;
  return state[other] === position || state[side] !== null ? other : side;
}
