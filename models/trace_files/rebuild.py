"""A document and its arrays to a trace: what the arrays are is compared with one another before they are used."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.capture.ablation import WAYS
from models.capture.forced import PATTERNS, ForcedLayer
from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer, Replay
from models.given.notices import describe_weights
from models.outputs import Names, Outputs
from models.sound import HIGHEST_RATE, LOWEST_RATE, MAX_SAMPLES, Sound
from models.source import Source
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FIND_SPAN, LABEL_TOKENS
from models.tokens import Token
from models.trace_files.arrays import Arrays
from models.trace_files.refusals import Spoilt, shown
from models.trace_files.schema import (
    MAX_HEADS,
    MAX_LAYERS,
    MAX_TOKENS,
    Document,
    KindRecord,
    OutputsRecord,
    ReplayRecord,
    SoundRecord,
    SpansRecord,
    WeightsRecord,
)
from models.trace_files.token_columns import as_tokens

if TYPE_CHECKING:
    from models.attention import Attention
    from models.trace import AttentionTrace

KINDS = ("encoder", "decoder", "cross")
# The methods of analysis/maps, of which this package knows nothing; a newer Headlight may have more.
_METHOD = re.compile(r"[a-z][a-z-]{0,30}")
_ACTIVATIONS = ("softmax", "sigmoid", "none")


class Rebuilder:
    """Makes the trace of one document."""

    def __init__(self, document: Document, arrays: Arrays) -> None:
        self._document, self._arrays = document, arrays
        self._masks: dict[tuple[str, str], Spans] = {}

    def trace(self) -> AttentionTrace:
        """Return the trace.

        Raises:
            Spoilt: arrays and fields do not fit together.
        """
        from models.trace import AttentionTrace  # a trace has methods that call this

        given = self._document
        if not given.attentions or any(kind not in KINDS for kind in given.attentions):
            raise Spoilt(
                f"its attentions are {shown(', '.join(given.attentions)) or 'none'}, expected {', '.join(KINDS)}"
            )
        _check_changes(given.source)
        attentions = {kind: self._attention(kind, record) for kind, record in given.attentions.items()}
        found = tuple(notice for att in attentions.values() for notice in att.notices)
        # Of weights that no Headlight captured, the trace says what its attentions say.
        more = tuple(notice for notice in dict.fromkeys(found) if notice not in given.notices)
        notices = (*given.notices, *more) if given.source.capture == "given" else given.notices
        return AttentionTrace(attentions, notices, given.source, self._image(), self._outputs(given.outputs))

    def _image(self) -> np.ndarray | None:
        if self._document.image is None:
            return None
        image = self._arrays.get(self._document.image)
        if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[2] != 3:
            raise Spoilt(f"its picture has the shape {list(image.shape)}, expected [row, column, 3] of uint8")
        return np.array(image.numpy())

    def _attention(self, kind: str, given: KindRecord) -> Attention:
        from models.attention import Attention

        queries = as_tokens(given.query_tokens, f"the query tokens of {kind}")
        keys = queries if given.key_tokens is None else as_tokens(given.key_tokens, f"the key tokens of {kind}")
        if not 0 < len(given.layers) <= MAX_LAYERS:
            raise Spoilt(f"{kind} has {len(given.layers):,} layers, expected 1 to {MAX_LAYERS:,}")
        shape = len(queries), len(keys)
        layers = [self._layer(one, shape, f"{kind}, layer {number}") for number, one in enumerate(given.layers)]
        _check_head_numbers(given, [layer.shape[0] for layer in layers])
        _check_patches(given, len(keys))
        annotations: dict[str, Any] = {
            **({"task": given.task} if given.task else {}),
            **({"sound": self._sound(given.sound)} if given.sound else {}),
            **({"head_numbers": given.head_numbers} if given.head_numbers else {}),
        }
        notices = given.notices
        if self._document.source.capture == "given":  # what other programs wrote says nothing of its weights
            weights = [layer.weights.float() for layer in layers if isinstance(layer, MaterialisedLayer)]
            notices = tuple(dict.fromkeys((*notices, *(describe_weights(weights) if weights else ()))))
        source = self._document.source
        return Attention(
            kind,
            layers,
            queries,
            keys,
            source,
            key_patches=given.key_patches,
            annotations=annotations,
            notices=notices,
            method=_read_method(given.method),
        )

    def _layer(
        self, given: ReplayRecord | WeightsRecord, shape: tuple[int, int], where: str
    ) -> Replay | MaterialisedLayer | ForcedLayer:
        if isinstance(given, WeightsRecord):
            weights = self._floats(given.weights, f"{where}: weights", lambda one: one[1:] == shape and len(one) == 3)
            _check_heads(weights.shape[0], where)
            return MaterialisedLayer(weights, given.causal)
        n_query, n_key = shape
        query = self._floats(given.query, f"{where}: query", lambda one: len(one) == 3 and one[1] == n_query)
        n_heads, _, d_head = query.shape
        _check_heads(n_heads, where)
        key = self._floats(
            given.key,
            f"{where}: key",
            lambda one: len(one) == 3 and one[1:] == (n_key, d_head) and n_heads % one[0] == 0,
        )

        def by_head(one: tuple[int, ...]) -> bool:
            return len(one) == 3 and one[0] in (1, n_heads) and one[1:] == shape

        bias = None if given.bias is None else self._floats(given.bias, f"{where}: bias", by_head)
        sinks = None if given.sinks is None else self._floats(given.sinks, f"{where}: sinks", (n_heads,).__eq__)
        if given.softcap is not None and given.softcap <= 0:
            raise Spoilt(f"{where} has the softcap {given.softcap}, expected more than 0")
        mask = self._mask(given.mask, f"{where}: mask", by_head, shape)
        replay = Replay(query, key, given.scaling, mask, bias, given.causal, given.softcap, sinks)
        return ForcedLayer(replay, _check_forced(given.forced, n_heads, where)) if given.forced else replay

    def _floats(self, ref: str | list, where: str, fits: Callable[[tuple[int, ...]], bool]) -> Tensor:
        found = self._arrays.get(ref)
        if not found.is_floating_point() or not fits(tuple(found.shape)):
            kind = str(found.dtype).removeprefix("torch.")
            raise Spoilt(f"{where} is {kind} {list(found.shape)}, which does not fit the tokens and the other arrays")
        return found

    def _mask(
        self,
        given: SpansRecord | str | list | None,
        where: str,
        fits: Callable[[tuple[int, ...]], bool],
        shape: tuple[int, int],
    ) -> Tensor | Spans | None:
        if given is None:
            return None
        if isinstance(given, SpansRecord):
            return self._spans(given, where, shape)
        mask = self._arrays.get(given)
        if mask.dtype != torch.bool:
            return self._floats(given, where, fits)
        if not fits(tuple(mask.shape)):
            raise Spoilt(f"{where} has the shape {list(mask.shape)}, which does not fit the tokens")
        return mask

    def _spans(self, given: SpansRecord, where: str, shape: tuple[int, int]) -> Spans:
        first, end = self._arrays.get(given.first), self._arrays.get(given.end)
        n_query, n_key = shape
        whole = all(each.shape == (n_query,) and each.dtype in (torch.int32, torch.int64) for each in (first, end))
        if not whole or bool(((first < 0) | (first > end) | (end > n_key)).any()):
            raise Spoilt(f"{where} has runs that are not {n_query:,} pairs of whole numbers from 0 to {n_key:,}")
        key = (str(given.first), str(given.end))
        return self._masks.setdefault(key, Spans(first, end))

    def _sound(self, given: SoundRecord) -> Sound:
        samples = self._arrays.get(given.samples)
        if samples.dtype != torch.float32 or samples.dim() != 1 or samples.numel() > MAX_SAMPLES:
            raise Spoilt(
                f"its sound has the shape {list(samples.shape)} of {samples.dtype}, expected [sample] of float32"
            )
        if not LOWEST_RATE <= given.rate <= HIGHEST_RATE or not bool(torch.isfinite(samples).all()):
            raise Spoilt("its sound has samples that are no numbers, or a rate that no sound has")
        return Sound(np.array(samples.numpy()), given.rate, given.notices)

    def _outputs(self, given: OutputsRecord | None) -> Outputs:
        if given is None:
            return Outputs()
        tokens = () if given.tokens is None else as_tokens(given.tokens, "the tokens of the outputs")
        logits = None if given.logits is None else self._arrays.get(given.logits)
        names = None if given.names is None else _read_names(given.names.of_ids, given.names.activation)
        if logits is None and not given.reason:
            raise Spoilt("its outputs have neither logits nor a reason")
        if logits is not None:
            _check_logits(given.task, logits, tokens, names)
        pooled = None if given.embedding is None else self._floats(given.embedding, "its embedding", _is_vector)
        return Outputs(given.task, tokens, given.reason, logits, names=names, mask_id=given.mask_id, pooled=pooled)


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1


def _read_method(method: str) -> str:
    if not _METHOD.fullmatch(method):
        raise Spoilt(f"its method is {shown(method)!r}, expected a name in small letters, such as rollout")
    return method


def _read_names(of_ids: tuple[tuple[int, str], ...], activation: str) -> Names:
    if activation not in _ACTIVATIONS:
        raise Spoilt(f"the activation of its labels is {shown(activation)!r}, expected {', '.join(_ACTIVATIONS)}")
    return Names(dict(of_ids), activation)


def _check_logits(task: str, logits: Tensor, tokens: tuple[Token, ...], names: Names | None) -> None:
    n_tokens = len(tokens)
    axes = {CLASSIFY: 1, CLASSIFY_IMAGE: 1, LABEL_TOKENS: 2, FIND_SPAN: 2}.get(task)
    fits = logits.dim() == axes and logits.is_floating_point()
    fits = fits and (task != LABEL_TOKENS or logits.shape[0] == n_tokens)
    fits = fits and (tuple(logits.shape) == (2, n_tokens) if task == FIND_SPAN else names is not None)
    if not fits:
        raise Spoilt(f"its logits {list(logits.shape)} are no answers of {shown(task)!r} to {n_tokens:,} tokens")


def _check_forced(given: tuple[tuple[int, str], ...], n_heads: int, where: str) -> tuple[tuple[int, str], ...]:
    heads = [head for head, _ in given]
    if len(set(heads)) < len(heads) or any(not 0 <= head < n_heads for head in heads):
        raise Spoilt(f"{where} has forced heads that are not some of its {n_heads:,} heads")
    if strange := [pattern for _, pattern in given if pattern not in PATTERNS]:
        raise Spoilt(f"{where} has the forced pattern {shown(strange[0])!r}, expected {', '.join(PATTERNS)}")
    return given


def _check_changes(source: Source) -> None:
    for kind, layer, head, how in source.ablate:
        if kind not in KINDS or how not in WAYS or not (0 <= layer < MAX_LAYERS and 0 <= head < MAX_HEADS):
            raise Spoilt(f"its source has an ablated head that no model has ({shown(f'{kind} {layer}.{head} {how}')})")
    if any(not 0 <= position < MAX_TOKENS for position in source.mask_tokens):
        raise Spoilt("its source has masked positions that no text has")


def _check_heads(n_heads: int, where: str) -> None:
    if n_heads > MAX_HEADS:
        raise Spoilt(f"{where} has {n_heads:,} heads, expected {MAX_HEADS:,} at most")


def _check_head_numbers(given: KindRecord, n_heads: list[int]) -> None:
    numbers = given.head_numbers
    if numbers and [len(each) for each in numbers] != n_heads:
        raise Spoilt("its head_numbers are not one pair for each head of each layer")
    if any(not 0 <= each < 2**31 for layer in numbers for head in layer for each in head):
        raise Spoilt("its head_numbers are not numbers of layers and heads")


def _check_patches(given: KindRecord, n_key: int) -> None:
    for grid in given.key_patches:
        left, top, right, bottom = grid.box
        inside = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
        if min(grid.rows, grid.columns) < 1 or grid.first < 0 or grid.positions.stop > n_key or not inside:
            raise Spoilt(f"its grids of patches lie outside of the picture or of the {n_key:,} keys")
