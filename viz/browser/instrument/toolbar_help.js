// @ts-check
// What a visitor should know: one line of guidance until it was followed, and what attention does not tell.

import { element } from "../core/canvas.js";
import { placeNoun } from "./head_name.js";

/** @import { Scene } from "./index.js" */
/** @import { Trace } from "./trace.js" */

export const CAVEATS_TITLE = "What attention does not tell you";
// README has a section of this name.
const CAVEATS = [
  "A large weight says which token a head reads, not what the head does with it. The values and the layers above decide that.",
  "Many heads attend to [CLS], [SEP] or the first token when no token of the sentence matters to them.",
  "If all tokens give the same token a large weight, the weight of one of them says little. Compare it with the others.",
  "In higher layers a position no longer represents only its own token, because the layers below have mixed the tokens.",
  "One sentence shows one case. Check a pattern on many sentences before you claim it.",
];
const FOLLOWED = "headlight guidance followed";

export class Caveats {
  /**
   * @param {HTMLElement} parent
   * @param {HTMLElement} outside the dialog's parent: a folded parent would hide it
   */
  constructor(parent, outside) {
    this.button = element("button", "toolbar-link", parent);
    this.button.type = "button";
    this.button.textContent = CAVEATS_TITLE;
    this.dialog = element("dialog", "toolbar-dialog", outside);
    this.dialog.setAttribute("aria-label", CAVEATS_TITLE);
    element("h2", "toolbar-dialog-title", this.dialog).textContent = CAVEATS_TITLE;
    const list = element("ul", "toolbar-caveats", this.dialog);
    for (const caveat of CAVEATS) element("li", "", list).textContent = caveat;
    const close = element("button", "toolbar-button", this.dialog);
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => this.dialog.close());
    this.button.addEventListener("click", () => this.dialog.showModal());
    // Escape closes the dialog, and must not release the locked tokens too.
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());
  }
}

export class Guidance {
  /** @type {Trace | undefined} */
  trace;
  /** The head that the trace opened with, and the tokens that were locked then. */
  opened = "";
  locked = "";
  hasClicked = false;
  hasHovered = false;
  isFollowed = false;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("p", "toolbar-guide", parent);
    this.isTouch = matchMedia("(hover: none)").matches;
    this.root.hidden = readFollowed();
  }

  /** @param {Scene} scene */
  draw({ trace, state }) {
    if (this.root.hidden || this.isFollowed) return;
    const head = `${state.layer} ${state.head}`;
    const locked = `${state.query} ${state.key}`;
    if (trace !== this.trace) {
      this.trace = trace;
      const [what] = placeNoun(trace);
      this.root.textContent = this.isTouch ? `Tap a ${what}. Tap a word.` : `Click a ${what}. Hover over a word.`;
      this.opened = head;
      this.locked = locked;
    }
    this.hasClicked ||= head !== this.opened;
    this.hasHovered ||= state.hover.query !== null || state.hover.key !== null || locked !== this.locked;
    if (!this.hasClicked || !this.hasHovered) return;
    this.isFollowed = true;
    // Its place stays until the next visit: nothing moves below the pointer.
    this.root.style.visibility = "hidden";
    rememberFollowed();
  }
}

function readFollowed() {
  try {
    return localStorage.getItem(FOLLOWED) === "yes";
  } catch {
    return false; // A browser may forbid its storage.
  }
}

function rememberFollowed() {
  try {
    localStorage.setItem(FOLLOWED, "yes");
  } catch {
    // The line appears again at the next visit.
  }
}
