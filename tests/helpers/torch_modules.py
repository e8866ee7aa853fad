"""torch modules to trace, and their weights computed by calling each layer with its own input."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from models import AttentionTrace

# Measured over all cases here: 5.1e-7 in float32, of weights up to 1, from another order of the same sums.
TOLERANCE = 1e-5
N_ROWS, N_QUERY, N_KEY, N_HEADS, D_MODEL = 3, 7, 11, 5, 35


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def forbidden(*shape: int, seed: int = 7) -> Tensor:
    """A random boolean mask for torch (True = not allowed); every query may attend to at least one key."""
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.4
    mask[..., 0] = False
    return mask


def causal(n: int) -> Tensor:
    return nn.Transformer.generate_square_subsequent_mask(n)


def spread(module: nn.Module) -> nn.Module:
    """Set larger random weights: with the initial ones all attention is nearly equal, which hides mistakes."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = 0.25 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise if parameter.dim() > 1 else parameter + noise)  # keep the scale of norms
    return module


def padding(n_rows: int, n_key: int) -> Tensor:
    """A padding mask [row, key] where row r ends with r padded positions."""
    return torch.arange(n_key) >= n_key - torch.arange(n_rows)[:, None]


def compare(trace: AttentionTrace, kind: str, expected: list[Tensor]) -> None:
    att = trace[kind]
    assert att.n_layers == len(expected)
    for layer, weights in enumerate(expected):
        assert att.layer(layer).shape == tuple(weights.shape)
        np.testing.assert_allclose(att.layer(layer), weights.detach().float().numpy(), rtol=0, atol=TOLERANCE)
    assert att.layer(0).std() > 0.01  # if the weights were all equal, mistakes would be hidden


def encoder_weights(layers: list[nn.TransformerEncoderLayer], x: Tensor, item: int = 0, **call: Tensor) -> list[Tensor]:
    """The weights of encoder layers, each computed by the layer from its own input."""
    found = []
    for layer in layers:
        seen = layer.norm1(x) if layer.norm_first else x
        attended, weights = layer.self_attn(seen, seen, seen, average_attn_weights=False, **call)
        found.append(weights[item])
        x = x + attended if layer.norm_first else layer.norm1(x + attended)
        wide = layer.linear2(layer.activation(layer.linear1(layer.norm2(x) if layer.norm_first else x)))
        x = x + wide if layer.norm_first else layer.norm2(x + wide)
    return found


def decoder_weights(
    layers: list[nn.TransformerDecoderLayer], x: Tensor, memory: Tensor, item: int, own: dict, other: dict
) -> tuple[list[Tensor], list[Tensor]]:
    """The self- and cross-attention weights of decoder layers, each computed by the layer from its own input."""
    decoder, cross = [], []
    for layer in layers:
        first = layer.norm_first
        seen = layer.norm1(x) if first else x
        attended, weights = layer.self_attn(seen, seen, seen, average_attn_weights=False, **own)
        decoder.append(weights[item])
        x = x + attended if first else layer.norm1(x + attended)
        seen = layer.norm2(x) if first else x
        attended, weights = layer.multihead_attn(seen, memory, memory, average_attn_weights=False, **other)
        cross.append(weights[item])
        x = x + attended if first else layer.norm2(x + attended)
        wide = layer.linear2(layer.activation(layer.linear1(layer.norm3(x) if first else x)))
        x = x + wide if first else layer.norm3(x + wide)
    return decoder, cross


def stack(n_heads: int = 4, d_model: int = 20, *, norm_first: bool = False, batch_first: bool = True) -> nn.Module:
    with warnings.catch_warnings(action="ignore"):  # torch warns about its fast path
        layer = nn.TransformerEncoderLayer(d_model, n_heads, 23, batch_first=batch_first, norm_first=norm_first)
        return spread(nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(d_model))).eval()


CALLS = {
    "plain": {},
    "padding": {"src_key_padding_mask": padding(N_ROWS, N_KEY)},
    "boolean mask": {"mask": forbidden(N_KEY, N_KEY)},
    "causal": {"mask": causal(N_KEY)},
    "causal and said so": {"mask": causal(N_KEY), "is_causal": True},
    "padding and mask": {"mask": forbidden(N_KEY, N_KEY), "src_key_padding_mask": padding(N_ROWS, N_KEY)},
    "additive per head": {"mask": random(N_ROWS * 4, N_KEY, N_KEY, seed=3)},
}
