// What the pictures share: reading packed bytes, following the page's theme, and drawing at most once a frame.

/** Read `uint32 length | JSON header | arrays` (viz/wire/packing.py); the arrays are views, not copies. */
function unpack(bytes) {
  const copy = bytes.byteOffset % 4 ? bytes.slice() : bytes;
  const length = new DataView(copy.buffer, copy.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + length)));
  const types = { Uint8Array, Uint16Array, Float32Array };
  const arrays = {};
  for (const [name, [type, offset, size]] of Object.entries(header.arrays)) {
    arrays[name] = new types[type](copy.buffer, copy.byteOffset + 4 + length + offset, size);
  }
  return { header, arrays };
}

/** Tell whether two runs of bytes are equal: a rerun of the page may bring the same ones again. */
function sameBytes(one, other) {
  if (one === other) return true;
  if (!one || !other || one.length !== other.length) return false;
  for (let place = 0; place < one.length; place++) if (one[place] !== other[place]) return false;
  return true;
}

/** Colours and font of the page around the picture. */
function themeOf(element) {
  const style = getComputedStyle(element);
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

/** Return a function that asks for one drawing in the next frame, however often it is called. */
function oncePerFrame(draw) {
  let asked = 0;
  return () => {
    if (!asked) {
      asked = requestAnimationFrame(() => {
        asked = 0;
        draw();
      });
    }
  };
}

/** Give a canvas the size in CSS pixels, sharp on any screen, and return its context. */
function fit(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.appendChild(made);
  return made;
}

/** Redraw when the element's size or the page's theme changes; returns the function that ends it. */
function watch(host, redraw) {
  const size = new ResizeObserver(redraw);
  size.observe(host);
  const theme = new MutationObserver(redraw);
  theme.observe(document.documentElement, { attributes: true, subtree: false });
  theme.observe(document.body, { attributes: true, subtree: false });
  const timer = setInterval(redraw, 1500); // a theme switch may change variables only, which no observer sees
  return () => {
    size.disconnect();
    theme.disconnect();
    clearInterval(timer);
  };
}

