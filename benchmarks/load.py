"""Many visitors at once, next to a hello-world app of Streamlit, and one visitor without a pause.

Visitors speak Streamlit's own protocol to servers that the benchmark starts with the app's own settings. Each waits for
the answer, thinks, and goes on; each has sentences of its own, and every answer is checked: the tokens and the title of
the picture are this visitor's, and the weights of a sample are those of a trace in this process. The two apps take
turns. The clients share the machine with the servers.
"""

import asyncio
import time

import numpy as np
import torch

from benchmarks.crowd import (
    SHARE_OF_TEXTS,
    THINKING,
    App,
    Choice,
    Headlight,
    Hello,
    LeanHello,
    Results,
    Server,
    crowd,
    server,
    soak,
    unpack,
)
from benchmarks.streamlit_client import wait_until_left
from benchmarks.table import Report, met, size
from models import load_model

VISITORS = (1, 5, 20, 50)
SECONDS, SOAK_SECONDS = 60.0, 600.0
REST_SECONDS = 60.0


def measure_crowd(running: Server, n_visitors: int, seconds: float) -> Results:
    """Return what so many visitors met, and the server's memory until a while after they left."""
    found = Results()
    found.memory["before"] = running.resident()
    asyncio.run(crowd(running, n_visitors, seconds, found))
    wait_until_left(running.url)
    found.memory["left"] = running.resident()
    time.sleep(min(REST_SECONDS, seconds))
    found.memory["later"] = running.resident()
    return found


def worst_difference(samples: list[tuple[Choice, bytes]]) -> float:
    """Return the largest difference of the pictures' weights from those of traces in this process."""
    model, worst = load_model("minilm"), 0.0
    for asked, raw in samples:
        att = model.trace(asked.text)["encoder"]
        _, arrays = unpack(raw)
        shown = arrays["weights"].reshape(att.n_layers, att.n_heads, att.n_query, att.n_key)[asked.layer, asked.head]
        worst = max(worst, float(np.abs(shown - att.weights(asked.layer, asked.head)).max(initial=0.0)))
    return worst


def growth_per_minute(marks: list[tuple[float, int]]) -> float:
    """Return the growth in MB a minute by least squares, after the first quarter: caches fill before that."""
    seconds, held = np.array([mark for mark in marks if mark[0] > marks[-1][0] / 4], dtype=float).T
    return float(np.polyfit(seconds / 60, held / 1e6, 1)[0])


def main(
    report: Report,
    seconds: float = SECONDS,
    soak_seconds: float = SOAK_SECONDS,
    visitors: tuple[int, ...] = VISITORS,
) -> None:
    """Print what visitors wait for among others, and what one without a pause leaves in memory."""
    torch.set_num_threads(1)  # the weights are compared between rounds, on a machine that serves as well
    found: dict[tuple[int, App], Results] = {}
    with server(Hello) as hello, server(LeanHello) as lean, server(Headlight) as headlight:
        for n_visitors in visitors:
            for running in (hello, lean, headlight):
                found[n_visitors, running.app] = measure_crowd(running, n_visitors, seconds)
    report_load(report, found, seconds)
    with server(Headlight) as headlight:
        one = Results()
        marks = asyncio.run(soak(headlight, soak_seconds, one))
    report_soak(report, one, marks, soak_seconds)


def report_load(report: Report, found: dict[tuple[int, App], Results], seconds: float) -> None:
    """Print the tables of the visitors."""
    rows, checks = [], []
    for (n_visitors, app), each in found.items():
        waits = [" / ".join(f"{time:.3f}" for time in each.percentiles(kind)) for kind in ("text", "head", "open")]
        memory = " / ".join(size(each.memory[when]) for when in ("before", "peak", "left", "later"))
        counts = f"{each.runs / each.seconds:.1f}", *waits, len(each.errors), len(each.wrong), memory
        rows.append((app.name, n_visitors, *counts))
        for problem in (*each.errors[:3], *each.wrong[:3]):
            print(f"{app.name}, {n_visitors} visitors: {problem}", flush=True)
    ours = {n_visitors: each for (n_visitors, app), each in found.items() if app is Headlight}
    samples = [sample for each in ours.values() for sample in each.samples]
    columns = ("app", "visitors", "runs/s", "text", "head", "open", "errors", "wrong", "before / peak / left / later")
    report.table(
        f"Visitors at once, {seconds:.0f} s each",
        columns,
        rows,
        f"Seconds, p50 / p95 / p99, from the message to the end of the script that shows the visitor's own picture. A "
        f"visitor thinks for {THINKING:g} s (exponential), then types a new sentence ({SHARE_OF_TEXTS:.0%}) or chooses "
        "another head. Wrong: a picture that is not the visitor's own. Resident memory of the server: before, at most, "
        f"when all sessions were closed, and {min(REST_SECONDS, seconds):.0f} s later; Streamlit keeps a session that "
        "lost its connection for two minutes.",
        f"The weights of {len(samples)} pictures differ from those of traces in this process by "
        f"{worst_difference(samples):.2g} at most.",
    )
    if 20 in ours:
        text, head = (ours[20].percentiles(kind)[1] for kind in ("text", "head"))
        floor = found[20, Hello].percentiles("head")[1]
        checks += [
            ("p95 of a new text, 20 visitors", f"{text:.2f} s", "at most 1.0 s", met(text <= 1.0)),
            (
                "p95 of a head, 20 visitors, to hello world's",
                f"{head / floor:.2f}",
                "at most 3",
                met(head <= 3 * floor),
            ),
        ]
    if 50 in ours:
        text, errors = ours[50].percentiles("text")[1], len(ours[50].errors)
        checks += [
            ("p95 of a new text, 50 visitors", f"{text:.2f} s", "at most 5 s", met(text <= 5.0)),
            ("errors, 50 visitors", str(errors), "none", met(errors == 0)),
        ]
    for n_visitors, each in ours.items():
        grown = each.memory["later"] / each.memory["before"]
        checks.append(
            (f"memory after {n_visitors} left, to before", f"{grown:.3f}", "at most 1.1", met(grown <= 1.1)),
        )
    wrong = sum(len(each.wrong) for each in ours.values())
    checks.append(("wrong pictures", str(wrong), "none", met(wrong == 0)))
    report.table("Visitors at once: targets", ("what", "measured", "to reach", "met"), checks)


def report_soak(report: Report, one: Results, marks: list[tuple[float, int]], seconds: float) -> None:
    """Print the table of the visitor without a pause."""
    grown, wrong = growth_per_minute(marks), len(one.wrong)
    for problem in (*one.errors[:3], *one.wrong[:3]):
        print(problem, flush=True)
    rows = [
        ("resident memory, MB a minute", f"{grown:+.2f}", "less than 0.5", met(grown < 0.5)),
        ("wrong pictures", str(wrong), "none", met(wrong == 0)),
        ("errors", str(len(one.errors)), "none", met(not one.errors)),
    ]
    report.table(
        f"One visitor without a pause, {seconds:.0f} s",
        ("what", "measured", "to reach", "met"),
        rows,
        f"{one.runs:,} runs; resident memory from {size(marks[0][1])} to {size(marks[-1][1])}; the slope is that of "
        "least squares after the first quarter.",
    )
