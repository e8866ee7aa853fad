"""The output of an attention call where SDPA does not compute it whole: in bands, or from the replayed weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.capture.masks import Spans
from models.capture.replay import Replay

# How many weights are computed at once if the output is computed from them: 64 MB.
OUTPUT_WEIGHTS = 2**24
# Rows of queries that are computed together if each query may attend to only a short run of keys.
BAND_ROWS = 128


def is_narrow(replay: Replay) -> bool:
    """Return whether the queries may attend to so few keys that computing bands is less work than computing all."""
    _, n_query, n_key = replay.shape
    if not isinstance(replay.mask, Spans) or replay.bias is not None or n_query < 2 * BAND_ROWS:
        return False
    # An accelerator would wait for the CPU before each band. Measured on CUDA at 2,048 tokens: 75 ms for 22 layers in
    # bands, 27 ms in full.
    if replay.query.device.type != "cpu":
        return False
    return 2 * (replay.mask.n_pairs + BAND_ROWS * n_query) < n_query * n_key


def banded_output(replay: Replay, value: Tensor) -> Tensor:
    """Return `[1, query, head, d_head]`, for some rows of queries at a time, from the keys that they may attend to."""
    spans, n_query, n_key = replay.mask, replay.shape[1], replay.shape[2]
    assert isinstance(spans, Spans)
    strips = []
    for start in range(0, n_query, BAND_ROWS):
        rows = slice(start, start + BAND_ROWS)
        low, high = spans.reach(rows, n_key)
        output = scaled_dot_product_attention(
            replay.query[None, :, rows],
            replay.key[None, :, low:high],
            value[:, :, low:high],
            attn_mask=spans.allowed(rows, low, high)[None],
            scale=replay.scaling,
            enable_gqa=replay.key.shape[0] < replay.query.shape[0],
        )
        strips.append(output)
    return torch.cat(strips, dim=2).transpose(1, 2).contiguous()


def output_of_weights(replay: Replay, value: Tensor) -> Tensor:
    """Return `[query, head, d_head]` from the replayed weights, a strip of rows at a time."""
    n_heads, n_query, n_key = replay.shape
    n_rows = max(1, OUTPUT_WEIGHTS // (n_heads * n_key))
    value = value.repeat_interleave(n_heads // value.shape[0], dim=0)
    strips = []
    for start in range(0, n_query, n_rows):
        weights, low = replay.band(slice(None), slice(start, start + n_rows))
        strips.append(weights.to(value.dtype) @ value[:, low : low + weights.shape[2]])
    return torch.cat(strips, dim=1).transpose(0, 1).contiguous()
