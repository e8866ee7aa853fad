"""What the peers make of a text's weights: HTML, when it is drawn, and how a visitor switches heads in it."""

import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import torch
from playwright.sync_api import Route

PEERS = Path(".venv/peers")
_SHELL = '<!doctype html><meta charset="utf-8">'
_LINES = "document.getElementsByTagName('line').length"
# What bertviz's HTML asks of a CDN: the package that has it, and the file in it.
_LIBRARIES = {
    "require.min.js": ("requirejs", "package/require.js"),
    "jquery.min.js": ("jquery", "package/dist/jquery.min.js"),
    "d3.min.js": ("d3", "package/dist/d3.min.js"),
}


@dataclass(frozen=True)
class Peer:
    """One contestant.

    `html` takes weights `[layer][1, head, query, key]` and tokens. `drawn` is JavaScript for "the picture is
    complete" at `{n}` tokens of 6 x 12 heads. `switches` has, for each kind of head switch, what is done to go to
    head number `{k}` and when that shows.
    """

    name: str
    html: Callable[[Sequence[torch.Tensor], list[str]], str]
    drawn: str
    switches: dict[str, tuple[str, str]]


def _head_view(weights: Sequence[torch.Tensor], tokens: list[str]) -> str:
    return _SHELL + import_module("bertviz").head_view(weights, tokens, html_action="return").data


def _model_view(weights: Sequence[torch.Tensor], tokens: list[str]) -> str:
    return _SHELL + import_module("bertviz").model_view(weights, tokens, html_action="return").data


def _attention_heads(weights: Sequence[torch.Tensor], tokens: list[str]) -> str:
    circuitsvis = import_module("circuitsvis.attention")
    return _SHELL + circuitsvis.attention_heads(weights[0][0], tokens, mask_upper_tri=False).local_src


def _attnview(weights: Sequence[torch.Tensor], tokens: list[str]) -> str:
    attnview, study = import_module("attnview"), import_module("attnview.study")
    pattern = import_module("attnview.model").AttentionPattern
    layers = tuple(pattern.from_data(layer[0].tolist(), tokens=tokens) for layer in weights)
    names = tuple(f"layer {number}" for number in range(len(layers)))
    return attnview.render_html(study.AttentionStudy(layers=layers, layer_names=names))


# It draws one query of one head at a time: the benchmark of files alone has it.
ATTNVIEW = Peer("attnview", _attnview, "document.querySelectorAll('#weights tr').length === {n}", {})
ALL_PEERS = (
    Peer(
        "bertviz head_view",
        _head_view,
        f"{_LINES} >= 12 * {{n}} * {{n}}",
        {
            "same layer": (
                "document.querySelectorAll('#vis svg > g:last-child > rect')[{k}]"
                ".dispatchEvent(new MouseEvent('dblclick', {{ bubbles: true }}))",
                "true",  # done by the time the event returns
            ),
            "other layer": (
                "const box = document.querySelector('#layer'); box.value = '{k}';"
                "box.dispatchEvent(new Event('change', {{ bubbles: true }}))",
                "true",
            ),
        },
    ),
    Peer(
        "bertviz model_view",
        _model_view,
        f"{_LINES} >= 72 * {{n}} * {{n}}",
        {
            "detail": (
                "document.querySelectorAll('#vis svg > g > rect:last-child')[{k}]"
                ".dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))",
                "document.querySelector('text.detail').textContent === 'Layer 0, Head {k}'",
            )
        },
    ),
    Peer(
        "CircuitsVis attention_heads (one layer)",
        _attention_heads,
        "(() => {{ const all = [...document.querySelectorAll('canvas')]; return all.length > 12 && all.every((one) =>"
        " one.getContext('2d').getImageData(one.width / 2, one.height / 2, 1, 1).data[3]); }})()",
        {
            "same layer": (
                "document.querySelectorAll('canvas')[{k}].dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))",
                "[...document.querySelectorAll('h3')].some((one) => one.textContent === 'Head {k} Zoomed')",
            )
        },
    ),
)


def reachable(folder: Path) -> bool:
    """Put the peers' folder last on Python's path; return whether they are there."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return (folder / "bertviz").is_dir() and (folder / "circuitsvis").is_dir()


def bundle_bytes(folder: Path) -> int:
    """Return the size of the library that CircuitsVis writes into every HTML file."""
    return (folder / "circuitsvis" / "dist" / "cdn" / "iife.js").stat().st_size


def answer(route: Route, folder: Path) -> None:
    """Give a peer's page the library it asks a CDN for, and nothing else."""
    name = route.request.url.rsplit("/", 1)[-1]
    if name in _LIBRARIES:
        route.fulfill(body=_library(folder, name), content_type="text/javascript")
    else:
        route.abort()


@cache
def _library(folder: Path, name: str) -> bytes:
    package, member = _LIBRARIES[name]
    with tarfile.open(next(folder.glob(f"{package}-*.tgz"))) as archive:
        return archive.extractfile(member).read()
