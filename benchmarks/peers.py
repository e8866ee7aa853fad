"""Sentence to picture: Headlight's whole page against bertviz and CircuitsVis in the same Chromium."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from playwright.sync_api import Error, Page, Playwright, sync_playwright

from benchmarks.browser import chromium, new_page
from benchmarks.page import app, head_switch, places, sentence
from benchmarks.peer_html import ALL_PEERS, PEERS, Peer, answer, bundle_bytes, reachable
from benchmarks.shapes import minilm, text_of
from benchmarks.table import Report, met, size, timed
from models import Model, load_model
from tests.helpers.visitor import wait_until_drawn

LENGTHS = (16, 64, 128, 256, 512)
LIMIT = 60.0
REPEATS = 3
SENTENCES = 5
SWITCHES = 9


@dataclass
class Results:
    """What one contestant did at one length; seconds, NaN where no picture came within the limit."""

    n_bytes: int
    written: float = 0.0
    opened: bool = True
    drawn: list[float] = field(default_factory=list)
    switches: dict[str, list[float]] = field(default_factory=dict)

    @property
    def picture(self) -> float:
        return median(self.drawn) if self.drawn else float("nan")

    def shown(self) -> str:
        if not self.opened:
            return "not opened: none at the length before"
        return seconds(self.picture) if self.drawn else f"no picture in {LIMIT:.0f} s"

    def switched(self) -> str:
        named = [f"{seconds(median(taken))} ({kind})" for kind, taken in self.switches.items() if taken]
        return ", ".join(named) or "–"


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def peer_at(playwright: Playwright, folder: Path, peer: Peer, model: Model, n_tokens: int, *, load: bool) -> Results:
    """Write a peer's HTML for a text and open it, in a browser of its own each time."""
    att = model.trace(text_of(n_tokens))["encoder"]
    weights = [torch.from_numpy(att.layer(layer).copy())[None] for layer in range(att.n_layers)]
    tokens = [token.text for token in att.query_tokens]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "peer.html"
        written = timed(lambda: file.write_text(peer.html(weights, tokens), encoding="utf-8"))
        library = bundle_bytes(folder) if "CircuitsVis" in peer.name else 0
        found = Results(file.stat().st_size - library, written, opened=load)
        start = perf_counter()
        while load and len(found.drawn) < REPEATS and perf_counter() - start < LIMIT / 3:
            with chromium(playwright) as browser, contextlib.suppress(Error):
                page = new_page(browser)
                page.route("http*://**/*", lambda route: answer(route, folder))
                drawn = peer.drawn.format(n=n_tokens)
                page.add_init_script(f"benchmark.within(() => {drawn}).then((taken) => {{ window.taken = taken; }})")
                found.drawn.append(load_in_time(page, file.as_uri()))
                for kind, (act, ready) in peer.switches.items():
                    taken = found.switches.setdefault(kind, [])
                    for k in range(1, 1 + REPEATS):
                        taken.append(peer_switch(page, act.format(k=k), ready.format(k=k)))
            if not found.drawn:
                break
    return found


def load_in_time(page: Page, url: str) -> float:
    """Return the seconds from opening a file to its finished picture.

    Raises:
        Error: it is not there within the limit, or the page has crashed.
    """
    start = perf_counter()
    page.goto(url, wait_until="commit", timeout=LIMIT * 1000)
    page.wait_for_function("window.taken", timeout=max(1, LIMIT - (perf_counter() - start)) * 1000)
    return page.evaluate("window.taken") / 1000


def peer_switch(page: Page, act: str, ready: str) -> float:
    page.evaluate("window.taken = 0")
    page.evaluate(
        f"""() => {{ setTimeout(() => {{ benchmark.started = performance.now(); {act};
        benchmark.within(() => {ready}).then((taken) => {{ window.taken = taken; }}); }}); }}"""
    )
    page.wait_for_function("window.taken", timeout=LIMIT * 1000)
    return page.evaluate("window.taken") / 1000


class Wire:
    """Counts what a page receives and sends: WebSocket frames uncompressed, HTTP as transferred."""

    def __init__(self, page: Page) -> None:
        self.n_bytes = 0
        page.on("websocket", self._websocket)
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: self._add(int(event["encodedDataLength"])))

    def _websocket(self, websocket) -> None:
        for direction in ("framereceived", "framesent"):
            websocket.on(direction, lambda frame: self._add(len(frame)))

    def _add(self, n_bytes: int) -> None:
        self.n_bytes += n_bytes

    def during(self, act: Callable[[], float]) -> tuple[float, int]:
        before = self.n_bytes
        return act(), self.n_bytes - before


