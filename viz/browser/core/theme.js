// @ts-check
// Colours and font of the page around a picture.

/**
 * @typedef {object} Theme
 * @property {string} text
 * @property {string} background
 * @property {string} accent
 * @property {string} faded
 * @property {string} panel
 * @property {string} font
 */

// Red, green and blue of a dark colour sum to less than this: half of the sum of white.
const DARK_BELOW = 384;

/**
 * Return the theme that Streamlit gives to an element, or that of an exported file.
 * @param {Element} element
 * @returns {Theme}
 */
export function themeOf(element) {
  const style = getComputedStyle(element);
  /** @type {(name: string, fallback: string) => string} */
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  return {
    text: read("--st-text-color", "#1f2430"),
    background: read("--st-background-color", "#ffffff"),
    accent: read("--st-primary-color", "#1f6fb4"),
    faded: read("--st-gray-text-color", "#808895"),
    panel: read("--st-secondary-background-color", "#eef1f5"),
    font: read("--st-font", "system-ui, sans-serif"),
  };
}

/**
 * Return whether the page is dark.
 * @param {CanvasRenderingContext2D} context its fill style changes
 * @param {Theme} theme
 */
export function isDark(context, theme) {
  context.fillStyle = theme.background; // The canvas reads any CSS colour and gives it back as #rrggbb.
  return isDarkColour(context.fillStyle);
}

/**
 * Return whether a colour `#rrggbb` is dark.
 * @param {string} colour
 */
export function isDarkColour(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return red + green + blue < DARK_BELOW;
}
