"""The trace of a picture that a model reads alone: its patches attend to one another."""

from __future__ import annotations

from collections.abc import Sequence

from models.attention import Attention
from models.capture.replay import LayerLike
from models.changed_pass import change_notices
from models.images import PatchSequence, patch_tokens
from models.outputs import Outputs
from models.patches import Patches
from models.source import Source
from models.trace import AttentionTrace


def make_picture_trace(
    layers: Sequence[LayerLike], read: PatchSequence, source: Source, outputs: Outputs
) -> AttentionTrace:
    """Return the trace of a pass over the patches that a model read, and of the tokens that it put before them."""
    tokens = patch_tokens(read.grid, layers[0].shape[1])
    rows, columns = read.grid
    grid = Patches(len(tokens) - rows * columns, rows, columns)
    notices = change_notices(source, tokens)
    attention = Attention("encoder", layers, tokens, tokens, source, key_patches=(grid,), notices=notices)
    return AttentionTrace({"encoder": attention}, notices, source, image=read.seen, outputs=outputs)