def headlight(playwright: Playwright, lengths: tuple[int, ...], model: str) -> tuple[dict[int, Results], int]:
    """Visit the whole page at each length; return what was found and the bytes of the app itself."""
    found = {}
    with app() as url, chromium(playwright) as browser:
        page = new_page(browser)
        wire = Wire(page)
        page.goto(f"{url}/?model={model}")
        wait_until_drawn(page)
        app_bytes = wire.n_bytes
        for n_tokens in lengths:
            texts = [text_of(n_tokens, str(number)) for number in range(1, SENTENCES + 2)]
            taken = [wire.during(lambda text=text: sentence(page, text)) for text in texts][1:]
            switches = [head_switch(page, *place)[1] / 1000 for place in places(SWITCHES + 1)][1:]
            found[n_tokens] = Results(
                int(median(n_bytes for _, n_bytes in taken)),
                drawn=[milliseconds / 1000 for milliseconds, _ in taken],
                switches={"any head": switches},
            )
    return found, app_bytes


def main(report: Report, folder: Path = PEERS) -> None:
    """Print one table for each of bytes, first picture and head switch, and what was to be reached."""
    peers = ALL_PEERS if reachable(folder) else ()
    with minilm() as whole:
        _report(report, folder, peers, whole)


def _report(report: Report, folder: Path, peers: tuple[Peer, ...], whole: str) -> None:
    model = load_model(whole, device="cpu")
    with sync_playwright() as playwright:
        ours, app_bytes = headlight(playwright, LENGTHS, whole)
        with chromium(playwright) as browser:
            browser_version = browser.version
        theirs: dict[str, dict[int, Results]] = {peer.name: {} for peer in peers}
        for peer in peers:
            for n_tokens in LENGTHS:
                # Where nothing came within the limit, nothing will at the next length either: only its bytes are taken.
                load = all(found.drawn for found in theirs[peer.name].values())
                theirs[peer.name][n_tokens] = peer_at(playwright, folder, peer, model, n_tokens, load=load)
    forward = median(timed(lambda: model.trace(text_of(512))) for _ in range(9))
    everyone = {"Headlight, whole page": ours, **theirs}
    versions = f"bertviz {version('bertviz')}, CircuitsVis {version('circuitsvis')}, " if peers else ""
    where = f"MiniLM, {versions}Chromium {browser_version}"
    for title, shown, note in (
        (
            "bytes",
            lambda found: size(found.n_bytes),
            f"Libraries are not counted: Headlight's app is {size(app_bytes)} once per visitor, the same for every "
            "text (its first pictures included); CircuitsVis' bundle is left out of its files, bertviz asks a CDN for "
            "its own. Headlight's bytes are all that the WebSocket and HTTP carry after the text was sent.",
        ),
        (
            "first picture",
            Results.shown,
            "Headlight: from Ctrl+Enter, the forward pass and the way to the browser included, to the last of heatmap, "
            "flow and all heads. Peers: opening their HTML alone; the forward pass and the writing come on top.",
        ),
        ("writing the HTML", lambda found: seconds(found.written) if found.written else "–", ""),
        (
            "head switch",
            Results.switched,
            "Headlight: a click on any of the 72 heads, to its heatmap and flow. head_view: a head of the layer by a "
            "double click, another layer by its selector. model_view: the detail of a cell. CircuitsVis: a thumbnail.",
        ),
    ):
        rows = [[f"{n_tokens:,}", *(shown(found[n_tokens]) for found in everyone.values())] for n_tokens in LENGTHS]
        report.table(f"Sentence to picture: {title} ({where})", ("tokens", *everyone), rows, *[note] if note else [])
    if not peers:
        print(f"The peers are not in {folder}: `make bench` brings them, or `sh benchmarks/bring_peers.sh {folder}`.")
    report.table(
        "Sentence to picture, to reach",
        ("what", "reached", "to reach", "met"),
        reached(ours, theirs, forward),
        f"The forward pass at 512 tokens took {seconds(forward)} by itself.",
    )


def reached(ours: dict[int, Results], theirs: dict[str, dict[int, Results]], forward: float) -> list[tuple[str, ...]]:
    rows = []

    def times(what: str, value: float, least: float, more: str = "") -> None:
        rows.append((what, f"{more}{value:.1f}", f"at least {least:g}", met(value >= least)))

    def sooner(name: str, least: float) -> None:
        found, own = theirs[name][128], ours[128].picture
        what = f"first picture, {name} / Headlight at 128 tokens"
        times(what, (found.picture if found.drawn else LIMIT) / own, least, "" if found.drawn else "more than ")

    def below(what: str, value: float, most: float) -> None:
        rows.append((what, f"{value * 1000:.0f} ms", f"under {most * 1000:.0f} ms", met(value < most)))

    if theirs:
        n_bytes = min(theirs[name][128].n_bytes for name in ("bertviz head_view", "bertviz model_view"))
        times("bytes, bertviz / Headlight at 128 tokens", n_bytes / ours[128].n_bytes, 100)
        sooner("bertviz head_view", 4)
        sooner("bertviz model_view", 25)
    below("finished page at 512 tokens, after the forward pass", ours[512].picture - forward, 1.5)
    below("head switch at 512 tokens", median(ours[512].switches["any head"]), 0.3)
    if theirs:
        shown = [name for name, found in theirs.items() if found[512].drawn]
        rows.append(
            (f"peers with a picture in {LIMIT:.0f} s at 512", ", ".join(shown) or "none", "none", met(not shown))
        )
    return rows
