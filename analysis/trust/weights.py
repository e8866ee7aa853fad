"""Whether the model's weights look trained: what loading found is in its notices, what it cannot see is here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from torch import Tensor, nn

from analysis.trust.finding import Finding, count
from analysis.trust.survey import Look
from models.checkpoints.weights import group_by_layer

_LAYER = re.compile(r".*?\.\d+(?=\.)")
_POSITIONS = re.compile(r"position|\bwpe\b|pos_embed")
_RELATIVE = re.compile(r"relative|bias")
# How many numbers of how many matrices are looked at, which takes 10 ms, and how many values 8 bits can have. As many
# numbers of a trained matrix have over 1,000 values in bfloat16.
_LOOKED_AT, _MATRICES, _OF_8_BITS = 8192, 20, 256
# In which share of the positions of a text a table of positions may have the row of the position before.
_REPEATED = 0.5


def check_training(look: Look) -> Iterator[Finding]:
    """Yield which layers have the norms and biases that they had before training.

    Every library initialises norms and biases by one constant, and training moves each of their values. A layer in
    which all of them are constant was never trained. Matrices say nothing: trained ones look random too.
    """
    if look.model is None:
        return
    vectors: dict[str, list[Tensor]] = defaultdict(list)
    for name, tensor in look.model.module.named_parameters():
        layer = _LAYER.match(name)
        if layer is not None and tensor.dim() == 1 and len(tensor) > 1:
            vectors[layer[0]].append(tensor)
    untrained = [layer for layer, found in vectors.items() if all(map(_is_constant, found))]
    if not vectors:
        return
    if not untrained:
        yield Finding(
            "training", "ok", f"All {len(vectors):,} layers have norms and biases that training has moved.", 0
        )
        return
    which = "All" if len(untrained) == len(vectors) else f"{len(untrained):,} of"
    yield Finding(
        "training",
        "fault",
        f"{which} {len(vectors):,} layers have norms and biases as they are before training, so their weights are "
        f"random ({group_by_layer(f'{layer}.' for layer in untrained).replace('.,', ',').rstrip('.')}).",
        len(untrained),
        "Do not read the heads of these layers or of any after them: load a trained checkpoint.",
    )


def _is_constant(tensor: Tensor) -> bool:
    return bool((tensor == tensor[0]).all())


def check_scales(look: Look) -> Iterator[Finding]:
    """Yield which norms multiply by 0: what they give is the same vector for each token.

    Only torch's own norms: some families multiply by 1 plus the weight.
    """
    if look.model is None:
        return
    parts = look.model.module.named_modules()
    dead = [
        name
        for name, part in parts
        if isinstance(part, nn.LayerNorm | nn.RMSNorm) and part.weight is not None and not bool(part.weight.any())
    ]
    if dead:
        yield Finding(
            "norms",
            "fault",
            f"{count(len(dead), 'norm multiplies', 'norms multiply')} everything by 0 ({dead[0]}"
            f"{f' and {len(dead) - 1:,} more' if len(dead) > 1 else ''}), so every token is the same after it.",
            len(dead),
            "Fetch or save the model again.",
        )


def check_embeddings(look: Look) -> Iterator[Finding]:
    """Yield whether all the different tokens of the text have one embedding, so that the model cannot tell them."""
    if look.model is None or look.model.card.modality != "text":
        return
    try:
        table = look.model.module.get_input_embeddings()
    except NotImplementedError:  # a family that names no table
        return
    if not isinstance(table, nn.Embedding):
        return
    tokens = look.trace[look.trace.kinds[0]].key_tokens
    numbers = sorted({token.id for token in tokens if 0 <= token.id < len(table.weight)})
    rows = table.weight[numbers]
    if len(rows) > 1 and bool((rows == rows[0]).all()):
        yield Finding(
            "embeddings",
            "fault",
            f"All {len(rows):,} different tokens of this text have the same embedding: the model cannot tell one from "
            "another.",
            len(rows),
            "Fetch or save the model again.",
        )


def check_rounding(look: Look) -> Iterator[Finding]:
    """Yield whether the matrices of the layers have so few different values that they were rounded to 8 bits."""
    if look.model is None:
        return
    matrices = [
        tensor
        for name, tensor in look.model.module.named_parameters()
        if tensor.dim() == 2 and tensor.numel() >= _LOOKED_AT and _LAYER.match(name) and tensor.is_floating_point()
    ]
    chosen = matrices[:: max(1, len(matrices) // _MATRICES)]
    values = [tensor.detach().flatten()[:: tensor.numel() // _LOOKED_AT] for tensor in chosen]
    n_different = [len(each.float().unique()) for each in values]
    # A matrix with one value only, or of a few words, is another fault.
    rounded = [n for n in n_different if 2 < n <= _OF_8_BITS]
    if chosen and len(rounded) > len(chosen) / 2:
        yield Finding(
            "rounded weights",
            "note",
            f"The weights were rounded to 8 bits or fewer: {_LOOKED_AT:,} and more numbers of a matrix have at most "
            f"{max(rounded):,} different values.",
            max(rounded),
            "Compare with the checkpoint that was not rounded.",
        )


def check_positions(look: Look) -> Iterator[Finding]:
    """Yield which tables of positions have one row for many positions, so that the model cannot see the order."""
    if look.model is None:
        return
    n_tokens = max(look.trace[kind].n_query for kind in look.trace)
    for name, tensor in look.model.module.named_parameters():
        if tensor.dim() < 2 or not _POSITIONS.search(name) or _RELATIVE.search(name):
            continue
        table = tensor.flatten(0, -2)[: max(2, n_tokens)]
        if len(table) < 2:
            continue
        same = table[1:, 0] == table[:-1, 0]  # the first column says it of a table that is whole
        if not bool(same.any()):
            continue
        repeated = float((table[1:][same] == table[:-1][same]).all(-1).sum()) / (len(table) - 1)
        if repeated > _REPEATED:
            yield Finding(
                "positions",
                "fault",
                f"{name} has the same row at {repeated:.0%} of the positions of this text as at the position before: "
                "the model cannot see the order of these tokens.",
                repeated,
                "Fetch or save the model again.",
            )
