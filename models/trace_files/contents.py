"""A trace as a document and its arrays, whatever the format of the file: what `write` puts into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.capture.forced import ForcedLayer
from models.capture.masks import Spans
from models.capture.replay import LayerLike, MaterialisedLayer, Replay
from models.errors import CannotWrite
from models.outputs import Outputs
from models.sound import Sound
from models.trace_files.schema import (
    FORMAT,
    VERSION,
    ArrayRecord,
    Document,
    KindRecord,
    NamesRecord,
    OutputsRecord,
    ReplayRecord,
    SoundRecord,
    SpansRecord,
    WeightsRecord,
)
from models.trace_files.token_columns import as_columns

if TYPE_CHECKING:
    from models.attention import Attention
    from models.trace import AttentionTrace

# The name of a type in `arrays`, and how NumPy stores its numbers.
STORED = {
    torch.float16: ("float16", "<f2"),
    torch.float32: ("float32", "<f4"),
    torch.float64: ("float64", "<f8"),
    torch.bfloat16: ("bfloat16", "<u2"),
    torch.bool: ("bool", "|b1"),
    torch.uint8: ("uint8", "|u1"),
    torch.int32: ("int32", "<i4"),
    torch.int64: ("int64", "<i8"),
}
# How many weights of a view are computed at once: 64 MB.
_STRIP = 2**24
# Annotations that are saved; others are named in a notice.
_KEPT = ("task", "sound", "head_numbers")


@dataclass
class Part:
    """One array of a file: `pieces` are its bytes in order, made when they are written."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    given: Tensor | LayerLike

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes by rows."""
        if isinstance(self.given, Tensor):
            yield _bytes_of(self.given)
            return
        n_heads, n_query, n_key = self.shape
        step = max(1, _STRIP // n_key)
        for head in range(n_heads):
            for start in range(0, n_query, step):
                yield _bytes_of(self.given.rows(slice(head, head + 1), slice(start, min(start + step, n_query))))


def _bytes_of(tensor: Tensor) -> memoryview:
    plain = tensor.detach().to("cpu").contiguous().reshape(-1)
    array = plain.view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    if np.little_endian:
        return array.data
    return array.view(f"u{tensor.itemsize}").byteswap().view(np.uint8).data


@dataclass
class Contents:
    """The document of a trace, and its arrays by name."""

    parts: dict[str, Part] = field(default_factory=dict)
    _known: dict[Any, str] = field(default_factory=dict)

    def document(self, trace: AttentionTrace) -> Document:
        """Return the document, and collect the arrays."""
        kinds = {kind: self._kind(trace[kind]) for kind in trace}
        lost = sorted({name for kind in trace for name in trace[kind].annotations if name not in _KEPT})
        notice = f"What the maker of this trace noted of it was not saved: {', '.join(lost)}."
        image = None if trace.image is None else self.add("image", torch.from_numpy(np.array(trace.image)))
        outputs = self._outputs(trace.outputs)
        notices = (*trace.notices, *((notice,) if lost else ()))
        records = {name: ArrayRecord(STORED[part.dtype][0], tuple(part.shape)) for name, part in self.parts.items()}
        return Document(FORMAT, VERSION, kinds, records, trace.source, notices, image, outputs)

    def add(self, name: str, given: Tensor | LayerLike) -> str:
        """Add an array and return its name: a tensor that is there already has the name that it had first."""
        if not isinstance(given, Tensor):
            self.parts[name] = Part(torch.float32, given.shape, given)
            return name
        if given.dtype not in STORED:
            raise CannotWrite(f"A trace with numbers of the type {given.dtype} is not saved: trace it in float32.")
        key = (given.data_ptr(), given.dtype, given.shape, given.stride(), given.device)
        if self._known.setdefault(key, name) == name:
            self.parts[name] = Part(given.dtype, tuple(given.shape), given)
        return self._known[key]

    def _share(self, name: str, given: Tensor) -> str:
        """Add a mask or a bias; one with the same content as another has its name."""
        if given.dtype in STORED:
            key = (given.dtype, given.shape, sha256(_bytes_of(given)).digest())
            name = self._known.setdefault(key, name)
            if name in self.parts:
                return name
        return self.add(name, given)

    def _kind(self, att: Attention) -> KindRecord:
        same = att.key_tokens == att.query_tokens
        sound = att.annotations.get("sound")
        return KindRecord(
            as_columns(att.query_tokens),
            tuple(self._layer(f"{att.kind}/{number}", layer) for number, layer in enumerate(att._layers)),
            None if same else as_columns(att.key_tokens),
            att.key_patches,
            att.annotations.get("task", ""),
            self._sound(sound) if isinstance(sound, Sound) else None,
            att.annotations.get("head_numbers", ()),
            att.notices,
            att.method,
        )

    def _sound(self, sound: Sound) -> SoundRecord:
        return SoundRecord(self._share("sound", torch.from_numpy(np.array(sound.samples))), sound.rate, sound.notices)

    def _layer(self, name: str, layer: LayerLike) -> ReplayRecord | WeightsRecord:
        if isinstance(layer, MaterialisedLayer):
            return WeightsRecord(self.add(f"{name}/weights", layer.weights), layer.causal)
        if isinstance(layer, ForcedLayer):
            return replace(self._replay(name, layer.layer), forced=layer.patterns)
        if not isinstance(layer, Replay):  # a view
            return WeightsRecord(self.add(f"{name}/weights", layer), _is_causal(layer))
        return self._replay(name, layer)

    def _replay(self, name: str, layer: Replay) -> ReplayRecord:
        return ReplayRecord(
            self.add(f"{name}/query", layer.query),
            self.add(f"{name}/key", layer.key),
            float(layer.scaling),
            self._mask(name, layer.mask),
            None if layer.bias is None else self._share(f"{name}/bias", layer.bias),
            None if layer.sinks is None else self.add(f"{name}/sinks", layer.sinks),
            None if layer.softcap is None else float(layer.softcap),
            layer.causal,
        )

    def _mask(self, name: str, mask: Tensor | Spans | None) -> SpansRecord | str | None:
        if isinstance(mask, Spans):
            return SpansRecord(self._share(f"{name}/first", mask.first), self._share(f"{name}/end", mask.end))
        return None if mask is None else self._share(f"{name}/mask", mask)

    def _outputs(self, outputs: Outputs) -> OutputsRecord:
        # What pickling keeps: labels, and for words the reason why there are none.
        task, tokens, reason, logits, _, names, _, _, mask_id, _, pooled = outputs.__reduce__()[1]
        return OutputsRecord(
            task,
            as_columns(tokens) if tokens else None,
            reason,
            None if logits is None else self.add("outputs/logits", logits),
            None if names is None else NamesRecord(tuple(names.of_ids.items()), names.activation),
            mask_id,
            None if pooled is None else self.add("outputs/embedding", pooled),
        )


def _is_causal(layer: LayerLike) -> bool:
    spans = layer.spans()
    if spans is None:
        return False
    causal = Spans.causal(layer.shape[1], layer.shape[2], spans.first.device)
    return torch.equal(spans.first, causal.first) and torch.equal(spans.end, causal.end)
