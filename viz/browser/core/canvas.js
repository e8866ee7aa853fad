// @ts-check
// Elements, canvases that are sharp on any screen, and drawing at most once a frame.

/**
 * Add an element to a parent.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {Node} parent
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.appendChild(made);
  return made;
}

/**
 * Return the canvas's context for drawing.
 * @param {HTMLCanvasElement} canvas
 */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/**
 * Give a canvas a size in CSS pixels, sharp on any screen, and return its context.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function fit(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = contextOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * Return a function that requests one drawing in the next frame, however often it is called.
 * @param {() => void} draw
 */
export function oncePerFrame(draw) {
  let requested = 0;
  return () => {
    if (requested) return;
    requested = requestAnimationFrame(() => {
      requested = 0;
      draw();
    });
  };
}

/**
 * Redraw when the element's size or the page's theme changes. Returns the function that stops this.
 * @param {Element} host
 * @param {() => void} redraw
 */
export function watch(host, redraw) {
  const size = new ResizeObserver(redraw);
  size.observe(host);
  const theme = new MutationObserver(redraw);
  theme.observe(document.documentElement, { attributes: true, subtree: false });
  theme.observe(document.body, { attributes: true, subtree: false });
  const timer = setInterval(redraw, 1500); // A theme switch may change variables only, which no observer sees.
  return () => {
    size.disconnect();
    theme.disconnect();
    clearInterval(timer);
  };
}
