"""The transformer from scratch, in the order in which "Attention Is All You Need" builds it. Read it in one sitting.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, whose sections and equations are cited below. This file imports
nothing of Headlight: plain torch, one class for each part, and every attention returns its output and its weights.
tests/models/scratch/test_layers.py compares each part with torch's module of the same name, outputs and gradients.

Axes: `batch`; `query` and `key`, positions that attend and are attended to; `head`; `d_model`, the width of the model;
`d_head` = d_model / n_heads, the paper's d_k and d_v. A mask is boolean, True = may attend, and broadcasts to
`[batch, head, query, key]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

Weights = Float[Tensor, "batch head query key"]
# Self-attention has as many keys as queries: in a decoder over the target, in its encoder over the source.
OverTarget, OverSource = Float[Tensor, "batch head query query"], Float[Tensor, "batch head key key"]
# (query, key, value, mask, dropout) -> (output, weights): a function that an attention layer may use for equation 1.
Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None, float], tuple[Tensor, Tensor | None]]


# --- 3.2.1 Scaled dot-product attention ------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch query d_head"],
    key: Float[Tensor, "*batch key d_head"],
    value: Float[Tensor, "*batch key d_value"],
    mask: Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[Float[Tensor, "*batch query d_value"], Float[Tensor, "*batch query key"]]:
    """Return softmax(Q K^T / sqrt(d_head)) V and the weights, equation 1.

    Without the scaling, the products of long vectors would be so large that the softmax saturates and its gradient
    vanishes (footnote 4). A query that may attend to no key gets equal weights, where torch gives NaN.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    dropped = functional.dropout(weights, dropout) if dropout else weights
    return dropped @ value, weights


# --- 3.2.2 Multi-head attention --------------------------------------------------------------------------------------


