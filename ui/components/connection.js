// A server that was started anew knows nothing of an open page until the page sends something, and what a visitor does
// first would be lost. So the page says that it is there as soon as the browser has found the server again, and can be
// used when the server has drawn it.

const ANSWER_SECONDS = 60;

export default function ({ data, setTriggerValue }) {
  const connection = (window.headlightConnection ??= new Connection());
  connection.send = setTriggerValue;
  connection.drawn(data);
}

class Connection {
  constructor() {
    this.found = 0;
    this.lost = false;
    new MutationObserver(() => this.look()).observe(document.body, {
      subtree: true,
      attributeFilter: ["data-test-connection-state"],
    });
  }

  look() {
    const state = document.querySelector('[data-testid="stApp"]')?.dataset.testConnectionState;
    if (state === "CONNECTED" && this.lost) {
      this.use(false);
      this.timer = setTimeout(() => this.use(true), 1000 * ANSWER_SECONDS);
      this.send("found", ++this.found);
    }
    this.lost = state !== "CONNECTED";
  }

  /** The server sends another number with each run of the page, after everything else. */
  drawn(run) {
    if (run === this.run) return;
    this.run = run;
    clearTimeout(this.timer);
    this.use(true);
  }

  use(can) {
    const page = document.querySelector('[data-testid="stMain"]');
    if (page) page.inert = !can;
  }
}
