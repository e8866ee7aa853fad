"""Why a family is refused, as its own output shows; and why one was not tried."""

from __future__ import annotations

import re

from transformers.utils import ModelOutput

from tests.zoo.compare import given_layers, pair_of, run
from tests.zoo.replace import counted_softmaxes

# What no shape tells.
KNOWN = {
    "squeezebert": "gives its scores, before the softmax, in place of weights",
    "wavlm": "gives one average for all heads of a layer",
    "funnel": "queries and keys are pooled to different lengths",
    "led": "weights within windows around each token",
    "longformer": "weights within windows around each token",
    **dict.fromkeys(["glpn", "segformer", "pvt", "pvt_v2"], "keys on a coarser grid than the queries"),
}


def refused_reason(family: str) -> str:
    """Return one clause that says why Headlight has nothing to show of a family."""
    if family in KNOWN:
        return KNOWN[family]
    pair = pair_of(family)
    output, n_softmaxes = counted_softmaxes(lambda: run(pair.plain, pair.inputs))
    given = [layer for layers in given_layers(output).values() for layer in layers]
    if given:
        shapes = sorted({str(list(layer.shape)) for layer in given})
        return f"gives {' and '.join(shapes)} in place of one weight for each head and pair of positions"
    if any(isinstance(part, ModelOutput) for part in output.values()):
        return "towers side by side, each with attention of its own and none of the whole"
    return "transformers gives no weights of it" if n_softmaxes else "no softmax in it: it mixes positions another way"


def untried_reason(error: Exception) -> str:
    """Return one clause that says why a family was not built or not run."""
    text = str(error)
    if isinstance(error, ImportError):
        needed = re.search(r"requires the (\S+) library", text)
        return f"needs {needed[1]}, which is not installed" if needed else "needs a library that is not installed"
    if text.startswith("not small"):
        return "no small size: fields of its own would have to be set"
    if text.startswith("no rule"):
        return "no synthetic input of its kind"
    return "the common small sizes or inputs do not fit it"
