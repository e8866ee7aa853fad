"""Heads that distinguish no tokens: nearly uniform, collapsed to one key, or saturated; and copies of other heads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from analysis.trust.finding import Finding, count
from analysis.trust.notices import has_finding
from analysis.trust.survey import Look, Survey, name_heads
from models import Attention

# Measured on 13 to 660 tokens: the most even head of MiniLM has 0.977, of e5 0.972, of SmolLM2 0.941, of the trained
# tasks 0.93. Of MiniLM with random weights the least even one has 0.996, of SmolLM2 0.982.
NEARLY_UNIFORM = 0.99
# A head whose mean weight on one key is larger attends to nothing else.
COLLAPSED = 0.99
# In shorter texts a head has no choice.
_FEWEST_KEYS = 4


def check_heads(look: Look) -> Iterator[Finding]:
    """Yield which heads distinguish no tokens of this text; a whole layer of them is a warning."""
    found = []
    for kind, survey in look.surveys.items():
        att = look.trace[kind]
        if att.n_key < _FEWEST_KEYS or survey.n_rows < 2:
            continue
        found += [*_uniform(look, kind), *_saturated(look, kind), *_collapsed(look, kind), *_copied(look, kind)]
    yield from found
    measured = [survey.of_heads("evenness") for survey in look.surveys.values()]
    if not found and any(np.isfinite(each).any() for each in measured):
        evenest = max(float(np.nanmax(each)) for each in measured if np.isfinite(each).any())
        yield Finding(
            "heads",
            "ok",
            f"No head is nearly uniform or collapsed: the most even one has {evenest:.0%} of the highest entropy.",
            evenest,
        )


def _uniform(look: Look, kind: str) -> Iterator[Finding]:
    att, survey, where = _parts(look, kind)
    even = [layer.evenness >= NEARLY_UNIFORM for layer in survey.layers]
    heads = _places(even)
    if not heads or has_finding(look, "uniform heads"):
        return
    whole = sum(bool(layer.all()) for layer in even)
    layers = f"; in {whole:,} of {len(even):,} layers all heads do" if whole else ""
    attend = count(len(heads), f"{where}head attends", f"{where}heads attend")
    yield Finding(
        "uniform heads",
        "warning" if whole else "note",
        f"{attend} to every token nearly equally on this text, with {NEARLY_UNIFORM:.0%} of the highest entropy or "
        f"more ({name_heads(att, heads)}){layers}.",
        len(heads),
        "Compare with the same architecture at random: heads of untrained models are as even.",
    )


def _saturated(look: Look, kind: str) -> Iterator[Finding]:
    att, survey, where = _parts(look, kind)
    heads = _places([layer.exact for layer in survey.layers])
    source = look.trace.source
    # Weights that were rounded to a few digits, in a half type or in a table, may have zeros that mean little.
    is_exact = source.capture == "replayed" or (source.capture != "given" and source.dtype == "float32")
    if heads:
        yield Finding(
            "collapsed heads",
            "warning" if is_exact else "note",
            f"In {count(len(heads), where + 'head')} every token attends to exactly one key, and all other weights are "
            f"0 ({name_heads(att, heads)}): the scores are far too large, as with a wrong scaling or damaged weights.",
            len(heads),
            "Do not read these heads; fetch or save the model again.",
        )


def _collapsed(look: Look, kind: str) -> Iterator[Finding]:
    """Yield heads that attend to one ordinary key only; on the first token or a special one they rest."""
    att, survey, where = _parts(look, kind)
    resting = np.array([at == 0 or token.special for at, token in enumerate(att.key_tokens)])
    of_one = [
        _is_collapsed(layer.received) & ~resting[layer.received.argmax(-1)] & ~layer.exact for layer in survey.layers
    ]
    heads = _places(of_one)
    if heads:
        whole = any(bool(layer.all()) for layer in of_one)
        yield Finding(
            "collapsed heads",
            "warning" if whole else "note",
            f"In {count(len(heads), where + 'head')} every token attends to the same key ({name_heads(att, heads)}).",
            len(heads),
            "Read other texts before you say what these heads do.",
        )


def _is_collapsed(received: Float[np.ndarray, "head key"]) -> Bool[np.ndarray, " head"]:
    """Return whether one key gets nearly all: of a whole, and of what all keys get, since rows may sum to more."""
    largest = received.max(-1)
    return (largest >= COLLAPSED) & (largest >= COLLAPSED * received.sum(-1)) & np.isfinite(largest)


def _copied(look: Look, kind: str) -> Iterator[Finding]:
    """Yield heads with the weights of another head of their layer; uniform and saturated ones are alike anyway."""
    att, survey, where = _parts(look, kind)
    copies = [
        (layer.twin != np.arange(len(layer.twin))) & (layer.evenness < NEARLY_UNIFORM) & ~layer.exact
        for layer in survey.layers
    ]
    heads = _places(copies)
    if heads:
        yield Finding(
            "copied heads",
            "note" if look.trace.source.capture == "given" else "warning",
            f"{count(len(heads), where + 'head has', where + 'heads have')} the weights of another head of the same "
            f"layer on this text ({name_heads(att, heads)}): queries and keys were copied from head to head.",
            len(heads),
            "Fetch or save the model again: a conversion may have repeated a head.",
        )


def _parts(look: Look, kind: str) -> tuple[Attention, Survey, str]:
    """Return the attention of a kind, its survey, and what a sentence says before "heads"."""
    return look.trace[kind], look.surveys[kind], f"{kind} " if len(look.surveys) > 1 else ""


def _places(of_layers: list[np.ndarray]) -> list[tuple[int, int]]:
    return [(layer, int(head)) for layer, found in enumerate(of_layers) for head in np.flatnonzero(found)]
