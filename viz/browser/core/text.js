// @ts-check
// Sentences and numbers. Sentences that files contain as well come with the data (viz/style.py).

// Hebrew, Arabic and their relatives, also as presentation forms.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

/**
 * Return a token for a sentence. A token that runs from right to left is isolated: it would otherwise turn around what
 * stands beside it, an arrow between two such tokens, or a position and a weight. What contains such tokens already
 * stays as it is.
 * @param {string} text
 */
export function isolate(text) {
  return RIGHT_TO_LEFT.test(text) && !text.includes("\u2068") ? `\u2068${text}\u2069` : text;
}

/**
 * Fill the places `{name}` of a sentence.
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => isolate(String(values[name])));
}

/**
 * Return a share in per cent.
 * @param {number} share 0 to 1
 */
export function percent(share) {
  return `${Math.round(100 * share)}%`;
}

/**
 * Return the sentence with a capital first letter and a full stop.
 * @param {string} sentence
 */
export function asSentence(sentence) {
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
