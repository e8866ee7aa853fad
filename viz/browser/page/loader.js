// @ts-check
// The instrument's code comes from a URL of this server, which the browser caches, and not with every message of the page.
// Python puts the name of the file in its place.

/** @import { Mounted } from "./instrument.js" */

const app = /** @type {HTMLScriptElement | null} */ (document.querySelector('script[src*="/static/js/"]'));
const server = new URL("../../", app?.src ?? new URL("static/js/app.js", document.baseURI)).href;
const code = import(`${server}vendor/CODE`);

/** @param {Mounted} component */
export default function mount({ data, parentElement, setStateValue }) {
  let end = () => {};
  let ended = false;
  code.then((module) => {
    if (!ended) end = module.default({ data, parentElement, setStateValue, server });
  });
  return () => {
    ended = true;
    end();
  };
}
