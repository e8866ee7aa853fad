"""Attention weights that exist already, from another library: which part is which layer, and what they are given with.

`read_given` is what `Attention.from_weights` reads (docs/decisions/0023). Shapes are compared with the tokens before
anything is copied, and each layer is copied once, because a trace is immutable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from models.capture.replay import LayerLike, MaterialisedLayer
from models.errors import BadMatrix
from models.given.arrays import NOT_RETURNED, as_array, fill, shape_of
from models.given.notices import describe_weights, is_causal
from models.given.tokens import read_tokens
from models.memory import admit
from models.source import Source
from models.tokens import Token

KINDS = ("encoder", "decoder", "cross")
MAX_LAYERS, MAX_STEPS = 10_000, 1_000_000
_HOOK = re.compile(r"([^0-9]*)([0-9]{1,6})([^0-9]*hook_pattern)")
WHOLE = "The array of weights"
_WANTED = "[layer, head, query, key]"
_SOURCE = Source("given weights", "", "", "cpu", "float32", "given", "")


@runtime_checkable
class Cache(Protocol):
    """A mapping, or what looks like one: an `ActivationCache` of TransformerLens is no `Mapping` of Python."""

    def keys(self) -> Any:
        """Return the names."""

    def __getitem__(self, name: str) -> Any:
        """Return what has a name."""


@dataclass(frozen=True)
class Given:
    """What `Attention` is made of."""

    layers: tuple[LayerLike, ...]
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    notices: tuple[str, ...]
    source: Source = _SOURCE


@dataclass(frozen=True)
class _Part:
    """The weights of a run of queries, `[head, query, key]`, not copied yet."""

    given: Any
    shape: tuple[int, int, int]
    first: int = 0


def read_given(weights: Any, tokens: Any, key_tokens: Any, kind: str, row: int | None) -> Given:
    """Return the layers, tokens and notices of weights that exist already.

    Raises:
        BadMatrix: they are no weights, or do not fit the tokens.
        NotEnoughMemory: the copy does not fit into the free memory.
    """
    if kind not in KINDS:
        raise BadMatrix(f"There is no {kind[:40]!r} attention: the kind is {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    if kind == "cross" and key_tokens is None:
        raise BadMatrix("Cross attention has tokens of two texts: give those of the keys too (key_tokens).")
    queries = read_tokens(tokens)
    keys = queries if key_tokens is None else read_tokens(key_tokens)
    found, notices = hook_layers(weights, kind) if _is_cache(weights) else (weights, ())
    layers = _plan(found, row, kind)
    _check_tokens(layers, len(queries), len(keys), alone=key_tokens is None)
    copies = _copy(layers)
    causal = kind == "decoder" and is_causal(copies)
    notices += describe_weights(copies)
    return Given(tuple(MaterialisedLayer(each, causal) for each in copies), queries, keys, notices)


def as_layer(layer: LayerLike | np.ndarray | Tensor, number: int) -> LayerLike:
    """Return a layer of a trace as it is, and an array `[head, query, key]` as a layer.

    Raises:
        BadMatrix: it is no such array.
    """
    if not isinstance(layer, np.ndarray | Tensor):
        return layer
    where = f"Layer {number}"
    shape = shape_of(layer, where)
    if len(shape) != 3 or min(shape) < 1:
        raise BadMatrix(f"{where} has the shape {list(shape)}: give an array [head, query, key].")
    return MaterialisedLayer(_copy([[_Part(layer, (shape[0], shape[1], shape[2]))]])[0])


def hook_layers(cache: Cache, kind: str) -> tuple[list[Any], tuple[str, ...]]:
    """Return the patterns in a cache with the hook names of TransformerLens, layer by layer, and what is missing.

    Raises:
        BadMatrix: it has no patterns, or of several kinds, none of which is `kind`.
    """
    names = [name for name in cache.keys() if isinstance(name, str)]  # noqa: SIM118, a cache may be no dict
    groups: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        found = _HOOK.fullmatch(name)
        if found:
            groups.setdefault((found[1], found[3]), {})[int(found[2])] = name
    if not groups:
        raise BadMatrix(_explain_no_pattern(names))
    chosen = list(groups) if len(groups) == 1 else [group for group in groups if _kind_of(*group) == kind]
    if len(chosen) != 1:
        shown = ", ".join(f"{before}N{after}" for before, after in list(groups)[:4])[:200]
        raise BadMatrix(f"The cache has several kinds of attention ({shown}): keep the {kind} one alone.")
    layers = groups[chosen[0]]
    numbers = sorted(layers)
    lacks = numbers != list(range(len(numbers)))
    listed = ", ".join(map(str, numbers[:20])) + (", ..." if numbers[20:] else "")
    notices = (f"The cache has {_alone(listed, len(numbers))} here.",) if lacks else ()
    return [cache[layers[number]] for number in numbers], notices


def _alone(listed: str, n: int) -> str:
    return f"layer {listed} alone: it is layer 0" if n == 1 else f"layers {listed} alone: they are counted from 0"


def _is_cache(weights: Any) -> bool:
    return isinstance(weights, Cache) and not isinstance(weights, type)


def _kind_of(before: str, after: str) -> str:
    """Return the kind of attention that the name of a hook in an encoder-decoder says."""
    if "cross" in after:
        return "cross"
    return "decoder" if before.startswith("decoder") else "encoder"


def _explain_no_pattern(names: Sequence[str]) -> str:
    if any(name.endswith("hook_attn_scores") for name in names):
        return (
            "The cache has scores before the softmax (hook_attn_scores), which are no weights: let run_with_cache keep "
            "the hook_pattern of each layer too."
        )
    if any(name.endswith("attentions") for name in names):
        return "These are all outputs of a model: give its attentions alone, such as outputs.attentions."
    return (
        "The mapping has no weights: give one with the names of TransformerLens, such as blocks.0.attn.hook_pattern, "
        f"or an array {_WANTED}."
    )


def _plan(weights: Any, row: int | None, kind: str) -> list[list[_Part]]:
    """Return where the weights of each layer are, without copying them."""
    shape = shape_of(weights, WHOLE)
    if shape in ((0,), (1, 0)) and isinstance(weights, list | tuple):
        raise BadMatrix(NOT_RETURNED)
    if shape and min(shape) < 1:
        raise BadMatrix(f"The weights have the shape {list(shape)}, which is empty: give an array {_WANTED}.")
    if len(shape) == 6 and isinstance(weights, list | tuple):
        return _plan_steps(weights, row, kind)
    if len(shape) not in (4, 5):
        remedy = "put one layer into a list, [weights]" if len(shape) == 3 else "give it in that shape"
        raise BadMatrix(f"The weights have the shape {list(shape)}, but they are an array {_WANTED}: {remedy}.")
    if shape[0] > MAX_LAYERS:
        raise BadMatrix(f"The weights have {shape[0]:,} layers, more than any model: give an array {_WANTED}.")
    layers = weights if isinstance(weights, list | tuple) else as_array(weights, WHOLE)
    plan: list[list[_Part]] = []
    for number in range(shape[0]):
        part = _part_of(layers[number], row, f"Layer {number}", len(shape) - 1)
        if number and part.shape[1:] != plan[0][0].shape[1:]:
            (high, wide), (of_first, and_keys) = part.shape[1:], plan[0][0].shape[1:]
            raise BadMatrix(
                f"Layer {number} has {high} queries and {wide} keys, but layer 0 has {of_first} and {and_keys}: give "
                "layers of one text."
            )
        plan.append([part])
    return plan


def _part_of(given: Any, row: int | None, where: str, depth: int, first: int = 0) -> _Part:
    """Return the weights of one text; of a batch, those of a row."""
    shape = shape_of(given, where)
    if len(shape) != depth or min(shape) < 1:
        axes = "[batch, head, query, key]" if depth == 4 else "[head, query, key]"
        raise BadMatrix(f"{where} has the shape {list(shape)}, but the others are arrays {axes}: give equal ones.")
    if depth == 4:
        if row is None and shape[0] > 1:
            raise BadMatrix(f"The weights are of a batch of {shape[0]:,} texts: choose one of them, such as row=0.")
        if not 0 <= (row or 0) < shape[0]:
            raise BadMatrix(
                f"There is no row {row} in a batch of {shape[0]:,} texts: the rows are 0 to {shape[0] - 1}."
            )
        rows = given if isinstance(given, list | tuple) else as_array(given, where)
        given, shape = rows[row or 0], shape[1:]
    elif row is not None:
        raise BadMatrix("The weights have no batch axis, so there is no row to choose: leave row out.")
    return _Part(given, (shape[0], shape[1], shape[2]), first)


def _plan_steps(steps: Sequence[Any], row: int | None, kind: str) -> list[list[_Part]]:
    """Return where the weights of each layer are in the steps of `generate()`, each of which has the next queries."""
    if kind == "encoder":
        raise BadMatrix(
            'Only a decoder generates step by step: give kind="decoder", or kind="cross" for its encoder\'s keys.'
        )
    if len(steps) > MAX_STEPS:
        raise BadMatrix(f"There are {len(steps):,} steps, more than any text has tokens: give an array {_WANTED}.")
    plan: list[list[_Part]] = [[] for _ in steps[0]]
    for number, layers in enumerate(steps):
        if not isinstance(layers, list | tuple) or len(layers) != len(plan):
            raise BadMatrix(f"Step {number} does not have the {len(plan)} layers of step 0: give all layers of it.")
        for parts, given in zip(plan, layers, strict=True):
            first = parts[-1].first + parts[-1].shape[1] if parts else 0
            parts.append(_part_of(given, row, f"Step {number}", 4, first))
    for parts in plan:
        n_keys = [part.shape[2] for part in parts]
        grows = n_keys == list(accumulate(part.shape[1] for part in parts))
        fits = grows or len(set(n_keys)) == 1
        if not fits or [part.shape[1:] for part in parts] != [part.shape[1:] for part in plan[0]]:
            raise BadMatrix(
                "The steps have keys that do not continue each other, as of a model that keeps a window of them: "
                "read the whole text in one call with output_attentions=True."
            )
        if len({part.shape[0] for part in parts}) > 1:
            raise BadMatrix("The steps of a layer have different numbers of heads: give the steps of one generate().")
    return plan


def _check_tokens(plan: Sequence[Sequence[_Part]], n_queries: int, n_keys: int, *, alone: bool) -> None:
    """Compare the shapes with the tokens; `alone`: the tokens are those of both sides."""
    parts = plan[0]
    high, wide = parts[-1].first + parts[-1].shape[1], parts[-1].shape[2]
    if alone and high != wide:
        raise BadMatrix(f"The weights have {high:,} queries and {wide:,} keys: give tokens of both (key_tokens).")
    if high != n_queries:
        last = len(parts) > 1 and n_queries == high + 1
        remedy = "leave out the last one, which the model wrote but did not read" if last else "give one for each"
        raise BadMatrix(f"The weights have {high:,} queries, but {_count(n_queries, 'token')}: {remedy}.")
    if wide != n_keys:
        raise BadMatrix(f"The weights have {wide:,} keys, but {_count(n_keys, 'key token')}: give one for each.")


def _count(n: int, what: str) -> str:
    return f"there is 1 {what}" if n == 1 else f"there are {n:,} {what}s"


def _copy(plan: Sequence[Sequence[_Part]]) -> list[Tensor]:
    """Return a copy of each layer in float32 on the CPU."""
    shapes = [(parts[0].shape[0], parts[-1].first + parts[-1].shape[1], parts[-1].shape[2]) for parts in plan]
    n_bytes = 4 * sum(heads * high * wide for heads, high, wide in shapes)
    admit(n_bytes, "The copy of these weights", "give fewer layers or heads, or a part of the text")
    layers = []
    for number, (parts, shape) in enumerate(zip(plan, shapes, strict=True)):
        make = np.zeros if len(parts) > 1 else np.empty
        layer = make(shape, dtype=np.float32)
        for part in parts:
            _, high, wide = part.shape
            fill(layer[:, part.first : part.first + high, :wide], part.given, f"Layer {number}")
        layers.append(torch.from_numpy(layer))
    return layers
