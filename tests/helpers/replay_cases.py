"""Layers of all sizes, masks and forms for property tests, with what brute force in float64 says of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from models import Attention, Source, Token
from models.capture.masks import compact
from models.capture.replay import MaterialisedLayer, Replay

ALL = slice(None)
SOURCE = Source("small", "sha256:0", "Small", "cpu", "float32", "replayed", "a text")
LEAST = float(np.finfo(np.float32).min)
SIZES = st.sampled_from([1, 2, 3, 5, 7, 11, 13, 17, 23, 31])
MASKS = ("none", "holes", "holes of each head", "window", "packed", "padded", "nothing seen")
FORMS = ("boolean", "additive", "infinite", "with a bias in it")


@dataclass(frozen=True)
class Case:
    """One layer as the engine holds it, and what brute force says of it."""

    replay: Replay
    weights: np.ndarray
    allowed: np.ndarray

    @property
    def materialised(self) -> MaterialisedLayer:
        """The same weights as a family gives them that is not replayed."""
        return MaterialisedLayer(torch.from_numpy(self.weights.astype(np.float32)))


def mask_of(kind: str, n_heads: int, n_query: int, n_key: int, dice: np.random.Generator) -> np.ndarray | None:
    """True where a query may attend, `[1 or head, query, key]`."""
    query, key = np.arange(n_query)[:, None], np.arange(n_key)[None]
    if kind == "none":
        return None
    if kind == "window":
        width = dice.integers(1, n_key + 1)
        return (abs(query - key) < width)[None]  # with fewer keys than queries the last rows see nothing
    if kind == "packed":
        cuts = np.sort(dice.integers(0, max(n_query, n_key) + 1, size=2))
        return (np.searchsorted(cuts, query, "right") == np.searchsorted(cuts, key, "right"))[None]
    if kind == "padded":
        return np.broadcast_to(key < dice.integers(0, n_key + 1), (1, n_query, n_key))
    if kind == "nothing seen":
        return np.zeros((1, n_query, n_key), dtype=bool)
    mask = dice.random((n_heads if "each head" in kind else 1, n_query, n_key)) < dice.choice([0.2, 0.6, 0.95])
    mask[:, dice.random(n_query) < 0.2] = False
    return mask


def in_form(form: str, mask: np.ndarray, dice: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """The tensor that a model gives for a mask, and what it adds to the scores of the keys that are seen."""
    if form == "boolean":
        return torch.from_numpy(mask.copy()), np.zeros(mask.shape)
    added = dice.normal(size=mask.shape).astype(np.float32) if form == "with a bias in it" else np.float32(0)
    additive = np.where(mask, added, -np.inf if form == "infinite" else LEAST).astype(np.float32)
    return torch.from_numpy(additive), np.where(mask, additive, 0).astype(np.float64)


def brute_force(scores: np.ndarray, allowed: np.ndarray, sinks: np.ndarray | None) -> np.ndarray:
    """softmax over keys; a query that sees none weighs all alike, as in eager attention, and after any sink."""
    scores = np.where(allowed, scores, LEAST)
    if sinks is not None:
        scores = np.concatenate([scores, np.broadcast_to(sinks[:, None, None], (*scores.shape[:2], 1))], axis=-1)
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    weights = exponentials / exponentials.sum(-1, keepdims=True)
    return weights if sinks is None else weights[..., :-1]


@st.composite
def cases(
    draw: st.DrawFn, *, bad: bool = False, masks: tuple[str, ...] = MASKS, shape: tuple[int, int] | None = None
) -> Case:
    n_kv_heads, group = draw(st.integers(1, 3), label="n_kv_heads"), draw(st.integers(1, 3), label="group")
    n_query, n_key = shape or (draw(SIZES, label="n_query"), draw(SIZES, label="n_key"))
    d_head = draw(SIZES, label="d_head")
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n_heads, dtype = n_kv_heads * group, draw(st.sampled_from([torch.float32, torch.bfloat16]), label="dtype")

    def normal(*shape: int) -> torch.Tensor:
        return torch.from_numpy(1.5 * dice.normal(size=shape)).to(dtype)

    query, key = normal(n_heads, n_query, d_head), normal(n_kv_heads, n_key, d_head)
    if bad:
        spoilt = query if draw(st.booleans(), label="a query is bad") else key
        spoilt[dice.integers(len(spoilt)), dice.integers(spoilt.shape[1]), 0] = torch.nan
    scaling = draw(st.sampled_from([0.125, 0.7, 1.0]), label="scaling")
    options: dict[str, Any] = {"causal": draw(st.booleans(), label="causal")}
    wide = np.repeat(key.double().numpy(), group, axis=0)
    scores = scaling * query.double().numpy() @ wide.transpose(0, 2, 1)
    if draw(st.booleans(), label="softcap"):
        options["softcap"] = float(dice.choice([0.5, 3.0, 50.0]))
        scores = options["softcap"] * np.tanh(scores / options["softcap"])
    if draw(st.booleans(), label="bias"):
        bias = torch.from_numpy(dice.normal(size=(int(dice.choice([1, n_heads])), n_query, n_key))).float()
        options["bias"] = bias
        scores = scores + bias.double().numpy()
    allowed = np.ones((n_heads, n_query, n_key), dtype=bool)
    mask = mask_of(draw(st.sampled_from(masks), label="mask"), n_heads, n_query, n_key, dice)
    if mask is not None:
        tensor, added = in_form(draw(st.sampled_from(FORMS), label="form"), mask, dice)
        # As a trace holds it: a run of keys for each query where the mask is one.
        options["mask"] = compact(tensor) if draw(st.booleans(), label="compact") else tensor
        allowed, scores = allowed & mask, scores + added
    if options["causal"]:
        allowed = allowed & np.tril(np.ones((n_query, n_key), dtype=bool))
    sinks = None
    if draw(st.booleans(), label="sinks"):
        options["sinks"] = torch.from_numpy(dice.normal(size=n_heads)).float()
        sinks = options["sinks"].double().numpy()
    return Case(Replay(query, key, scaling, **options), brute_force(scores, allowed, sinks), allowed)


def attention(*layers: Replay | MaterialisedLayer) -> Attention:
    tokens = [tuple(Token("t", 0, None, None, False, "t") for _ in range(size)) for size in layers[0].shape[1:]]
    return Attention("cross", layers, *tokens, SOURCE)


@st.composite
def selections(draw: st.DrawFn, n_positions: int) -> Any:
    """Any way to name positions: slices with steps to both sides, lists, arrays, ranges, truth values, nothing."""
    ends = st.none() | st.integers(-n_positions - 2, n_positions + 2)
    positions = st.lists(st.integers(-n_positions, n_positions - 1), max_size=n_positions + 2)
    steps = st.none() | st.integers(1, 4) | st.integers(-4, -1)
    return draw(
        st.builds(slice, ends, ends, steps)
        | positions
        | positions.map(tuple)
        | positions.map(lambda numbers: np.array(numbers, dtype=np.int64))
        | st.builds(range, st.integers(0, n_positions), st.integers(0, n_positions), st.integers(1, 3))
        | st.lists(st.booleans(), min_size=n_positions, max_size=n_positions).map(np.array)
    )


def chosen(n_positions: int, selection: Any) -> np.ndarray:
    everything = np.arange(n_positions)
    numbers = isinstance(selection, (list, tuple, range))
    return everything[np.array(selection, dtype=np.int64) if numbers else selection]
