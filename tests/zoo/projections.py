"""The families whose layers do not project the output of their heads as it is: they have no value-weighted map."""

from __future__ import annotations

import torch

from models.capture.forward import body, replayed_batch
from models.capture.value_lengths import ValueLengths
from tests.zoo.compare import Pair

TITLE = "Value-weighted maps"
# Family -> the function that reads the output of the heads in place of the projection, or the reason.
UNKNOWN = {
    **dict.fromkeys(("afmoe", "bailing_hybrid", "deepseek_v4", "hrm_text", "laguna", "lfm3", "lfm3_vl"), "mul"),
    **dict.fromkeys(("minicpm_ocr", "minicpmv4_6", "minicpmv4_7", "muse_glimmer_text", "step3p7"), "mul"),
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_next"), "mul"),
    **dict.fromkeys(("bitnet", "muse_spark_text"), "pow"),
    "beam": "add",
    "jetmoe": "linear",
}
ABOUT = """\
The weight of the output projection is found by watching which function reads the output of the heads
(models/capture/projection.py). That is one projection in {n_known} of the {n_replayed} replayed families. In the
others a gate, a norm or a mixture of experts reads it first, and the layer is refused by name: {names}.
"""


def section(n_replayed: int) -> str:
    """Return the section of the page."""
    known = n_replayed - len(UNKNOWN)
    return f"## {TITLE}\n\n" + ABOUT.format(n_known=known, n_replayed=n_replayed, names=", ".join(sorted(UNKNOWN)))


def reader(pair: Pair) -> str:
    """Return what reads the output of the heads of a family in place of one projection, "" if nothing does.

    Raises:
        AssertionError: a layer's norms are missing or are no numbers.
    """
    with torch.inference_mode():
        lengths = ValueLengths(pair.ours)
        with lengths:
            replayed_batch(body(pair.ours), pair.inputs, on_layer_output=lengths)
    reasons = {reason for _, _, reason in lengths.refused}
    if not reasons:
        every = [layer for layers in lengths.lengths.values() for layer in layers]
        assert every
        # The values of a layer can be 0, as those of DETR's first decoder layer, whose queries begin as zeros.
        assert all(layer.numel() and bool((layer >= 0).all() and layer.isfinite().all()) for layer in every)
        assert any(bool((layer > 0).any()) for layer in every)
        return ""
    (reason,) = reasons
    return reason.partition("(")[2].partition(")")[0] or reason
