"""Why a family is refused, in more words than the engine's; and why one was not tried."""

from __future__ import annotations

import re

_RECURRENT = "a recurrence carries what was read; there is no weight for a pair of tokens"
_CONVOLUTIONS = "convolutions, no attention"
_WINDOWS = "weights within windows or chunks, not one for each pair of positions"
_COARSE = "keys on a coarser grid than the queries"
_TOWERS = "towers side by side, with no attention of the whole"

REFUSED: dict[str, str] = {
    **dict.fromkeys(["mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"], _RECURRENT),
    **dict.fromkeys(["mobilenet_v1", "mobilenet_v2", "convnext", "convnextv2", "resnet", "regnet"], _CONVOLUTIONS),
    **dict.fromkeys(["led", "longformer", "sam_vision_model", "sam_hq_vision_model", "mobilevit"], _WINDOWS),
    **dict.fromkeys(["glpn", "segformer", "pvt", "pvt_v2"], _COARSE),
    **dict.fromkeys(["flava", "tipsv2"], _TOWERS),
    "fnet": "Fourier transforms, no attention",
    "squeezebert": "gives its scores, before the softmax, in place of weights",
    "swiftformer": "additive attention, one weight a token",
    "wavlm": "gives one average for all heads of a layer",
    "mra": "multi-resolution blocks, no weights given",
    "yoso": "hashing, no weights given",
}


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
