"""What a visitor waits for when a view is chosen (words, hidden tokens, several heads, scales); where words are made.

Times run in the browser as those of benchmarks/page.py do. Every text is new, so that no view of it is known.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median
from time import thread_time
from zlib import compress

import numpy as np
import psutil
import torch
from playwright.sync_api import Locator, Page, sync_playwright

from benchmarks.browser import chromium, new_page
from benchmarks.page import PAUSE_MS, Traffic, app, time
from benchmarks.table import Report, milliseconds, size
from models import load_model
from tests.helpers.node import call
from tests.helpers.visitor import inspect_text, select_box, wait_until_drawn
from viz.wire.instrument import Opening, all_weights, trace_message

LENGTHS = (13, 64, 128)
ROUNDS = 5
# MiniLM's pieces of each word.
WORDS = {"the": 1, "kittens": 2, "sat": 1, "on": 1, "doormat": 2, "because": 1, "it": 1, "was": 1, "drowsy": 3}
WORDS |= {"and": 1, "dozed": 2, "sleepily": 2, "purring": 2}
SENTENCE = [*WORDS]
LAYER = 3

# The body of a module for Node: seconds of words, hidden tokens and a mean of all heads, of one message.
IN_BROWSER = """
import { Trace } from "./viz/browser/instrument/trace.js";
import { deriveView } from "./viz/browser/instrument/view.js";
const bytes = new Uint8Array(readFileSync(data.file));
const plain = { unit: "pieces", special: "show", sink: "show", renormalise: false };
const works = {
  words: (trace) => deriveView(trace, { ...plain, unit: "words" }),
  hidden: (trace) => deriveView(trace, { ...plain, special: "hide", renormalise: true }),
  mean: (trace) => trace.combine(["mean", "all"]),
};
const result = { words: [], hidden: [], mean: [] };
for (let round = 0; round < data.rounds; round++) {
  for (const [name, work] of Object.entries(works)) {
    const trace = new Trace(bytes);
    const started = performance.now();
    work(trace);
    result[name].push((performance.now() - started) / 1000);
  }
}
"""


def text_of_pieces(n_tokens: int, first: str) -> str:
    """Return a text of `n_tokens` pieces, `[CLS]` and `[SEP]` among them, some of whose words have several pieces."""
    words, left = [first], n_tokens - 3
    for word in islice(cycle(SENTENCE), n_tokens):
        if WORDS[word] <= left:
            words.append(word)
            left -= WORDS[word]
    return " ".join(chain(words, ["the"] * left))


def control(page: Page, panel: str, name: str, role: str) -> Locator:
    """Return a control of a panel of the toolbar; this panel is open, and no other one."""
    panels = page.locator(".toolbar-look")
    panels.evaluate_all(
        "(all, name) => all.forEach((each) => { each.open = each.firstChild.textContent === name; })", panel
    )
    return panels.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]


def choose(page: Page, panel: str, name: str, value: str, drawn: str) -> float:
    """Return the milliseconds from a choice in a select box to the frame that shows it, exactly."""
    box = control(page, panel, name, "combobox")
    return time(page, "change", drawn, lambda: box.select_option(value))[1]


def press(page: Page, button: Locator, drawn: str) -> float:
    """Return the milliseconds from a click on a button to the frame that shows its effect, exactly."""
    button.scroll_into_view_if_needed()
    return time(page, "click", drawn, button.click)[1]


def overlay(page: Page) -> float:
    """Return the milliseconds from the choice of a layer to the frame with the lines of all its heads."""
    select_box(page, "Layer").select_option(str(LAYER))
    page.wait_for_selector(f'.instrument[data-drawn="{LAYER} 0 exact"]')
    lines = "document.querySelectorAll('.graph-legend:not([hidden]) .graph-head').length === 12"
    all_came = "!document.querySelector('.graph-caption').textContent.includes('have come')"
    return press(page, control(page, "Heads", f"Layer {LAYER}", "button"), f"{lines} && {all_came}")


def combined(page: Page, how: str, heads: str) -> float:
    """Return the milliseconds from the choice of a mean to its frame; of other heads of a mean that is shown."""
    drawn = f'dataset.drawn.startsWith("{how} {heads} ")'
    if heads == "all":
        return press(page, control(page, "Heads", "All heads", "button"), drawn)
    return choose(page, "Heads", "What is shown of the chosen heads", how, drawn)


def plain(page: Page) -> None:
    """Show pieces, all tokens and one head again."""
    control(page, "Tokens", "Unit", "combobox").select_option("pieces")
    control(page, "Tokens", "Special tokens", "combobox").select_option("show")
    if page.get_by_role("button", name="Without sink", pressed=True).count():
        page.get_by_role("button", name="Without sink", exact=True).click()
    if control(page, "Heads", "Only this head", "button").is_enabled():
        control(page, "Heads", "What is shown of the chosen heads", "combobox").select_option("overlay")
        control(page, "Heads", "Only this head", "button").click()
    control(page, "Look", "Scale", "combobox").select_option("linear")
    page.wait_for_timeout(PAUSE_MS)


def actions(page: Page) -> dict[str, Callable[[], float]]:
    """Return what is measured, in order; a mean is shown of the heads that were overlaid before."""
    without = page.get_by_role("button", name="Without sink", exact=True)
    return {
        "words": lambda: choose(page, "Tokens", "Unit", "words", 'dataset.view === "unit=words"'),
        "special tokens hidden": lambda: choose(
            page, "Tokens", "Special tokens", "hide", 'dataset.view === "special=hide"'
        ),
        "without sink, renormalised": lambda: press(page, without, 'dataset.view === "sink=hide&renormalise=True"'),
        "overlay of a layer's 12 heads": lambda: overlay(page),
        "mean of a layer, after its overlay": lambda: combined(page, "mean", str(LAYER)),
        "mean of all heads": lambda: combined(page, "mean", "all"),
        "logarithmic scale": lambda: choose(page, "Look", "Scale", "log", "true"),
    }


# Each of these is shown together with the one before it.
FOLLOWS = ("mean of a layer, after its overlay", "mean of all heads")


def of_length(page: Page, traffic: Traffic, n_tokens: int) -> dict[str, list[tuple[float, int, int]]]:
    """Return milliseconds, answers to requests, and bytes of each action, in rounds of a new text each."""
    found: dict[str, list[tuple[float, int, int]]] = {}
    for turn in range(ROUNDS + 1):
        inspect_text(page, text_of_pieces(n_tokens, str(turn + 1)))
        wait_until_drawn(page)
        for name, act in actions(page).items():
            if name not in FOLLOWS:
                plain(page)
            traffic.reset()
            taken = act()
            page.wait_for_timeout(200)
            if turn:  # the first one warms up
                found.setdefault(name, []).append((taken, traffic.answers, traffic.n_bytes))
            page.wait_for_timeout(PAUSE_MS)
        plain(page)
    return found


def main(report: Report) -> None:
    """Print how long each view takes, and what words cost in the browser and in the message."""
    with app() as url, sync_playwright() as playwright, chromium(playwright) as browser:
        page = new_page(browser)
        traffic = Traffic(page)
        page.goto(f"{url}/?text={text_of_pieces(20, 'a')}&layer=0&head=0")
        wait_until_drawn(page)
        found = {n_tokens: of_length(page, traffic, n_tokens) for n_tokens in LENGTHS}
        version = browser.version
    lengths = [f"{n_tokens} tokens" for n_tokens in LENGTHS]
    sent = [f"requests, bytes at {n_tokens}" for n_tokens in LENGTHS[1:]]
    report.table(
        f"Views of a trace, MiniLM, Chromium {version}",
        ("what", *lengths, "slowest", *sent),
        [_row(name, [found[n_tokens][name] for n_tokens in LENGTHS]) for name in found[LENGTHS[0]]],
        f"Medians of {ROUNDS} new texts each, from the event to the frame with exact weights, after one that warms up. "
        "From 64 tokens on, two in five words have several pieces. Up to 64 tokens the browser computes all of these. "
        "At 128, it asks for views. "
        f"The load at the end was {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores.",
    )
    where_words_are_made(report)


def _row(name: str, of: list[list[tuple[float, int, int]]]) -> tuple[str, ...]:
    taken = [[each[0] for each in rounds] for rounds in of]
    sent = [tuple(median(each[at] for each in rounds) for at in (1, 2)) for rounds in of[1:]]
    middles = [f"{median(each):.1f} ms" for each in taken]
    return name, *middles, f"{max(map(max, taken)):.0f} ms", *(f"{count:.0f}, {size(n)}" for count, n in sent)


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of some work in one thread: threads wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        started = thread_time()
        work()
        return thread_time() - started
    finally:
        torch.set_num_threads(threads)


def where_words_are_made(report: Report, n_tokens: int = 64) -> None:
    """Print the cost of words, hidden tokens and means in the browser, and in the message."""
    att = load_model("minilm", device="cpu").trace(text_of_pieces(n_tokens, "a"))["encoder"]
    views = {"words": att.words(), "hidden": att.hide(special=True, renormalise=True)}
    heads = [(layer, head) for layer in range(att.n_layers) for head in range(att.n_heads)]
    views["mean"] = att.combine(heads, "mean")
    message = trace_message(att, Opening("", "layer=0&head=0"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "message"
        file.write_bytes(message)
        browser = call(IN_BROWSER, {"file": str(file), "rounds": 3 * ROUNDS})
    names = {
        "words": "words of all heads",
        "hidden": "all heads without special tokens, renormalised",
        "mean": "mean of all heads",
    }
    rows = []
    for name, view in views.items():
        raw = all_weights(view).astype(np.float32).tobytes()
        python = median(processor_seconds(partial(all_weights, view)) for _ in range(ROUNDS))
        first, later = browser[name][0], median(browser[name][1:])
        times = [milliseconds(each) for each in (first, later, python)]
        rows.append((names[name], *times, size(len(raw)), size(len(compress(raw)))))
    report.table(
        f"Where views are computed: {n_tokens} tokens, {len(heads)} heads",
        (
            "what",
            "browser, first time",
            "browser, median",
            "Python, processor time",
            "more bytes of the message",
            "deflated",
        ),
        rows,
        f"The browser's modules in Node. The message of this trace has {size(len(message))}, of which its weights "
        f"take {size(all_weights(att).nbytes)}. Units, hidden tokens and renormalised rows give 14 views of all heads; "
        f"{len(heads)} heads have 2^{len(heads)} means. "
        f"The load of the machine was {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores.",
    )
