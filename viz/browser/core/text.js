// @ts-check
// Sentences and numbers. Sentences that files contain as well come with the data (viz/style.py).

/**
 * Fill the places `{name}` of a sentence.
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
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