class MultiHeadAttention(nn.Module):
    """Several attentions in parallel, each in its own `d_head` dimensions: Concat(head_1, ..., head_h) W_o."""

    def __init__(
        self, d_model: int, n_heads: int, *, dropout: float = 0.0, rotary: RotaryPositions | None = None
    ) -> None:
        """Make the four projections.

        Raises:
            ValueError: `d_model` is not a multiple of `n_heads`.
        """
        super().__init__()
        if n_heads < 1 or d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide a width of {d_model}: choose a divisor of the width.")
        self.n_heads, self.dropout, self.rotary = n_heads, dropout, rotary
        self.attend: Attend = scaled_dot_product_attention
        self.query_projection = nn.Linear(d_model, d_model)
        self.key_projection = nn.Linear(d_model, d_model)
        self.value_projection = nn.Linear(d_model, d_model)
        self.output_projection = nn.Linear(d_model, d_model)

    def forward(
        self,
        query: Float[Tensor, "batch query d_model"],
        key: Float[Tensor, "batch key d_model"],
        value: Float[Tensor, "batch key d_model"],
        mask: Tensor | None = None,
    ) -> tuple[Float[Tensor, "batch query d_model"], Weights | None]:
        """Return the output and the weights of each head; self-attention is `query = key = value`."""
        q = self.split(self.query_projection(query))
        k = self.split(self.key_projection(key))
        v = self.split(self.value_projection(value))
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        heads, weights = self.attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return self.output_projection(self.combine(heads)), weights

    def split(self, x: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch head position d_head"]:
        """Return the width split into heads: each head gets its own slice of the projection."""
        batch, n_positions, d_model = x.shape
        return x.view(batch, n_positions, self.n_heads, d_model // self.n_heads).transpose(1, 2)

    def combine(self, x: Float[Tensor, "batch head position d_head"]) -> Float[Tensor, "batch position d_model"]:
        """Return the heads concatenated: Concat(head_1, ..., head_h)."""
        batch, n_heads, n_positions, d_head = x.shape
        return x.transpose(1, 2).reshape(batch, n_positions, n_heads * d_head)


# --- 3.2.3 Masks: which keys a query may attend to -------------------------------------------------------------------


def padding_mask(lengths: Int[Tensor, " batch"], n_positions: int) -> Bool[Tensor, "batch 1 1 key"]:
    """Return the mask that hides the padding after the shorter texts of a batch."""
    return (torch.arange(n_positions, device=lengths.device) < lengths[:, None])[:, None, None]


def causal_mask(n_positions: int, device: torch.device | None = None) -> Bool[Tensor, "query key"]:
    """Return the mask of a decoder: a position may attend to itself and to earlier positions."""
    return torch.ones(n_positions, n_positions, dtype=torch.bool, device=device).tril()


# --- 3.3 Position-wise feed-forward networks -------------------------------------------------------------------------


class FeedForward(nn.Module):
    """max(0, x W_1 + b_1) W_2 + b_2 at each position separately, equation 2."""

    def __init__(self, d_model: int, d_feedforward: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.expand = nn.Linear(d_model, d_feedforward)
        self.contract = nn.Linear(d_feedforward, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch position d_model"]:
        """Return the output for each position."""
        return self.contract(self.dropout(functional.relu(self.expand(x))))


# --- 3.5 Positional encoding -----------------------------------------------------------------------------------------


class SinusoidalPositions(nn.Module):
    """PE(position, 2i) = sin(position / 10000^(2i / d_model)), PE(position, 2i + 1) = cos of the same, added."""

    def forward(self, x: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch position d_model"]:
        """Return the embeddings with the encodings of their positions added."""
        angles = _angles(x.shape[1], x.shape[2], x.device)
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        return x + table[:, : x.shape[2]].to(x.dtype)


class LearnedPositions(nn.Module):
    """One learned vector for each position, added (Gehring et al. 2017, https://arxiv.org/abs/1705.03122)."""

    def __init__(self, n_positions: int, d_model: int) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(n_positions, d_model)

    def forward(self, x: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch position d_model"]:
        """Return the embeddings with the vectors of their positions added."""
        return x + self.position_embeddings.weight[: x.shape[1]]


class RotaryPositions(nn.Module):
    """Queries and keys, rotated by an angle that grows with their position (Su et al. 2021, arXiv:2104.09864, eq. 34).

    Dimensions 2i and 2i + 1 rotate together, so that q . k depends only on the distance between query and key.
    """

    def forward(self, x: Float[Tensor, "batch head position d_head"]) -> Float[Tensor, "batch head position d_head"]:
        """Return queries or keys, each rotated by the angle of its position."""
        angles = _angles(x.shape[-2], x.shape[-1], x.device).to(x.dtype)
        cos, sin = angles.cos(), angles.sin()
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def _angles(n_positions: int, width: int, device: torch.device) -> Float[Tensor, "position pair"]:
    """Return position / 10000^(2i / width)."""
    frequencies = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    return torch.arange(n_positions, device=device)[:, None] * frequencies


# --- 3.1 Encoder and decoder stacks ----------------------------------------------------------------------------------


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each added to its input (the residual) and normalised.

    Post-norm is the paper's LayerNorm(x + Sublayer(x)); pre-norm, x + Sublayer(LayerNorm(x)), trains without a warm-up
    (Xiong et al. 2020, https://arxiv.org/abs/2002.04745).
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_feedforward: int,
        *,
        dropout: float = 0.0,
        norm_first: bool = False,
        rotary: RotaryPositions | None = None,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = MultiHeadAttention(d_model, n_heads, dropout=dropout, rotary=rotary)
        self.feedforward = FeedForward(d_model, d_feedforward, dropout=dropout)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch position d_model"], mask: Tensor | None = None
    ) -> tuple[Float[Tensor, "batch position d_model"], Weights | None]:
        """Return the layer's output and its attention weights."""
        if self.norm_first:
            normal = self.attention_norm(x)
            attended, weights = self.attention(normal, normal, normal, mask)
            x = x + self.dropout(attended)
            return x + self.dropout(self.feedforward(self.feedforward_norm(x))), weights
        attended, weights = self.attention(x, x, x, mask)
        x = self.attention_norm(x + self.dropout(attended))
        return self.feedforward_norm(x + self.dropout(self.feedforward(x))), weights


class Encoder(nn.Module):
    """A stack of encoder layers; `norm` is the final normalisation that a pre-norm stack needs."""

    def __init__(self, layers: list[EncoderLayer], norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm or nn.Identity()

    def forward(
        self, x: Float[Tensor, "batch position d_model"], mask: Tensor | None = None
    ) -> tuple[Float[Tensor, "batch position d_model"], list[Weights | None]]:
        """Return the last layer's output and the weights of each layer."""
        every = []
        for layer in self.layers:
            x, weights = layer(x, mask)
            every.append(weights)
        return self.norm(x), every


class DecoderLayer(nn.Module):
    """Masked self-attention, attention over the encoder's output (cross-attention), feed-forward."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_feedforward: int,
        *,
        dropout: float = 0.0,
        norm_first: bool = False,
        rotary: RotaryPositions | None = None,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = MultiHeadAttention(d_model, n_heads, dropout=dropout, rotary=rotary)
        self.cross_attention = MultiHeadAttention(d_model, n_heads, dropout=dropout)
        self.feedforward = FeedForward(d_model, d_feedforward, dropout=dropout)
        self.attention_norm, self.cross_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.feedforward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "batch query d_model"],
        memory: Float[Tensor, "batch key d_model"],
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Float[Tensor, "batch query d_model"], OverTarget | None, Weights | None]:
        """Return the layer's output, its self-attention weights and its cross-attention weights."""
        if self.norm_first:
            normal = self.attention_norm(x)
            attended, weights = self.attention(normal, normal, normal, mask)
            x = x + self.dropout(attended)
            attended, cross_weights = self.cross_attention(self.cross_norm(x), memory, memory, memory_mask)
            x = x + self.dropout(attended)
            return x + self.dropout(self.feedforward(self.feedforward_norm(x))), weights, cross_weights
        attended, weights = self.attention(x, x, x, mask)
        x = self.attention_norm(x + self.dropout(attended))
        attended, cross_weights = self.cross_attention(x, memory, memory, memory_mask)
        x = self.cross_norm(x + self.dropout(attended))
        return self.feedforward_norm(x + self.dropout(self.feedforward(x))), weights, cross_weights


class Decoder(nn.Module):
    """A stack of decoder layers over the encoder's output, `memory`."""

    def __init__(self, layers: list[DecoderLayer], norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm or nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch query d_model"],
        memory: Float[Tensor, "batch key d_model"],
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Float[Tensor, "batch query d_model"], list[OverTarget | None], list[Weights | None]]:
        """Return the last layer's output, and the self- and cross-attention weights of each layer."""
        every, every_cross = [], []
        for layer in self.layers:
            x, weights, cross_weights = layer(x, memory, mask, memory_mask)
            every.append(weights)
            every_cross.append(cross_weights)
        return self.norm(x), every, every_cross


class EncoderDecoder(nn.Module):
    """All of figure 1 between the embeddings and the output layer."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self,
        source: Float[Tensor, "batch key d_model"],
        target: Float[Tensor, "batch query d_model"],
        source_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
    ) -> tuple[
        Float[Tensor, "batch query d_model"], list[OverSource | None], list[OverTarget | None], list[Weights | None]
    ]:
        """Return the decoder's output, and the encoder's, decoder's and cross-attention weights of each layer.

        `source_mask` hides padding from the encoder and from cross-attention; `target_mask` is causal if not given.
        """
        memory, encoder_weights = self.encoder(source, source_mask)
        mask = causal_mask(target.shape[1], target.device) if target_mask is None else target_mask
        output, decoder_weights, cross_weights = self.decoder(target, memory, mask, source_mask)
        return output, encoder_weights, decoder_weights, cross_weights
