"""Simulated visitors of a running app: what they do, how they check that a picture is theirs, what they measure."""

import asyncio
import json
import random
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import psutil
from websockets.exceptions import WebSocketException

from benchmarks.page import stop
from benchmarks.streamlit_client import PageError, Visitor, wait_until_left
from tests.helpers.app_server import start_app

THINKING = 1.0
SHARE_OF_TEXTS = 0.3
N_LAYERS, N_HEADS = 6, 12
SAMPLED = 40
WARM_TEXTS = 30  # more than the server keeps traces
# All are whole pieces of the vocabulary, so that the text can be rebuilt from a picture's tokens.
_ANIMALS = "zebra cat dog horse tiger lion wolf bear eagle snake whale shark mouse rabbit sheep goat cow pig duck"
_WORDS = (
    "the old house stands near a quiet river while people walk slowly home after work and talk about rain and music"
)
ANIMALS, WORDS = _ANIMALS.split(), _WORDS.split()


@dataclass
class Choice:
    """What a visitor chose, and so what the picture must show; no text until the visitor types one."""

    layer: int
    head: int
    text: str = ""


class Headlight:
    """The app itself: a widget takes a text, the browser reports a head, and the message shows whose picture it is."""

    name, script, first, environment = "Headlight", "app.py", (3, 1), MappingProxyType({})

    @staticmethod
    def choose(visitor: Visitor, asked: Choice) -> str:
        report = {"text": f"layer={asked.layer}&head={asked.head}", "number": time.monotonic_ns() // 1000}
        return visitor.set("instrument", "json_value", json.dumps({"selection": report}))

    @staticmethod
    def shows(visitor: Visitor, asked: Choice) -> bool:
        header, _ = unpack(visitor.component("instrument"))
        tokens = [token for token, special in header["queries"] if not special]
        text = "".join(token[1:] if token.startswith("·") else f" {token}" for token in tokens).strip()
        return text == asked.text.lower()


class Hello:
    """One text, one choice and one line of output, with Streamlit's defaults: garbage collection after every run."""

    name, script, first = "hello world", "benchmarks/hello/app.py", (0, 0)
    environment = MappingProxyType({"STREAMLIT_RUNNER_POST_SCRIPT_GC": "true"})

    @staticmethod
    def choose(visitor: Visitor, asked: Choice) -> str:
        return visitor.set("head", "string_value", str(asked.head))

    @staticmethod
    def shows(visitor: Visitor, asked: Choice) -> bool:
        return f"## echo {asked.head}: {asked.text}" in visitor.texts.values()


class LeanHello(Hello):
    """The lower bound: the same with Headlight's settings."""

    name, environment = "hello world, Headlight's settings", MappingProxyType({})


App = type[Headlight] | type[Hello]


@dataclass
class Results:
    """Times, errors and wrong pictures of one round, and the memory of the server before, at its peak, and after."""

    times: dict[str, list[float]] = field(default_factory=lambda: {"open": [], "text": [], "head": []})
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    samples: list[tuple[Choice, bytes]] = field(default_factory=list)
    seconds: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return sum(map(len, self.times.values()))

    def percentiles(self, kind: str) -> list[float]:
        times = self.times[kind]
        return list(np.percentile(times, [50, 95, 99])) if times else [float("nan")] * 3


@dataclass
class Server:
    """A running app."""

    app: App
    url: str
    process: psutil.Process

    def resident(self) -> int:
        """Return the resident bytes of the server and its children."""
        found = 0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                found += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return found


@contextmanager
def server(app: App) -> Iterator[Server]:
    """Start an app, let one visitor warm it up, yield it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_app(Path(folder) / "log.txt", app.script, **app.environment)
        try:
            running = Server(app, url, psutil.Process(process.pid))
            asyncio.run(warm_up(running))
            wait_until_left(url)
            yield running
        finally:
            stop(process)


async def warm_up(running: Server) -> None:
    """Fill the server's caches, so that memory grows for no other reason than its visitors."""
    visitor, dice, asked = Visitor(running.url), random.Random("warm up"), Choice(*running.app.first)
    await visitor.open()
    for turn in range(WARM_TEXTS):
        await step(running, visitor, asked, dice, f"Warm {turn}", "text")
        await step(running, visitor, asked, dice, "", "head")
    await visitor.close()


async def step(running: Server, visitor: Visitor, asked: Choice, dice: random.Random, name: str, kind: str) -> bool:
    """Let a visitor type a sentence that begins with a name, or choose another head; return whether it is shown."""
    if kind == "text":
        asked.text = " ".join([name, *dice.choices(WORDS, k=8)])
        visitor.set("text", "string_value", asked.text)
        await visitor.run()
    else:
        place = asked.layer, asked.head
        while (asked.layer, asked.head) == place or (asked.head == place[1] and running.app is Hello):
            asked.layer, asked.head = dice.randrange(N_LAYERS), dice.randrange(N_HEADS)
        await visitor.run(running.app.choose(visitor, asked))
    return await visitor.until(lambda: running.app.shows(visitor, asked))


async def visit(running: Server, number: int, n_visitors: int, end: float, found: Results) -> Visitor:
    """Act as one visitor until the end; an error is recorded and ends the visit."""
    visitor, dice = Visitor(running.url), random.Random(f"{n_visitors} {number}")
    asked = Choice(*running.app.first)
    try:
        await asyncio.sleep(dice.random() * min(3.0, 0.1 * n_visitors))
        start = time.perf_counter()
        await visitor.open()
        found.times["open"].append(time.perf_counter() - start)
        turn = 0
        while time.perf_counter() < end:
            await asyncio.sleep(dice.expovariate(1 / THINKING))
            turn += 1
            kind = "text" if not asked.text or dice.random() < SHARE_OF_TEXTS else "head"
            name = f"The {ANIMALS[number % len(ANIMALS)]} number {number} turn {turn}"
            start = time.perf_counter()
            right = await step(running, visitor, asked, dice, name, kind)
            found.times[kind].append(time.perf_counter() - start)
            found.errors += visitor.errors
            if not right:
                found.wrong.append(f"visitor {number}, turn {turn}, {kind}: {asked}")
            elif running.app is Headlight and len(found.samples) < SAMPLED and dice.random() < 0.25:
                found.samples.append((Choice(**vars(asked)), visitor.component("instrument")))
    except (PageError, OSError, WebSocketException) as error:
        found.errors.append(f"visitor {number}: {type(error).__name__}: {error}")
    return visitor


async def crowd(running: Server, n_visitors: int, seconds: float, found: Results) -> None:
    """Let visitors come, work for `seconds`, and leave."""
    begun = time.perf_counter()
    watching = asyncio.create_task(watch(running, found))
    visits = (visit(running, number, n_visitors, begun + seconds, found) for number in range(n_visitors))
    visitors = await asyncio.gather(*visits)
    found.seconds = time.perf_counter() - begun
    watching.cancel()
    await asyncio.gather(*(visitor.close() for visitor in visitors), return_exceptions=True)


async def watch(running: Server, found: Results) -> None:
    while True:
        found.memory["peak"] = max(found.memory.get("peak", 0), running.resident())
        await asyncio.sleep(0.3)


def unpack(raw: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header and the arrays of a picture (viz/wire/packing.py)."""
    if not raw:
        return {"queries": []}, {}
    (length,) = struct.unpack("<I", raw[:4])
    header = json.loads(raw[4 : 4 + length])
    kinds = {"Uint16Array": "<u2", "Float32Array": "<f4", "Uint8Array": "u1"}
    arrays = {
        name: np.frombuffer(raw, kinds[kind], count, 4 + length + offset)
        for name, (kind, offset, count) in header["arrays"].items()
    }
    return header, arrays


async def soak(running: Server, seconds: float, found: Results) -> list[tuple[float, int]]:
    """Let one visitor work without a pause; return the seconds and resident bytes, every few seconds."""
    visitor, dice, asked = Visitor(running.url), random.Random("soak"), Choice(*running.app.first)
    marks: list[tuple[float, int]] = []
    begun = time.perf_counter()
    await visitor.open()
    turn = 0
    while (now := time.perf_counter() - begun) < seconds:
        if not marks or now - marks[-1][0] > min(3.0, seconds / 40):
            marks.append((now, running.resident()))
        kind = "text" if not asked.text or dice.random() < SHARE_OF_TEXTS else "head"
        name = " ".join([f"Turn {turn}", *dice.choices(WORDS, k=dice.randrange(50))])
        turn += 1
        start = time.perf_counter()
        if not await step(running, visitor, asked, dice, name, kind):
            found.wrong.append(f"turn {turn}, {kind}: {asked}")
        found.times[kind].append(time.perf_counter() - start)
        found.errors += visitor.errors
    await visitor.close()
    return marks
