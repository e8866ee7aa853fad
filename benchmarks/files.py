"""HTML files of one text: Headlight's `view` against bertviz and attnview; size, writing, and the finished picture."""

import os
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from playwright.sync_api import Browser, sync_playwright

import viz
from benchmarks.browser import chromium, new_page
from benchmarks.peer_html import ALL_PEERS, ATTNVIEW, PEERS, answer, reachable
from benchmarks.shapes import text_of
from benchmarks.table import Report, met, milliseconds, ratio, size, timed
from models import Attention, load_model

LENGTHS = (16, 64, 128)
ROUNDS = 5
OURS = "Headlight view"
# Bytes of a file at most.
TO_REACH = {64: 1_200_000, 128: 3_000_000}
DRAWN = "(document.querySelector('.instrument')?.dataset.drawn ?? '').endsWith('exact')"


def contestants(folder: Path) -> dict[str, tuple[Callable[[Attention], str], str]]:
    """Return what writes each contestant's HTML, and the JavaScript that says that it is drawn."""
    found: dict[str, tuple[Callable[[Attention], str], str]] = {
        OURS: (lambda att: viz.export(att, "view", "html", layer=0, head=0).data.decode(), DRAWN)
    }
    if reachable(folder):
        for peer in (*(each for each in ALL_PEERS if "bertviz" in each.name), ATTNVIEW):
            found[peer.name] = (lambda att, peer=peer: peer.html(*_given(att)), peer.drawn)
    return found


def _given(att: Attention) -> tuple[list[torch.Tensor], list[str]]:
    weights = [torch.from_numpy(att.layer(layer).copy())[None] for layer in range(att.n_layers)]
    return weights, [token.text for token in att.query_tokens]


def opened(browser: Browser, file: Path, drawn: str, folder: Path) -> float:
    """Return the seconds from opening a file to its finished picture."""
    page = new_page(browser)
    page.route("http*://**/*", lambda route: answer(route, folder))
    page.add_init_script(f"benchmark.within(() => {drawn}).then((taken) => {{ window.taken = taken; }})")
    page.add_init_script("window.taken = 0")
    try:
        page.goto(file.as_uri(), wait_until="commit")
        for _ in range(600):
            # Not wait_for_function, which is `eval`: our file's policy forbids it.
            if taken := page.evaluate("window.taken"):
                return taken / 1000
            page.wait_for_timeout(100)
        raise TimeoutError(f"{file.name} was not drawn in a minute")
    finally:
        page.close()


def measure(folder: Path, n_tokens: int) -> dict[str, tuple[int, list[float], list[float]]]:
    """Return each contestant's bytes, seconds of writing and seconds to the picture; they take turns."""
    att = load_model("minilm", device="cpu").trace(text_of(n_tokens))["encoder"]
    found: dict[str, tuple[int, list[float], list[float]]] = {}
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright, chromium(playwright) as browser:
        for turn in range(ROUNDS + 1):
            for name, (write, drawn) in contestants(folder).items():
                file = Path(place) / f"{name}.html"
                written = timed(lambda write=write, file=file: file.write_text(write(att), encoding="utf-8"))
                taken = opened(browser, file, drawn.format(n=n_tokens), folder)
                if turn:  # the first one warms them up
                    found.setdefault(name, (file.stat().st_size, [], []))
                    found[name][1].append(written)
                    found[name][2].append(taken)
    return found


def main(report: Report, folder: Path = PEERS) -> None:
    """Print a table of all files, and what was to be reached."""
    rows, reached = [], []
    for n_tokens in LENGTHS:
        found = measure(folder, n_tokens)
        n_bytes, written, taken = found[OURS]
        for name, (others, writing, opening) in found.items():
            times = f"{others / n_bytes:.2f}, {ratio(writing, written):.1f}, {ratio(opening, taken):.1f}"
            shown = (size(others), milliseconds(median(writing)), milliseconds(median(opening)))
            rows.append((f"{n_tokens}", name, *shown, "–" if name == OURS else times))
        if most := TO_REACH.get(n_tokens):
            reached.append(
                (f"bytes at {n_tokens} tokens", size(n_bytes), f"at most {size(most)}", met(n_bytes <= most))
            )
    names = [name for name in ("bertviz", "attnview") if len(rows) > len(LENGTHS)]
    versions = ", ".join(f"{name} {version(name)}" for name in names) or "no peers"
    report.table(
        f"HTML files of MiniLM ({versions})",
        ("tokens", "file", "bytes", "writing", "finished picture", "bytes, writing, picture / Headlight"),
        rows,
        f"Medians of {ROUNDS} turns in one Chromium, after one turn that warms up; ratios are medians within a turn. "
        "All 6 layers and 12 heads. Headlight's file has its code in it and sends no request; bertviz asks a CDN for "
        "its libraries, which a folder answers here and which are not counted. head_view draws the lines of one layer, "
        "model_view those of all heads, attnview one query of one head. The load of the machine at the end was "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
    )
    report.table("HTML files, to reach", ("what", "reached", "to reach", "met"), reached)
