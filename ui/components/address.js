// The page's address follows what a visitor chose, and Back and Forward tell the page what it showed before. A change
// of text or model is a step to go back over; another head of the same text only renames the present one.

const MOST = 4_000_002;
// After so many milliseconds without an answer the page has lost where a visitor went.
const PATIENCE = 20_000;
const EMBEDDED = /^embed(_options)?$/; // Streamlit's own parameters stay

export default function ({ data, setTriggerValue }) {
  const address = (window.headlightAddress ??= new Address());
  address.send = setTriggerValue;
  address.show(data);
}

class Address {
  constructor() {
    this.path = location.pathname;
    this.wents = 0;
    // Streamlit sends the address that it opened, until the page takes its query away (ui/state/page_state.py), and from then on
    // the one that is there: it must not take that one away as well.
    this.push = history.pushState.bind(history);
    history.pushState = (state, title, url) =>
      new URL(url, location).pathname === location.pathname || this.push(state, title, url);
    // At the window, listeners that capture come first: Streamlit's own would run the page with what it showed last.
    window.addEventListener("popstate", (event) => this.went(event), true);
    window.addEventListener("input", (event) => sendable(event), true);
  }

  show({ query, step, went }) {
    // Whoever went on is ahead of the page: what it says of the entry before must not be written over this one.
    if (this.waiting && went !== this.wents && this.path === location.pathname) return;
    clearTimeout(this.waiting);
    const answers = Boolean(this.waiting);
    this.waiting = 0;
    const here = new URLSearchParams(location.search);
    const kept = [...here].filter(([name]) => EMBEDDED.test(name));
    const wanted = [query, new URLSearchParams(kept).toString()].filter(Boolean).join("&");
    const onward = this.step !== undefined && this.step !== step && this.path === location.pathname && !answers;
    if (location.search.slice(1) !== wanted) {
      const url = location.pathname + (wanted ? `?${wanted}` : "");
      if (onward) this.push({}, "", url);
      else history.replaceState({}, "", url);
    }
    Object.assign(this, { step, path: location.pathname });
  }

  /** Back or Forward on the same page; another page is Streamlit's to open. */
  went(event) {
    if (location.pathname !== this.path || location.hash) return;
    event.stopImmediatePropagation();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => (this.waiting = 0), PATIENCE);
    this.send("went", [++this.wents, location.search.slice(1)]);
  }
}

/** What would break the connection to the server, and the page stand still without a word: half a character, as some
 * programs cut them off, and more than a message may hold. A text of `MOST` halves has more characters than are read
 * (models/tokens.py) and is refused in a sentence. */
function sendable({ target }) {
  const typed = target?.value;
  if (typeof typed !== "string" || !typed) return;
  const cut = typed.length > MOST ? typed.slice(0, MOST) : typed;
  const kept = cut.toWellFormed?.() ?? cut;
  if (kept === typed) return;
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), "value").set.call(target, kept);
}
