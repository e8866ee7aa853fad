// @ts-check
// What a visitor types is made fit for the connection to the server before Streamlit reads it.

// A text of so many halves of characters has more characters than are read (models/tokens.py) and is refused in a sentence.
const LONGEST_TEXT = 4_000_002;

/** Repair every text that is typed or pasted from now on. */
export function repairTypedTexts() {
  window.addEventListener("input", ({ target }) => repair(/** @type {HTMLInputElement | null} */ (target)), true);
}

/**
 * Return a text that can be sent: half a character, as some programs cut them off, or more than a message may hold would
 * end the connection to the server without a word.
 * @param {string} text
 */
export function sendable(text) {
  const cut = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
  return cut.toWellFormed?.() ?? cut;
}

/**
 * Make the text of an input sendable.
 * @param {HTMLInputElement | null} target
 */
function repair(target) {
  const typed = target?.value;
  if (!target || typeof typed !== "string" || !typed) return;
  const kept = sendable(typed);
  if (kept === typed) return;
  // Through the prototype: React would take a value that is set by the element's own setter as no change.
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), "value")?.set?.call(target, kept);
}
