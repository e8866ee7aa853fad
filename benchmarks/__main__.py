"""`make bench`: everything, written to docs/benchmarks.md; `python -m benchmarks extraction` prints one part alone."""

import argparse
import platform
import sys
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from benchmarks import (
    device,
    effects,
    extraction,
    files,
    fuzz,
    growth,
    kills,
    load,
    maps,
    measures,
    page,
    peers,
    scratch,
    trace_files,
    views,
    visit,
)
from benchmarks.fuzzing.kinds import KINDS
from benchmarks.peer_html import PEERS
from benchmarks.table import Report, size

WRITTEN = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PARTS = (
    "extraction",
    "effects",
    "scratch",
    "peers",
    "files",
    "trace_files",
    "visit",
    "page",
    "views",
    "growth",
    "maps",
    "measures",
    "device",
    "load",
    "fuzz",
    "kills",
)


def preface(where: str) -> str:
    """Return the head of the page: what it is, how to repeat it, the machine and the versions."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "streamlit", "plotly", "numpy")
    )
    gpu = f", {torch.cuda.get_device_name(where)}" if where != "cpu" else ""
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`; times are medians of one run. Other work on the machine makes times longer, and "
        "leaves ratios of contestants that took turns about as they are.\n\n"
        f"- Machine: {processor()}, {psutil.cpu_count()} cores, {size(psutil.virtual_memory().total)}{gpu}, "
        f"{platform.system()}\n"
        f"- Versions: Python {platform.python_version()}, {versions}\n"
        f"- Device of the models: {where}; torch threads: {torch.get_num_threads()}\n"
        f"- Measured on {date.today().isoformat()}\n"
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help="put the parts' tables into docs/benchmarks.md")
    parser.add_argument("--device", default="cpu", help="where models run in extraction, scratch, growth and device")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the folder that bring_peers.sh filled")
    parser.add_argument("--seconds", type=float, default=load.SECONDS, help="how long each crowd of load works")
    parser.add_argument("--soak-seconds", type=float, default=load.SOAK_SECONDS, help="how long the soak of load takes")
    parser.add_argument("--visitors", type=int, nargs="+", default=load.VISITORS, help="the crowds of load")
    parser.add_argument("--inputs", type=int, default=fuzz.INPUTS, help="how many hostile inputs fuzz makes")
    parser.add_argument("--kinds", nargs="+", default=(), choices=KINDS, help="only these hostile inputs of fuzz")
    chosen = parser.parse_args()
    where = chosen.device
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    if where.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("There is no CUDA device on this machine: leave out --device, or give cpu.")
    report = Report()
    works = {
        "extraction": partial(extraction.main, report, where),
        "effects": partial(effects.main, report),
        "scratch": partial(scratch.main, report, where),
        "peers": partial(peers.main, report, chosen.peers),
        "files": partial(files.main, report, chosen.peers),
        "trace_files": partial(trace_files.main, report),
        "visit": partial(visit.main, report),
        "page": partial(page.main, report),
        "views": partial(views.main, report),
        "growth": partial(growth.main, report, where),
        "maps": partial(maps.main, report),
        "measures": partial(measures.main, report),
        "device": partial(device.main, report, where),
        "load": partial(load.main, report, chosen.seconds, chosen.soak_seconds, tuple(chosen.visitors)),
        "fuzz": partial(fuzz.main, report, chosen.inputs, names=tuple(chosen.kinds)),
        "kills": partial(kills.main, report),
    }
    for part in chosen.parts or PARTS:
        works[part]()
    if not chosen.parts:
        report.write(WRITTEN, preface(where))
    elif chosen.write:
        report.renew(WRITTEN)


if __name__ == "__main__":
    main()
