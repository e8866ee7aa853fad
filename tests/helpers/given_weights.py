"""Weights that exist already: arrays of other libraries, by hand, and a cache as TransformerLens makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

TOKENS = ["[CLS]", "un", "##able", ",", "[SEP]"]


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    """Return rows that sum to 1 in float32."""
    found = np.random.default_rng(seed).random(shape).astype(np.float32)
    return found / found.sum(-1, keepdims=True)


def causal(*shape: int, seed: int = 0) -> np.ndarray:
    """Return such rows with no weight above the diagonal."""
    found = np.tril(weights(*shape, seed=seed))
    return found / found.sum(-1, keepdims=True)


THREE = weights(2, 3, 5, 5)
TWO_TEXTS = np.stack([THREE, weights(2, 3, 5, 5, seed=1)], axis=1)


class Foreign:
    """An array of a library that only exchanges memory by DLPack, as on an accelerator."""

    def __init__(self, array: np.ndarray) -> None:
        self.tensor = torch.from_numpy(array)
        self.shape = array.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("Implicit conversion is not allowed.")

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


class Readable:
    """An array of a library that NumPy can read, with a shape that may be a lie."""

    def __init__(self, array: np.ndarray, shape: tuple[int, ...] | None = None) -> None:
        self.array, self.shape = array, shape or array.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


class Cache:
    """What an `ActivationCache` of TransformerLens 4.3.0 is: no `Mapping`, with `keys` and the names of hooks.

    Verified with that version next to our pins (torch 2.13.0, transformers 5.23.0): small GPT-2, BERT and T5 models in
    `TransformerBridge.boot_transformers(FOLDER, ...).run_with_cache(ids)` give these names and `[1, head, query, key]`,
    without the first axis after `remove_batch_dim=True`. T5 has `encoder_blocks.N.attn`, `decoder_blocks.N.self_attn`
    and `decoder_blocks.N.cross_attn`. `Attention.from_weights` of the real caches has their bits, and equals the trace
    of `load_model` to 6e-7.
    """

    def __init__(self, layers: dict[str, Any]) -> None:
        self.cache_dict = layers

    def keys(self) -> Any:
        return self.cache_dict.keys()

    def __getitem__(self, name: str) -> Any:
        return self.cache_dict[name]

    def __iter__(self) -> Any:
        return iter(self.cache_dict)

    def __len__(self) -> int:
        return len(self.cache_dict)


def spoilt(**values: object) -> np.ndarray:
    """Return `THREE` with other values: `_102=0` sets row 2 of head 0 of layer 1."""
    found = THREE.copy()
    for place, value in values.items():
        found[tuple(map(int, place[1:]))] = value
    return found
