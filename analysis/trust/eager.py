"""The weights of a trace against the model's own eager attention, over the very same text."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from analysis.strips import ROWS
from analysis.trust.finding import Finding, at_most
from analysis.trust.survey import Progress
from models import AttentionTrace, Model, Source
from models.arguments import checked
from models.capture.forward import ROLES, body, role_of
from models.capture.own_eager import own_eager
from models.memory import admit
from models.request import Inputs

# How far a weight of a trace may be from eager's. The trace's pass computes its outputs by SDPA, whose rounding grows
# over the layers. Measured in float32: 3e-6 (MiniLM, 256 tokens), 4e-6 (SmolLM2, 30 layers, 660 tokens), and of 265
# families of transformers with random weights 3.3e-5 at most (MobileBERT).
TOLERANCE = {"float32": 1e-4, "float64": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
# Scores, weights and the copy that dropout makes, of one layer.
_COPIES = 3


@checked
def check_with_eager(
    model: Model, trace: AttentionTrace, *, progress: Progress | None = None, **inputs: Unpack[Inputs]
) -> tuple[Finding, ...]:
    """Run the text of a trace once more in the model's own eager attention, and compare all weights.

    In that pass the attention function and the mask are eager's, in every layer, so a difference also shows where the
    outputs of two layers differ. The shared model is not changed (models/capture/own_eager.py). What this does not
    show: an error that the model's own eager function shares, and code of a family that asks for the name of its
    attention function. `inputs` are the picture or the sound, which a trace does not keep. `progress(done, total)` is
    called after each layer, and may end the check by an exception.

    Raises:
        NotEnoughMemory: the weights of one layer do not fit into the free memory.
        HeadlightError: the text can no longer be traced.
    """
    source, given = trace.source, {**inputs_of(trace), **inputs}
    refused = why_not_again(model, source, given)
    if refused:
        return (Finding("eager attention", "note", f"The weights were not compared with eager attention: {refused}"),)
    largest_layer = max(
        trace[kind].heads_in(layer) * trace[kind].n_query * trace[kind].n_key
        for kind in trace
        for layer in range(trace[kind].n_layers)
    )
    admit(4 * _COPIES * largest_layer, "Comparing with eager attention", "shorten the text")
    if model.card.capture != "replayed":
        return (_compare_again(trace, model.trace(**given, progress=progress)),)
    comparison = _Comparison(model, trace)
    with own_eager(comparison.compare):
        again = model.trace(**given, progress=progress)
    return (comparison.judge(again),)


def inputs_of(trace: AttentionTrace) -> dict[str, Any]:
    """Return what a model read, as arguments of `Model.trace`; a picture or a sound is not among them.

    A text that the model continued is given as its tokens.
    """
    source = trace.source
    names = {field.name for field in fields(Source)} & set(Inputs.__annotations__) - {"ablate", "mask_tokens"}
    given = {name: value for name in names if (value := vars(source)[name]) is not None}
    for name in ("image", "audio", "generate"):
        given.pop(name, None)
    if source.messages:
        given["messages"] = [{"role": role, "content": content} for role, content in source.messages]
    else:
        given["text"] = source.ids or source.words or source.text or None  # a picture is read without a text
        given["text_pair"] = source.words_pair or source.text_pair
    if source.generate and source.image is not None:  # ids would leave no place for the picture
        given["generate"] = source.generate
    elif source.generate:
        given = {"text": [token.id for token in trace[trace.kinds[0]].query_tokens]}
    return {name: value for name, value in given.items() if value is not None}


def why_not_again(model: Model, source: Source, given: dict[str, Any]) -> str:
    """Return why the text of a trace cannot be read once more, "" if it can."""
    if vars(source).get("ablate") or vars(source).get("mask_tokens"):
        return "heads or tokens were changed in this pass; take a trace without changes."
    if source.image is not None and "image" not in given:
        return "a trace does not keep its picture; give it once more."
    if source.audio is not None and "audio" not in given:
        return "a trace does not keep its sound; give it once more."
    if (source.model, source.revision) != (model.card.name, model.card.revision):
        return f"it is of {source.model[:60]}, not of {model.card.name}; open that model."
    return ""


class _Comparison:
    """Compares the eager weights of each call with the same layer of a trace, and keeps the largest difference."""

    def __init__(self, model: Model, trace: AttentionTrace) -> None:
        self._module, self._trace = body(model.module), trace
        two_sided = self._module.config.is_encoder_decoder
        self._kinds = {role: role for role in ROLES} if two_sided else {"self": trace.kinds[0]}
        self._seen: Counter[str] = Counter()
        self.largest, self.place = 0.0, ""
        self.n_weights = 0
        self.strange = ""
        self.by_definition = False

    def compare(self, part: nn.Module, weights: Tensor, is_own: bool) -> None:
        """Compare the eager weights `[1, head, query, key]` of the next call."""
        self.by_definition = self.by_definition or not is_own
        kind = self._kinds[role_of(self._module, part)]
        layer = self._seen[kind]
        self._seen[kind] += 1
        if kind not in self._trace.kinds or layer >= self._trace[kind].n_layers:
            self.strange = f"the pass has a {kind} layer {layer} that the trace lacks"
            return
        att, eager = self._trace[kind], weights[0].detach()
        if tuple(eager.shape[:2]) != (att.heads_in(layer), att.n_query):
            self.strange = f"the shape of {kind} layer {layer} differs"
            return
        for start in range(0, att.n_query, ROWS):
            ours = att.layer(layer, queries=slice(start, start + ROWS))
            theirs = eager[:, start : start + ROWS, : att.n_key].to("cpu", torch.float32).numpy()
            self._compare_rows(ours, theirs, f"{kind} layer {layer}")

    def _compare_rows(self, ours: np.ndarray, theirs: np.ndarray, place: str) -> None:
        finite = np.isfinite(theirs)
        if not np.array_equal(finite, np.isfinite(ours)):
            self.largest, self.place = float("inf"), place
            return
        self.n_weights += theirs.size
        differences = np.abs(np.where(finite, ours, 0) - np.where(finite, theirs, 0)).max((1, 2))
        head = int(differences.argmax())
        if differences[head] > self.largest:
            self.largest, self.place = float(differences[head]), f"{place} head {head}"

    def judge(self, again: AttentionTrace) -> Finding:
        """Return the finding, after the pass that gave `again`."""
        for kind in self._trace:
            if _ids(again, kind) != _ids(self._trace, kind):
                self.strange = "the model reads other tokens now"
            elif self._seen[kind] != self._trace[kind].n_layers:
                self.strange = f"eager attention gave {self._seen[kind]} of {self._trace[kind].n_layers} layers"
        if self.strange:
            return _differs(f"The weights cannot be those of eager attention: {self.strange}.", None)
        what = (
            "a computation by the definition, in float64" if self.by_definition else "the model's own eager attention"
        )
        same = f"All {self.n_weights:,} weights were compared with {what}, over this text"
        if self.largest > TOLERANCE.get(self._trace.source.dtype, TOLERANCE["float32"]):
            return _differs(f"{same}: they differ by up to {self.largest:.2g}, in {self.place}.", self.largest)
        return Finding(
            "eager attention", "ok", f"{same}: the largest difference is {at_most(self.largest)}.", self.largest
        )


def _ids(trace: AttentionTrace, kind: str) -> list[int]:
    return [token.id for token in trace[kind].key_tokens]


def _differs(sentence: str, number: float | None) -> Finding:
    remedy = "Do not trust these weights: trace the text again, and report the model if it stays so."
    return Finding("eager attention", "fault", sentence, number, remedy)


def _compare_again(trace: AttentionTrace, again: AttentionTrace) -> Finding:
    """Return whether a second pass of a model that returns its own eager weights gives the same."""
    largest = 0.0
    for kind in trace:
        if _ids(again, kind) != _ids(trace, kind):
            return _differs("The weights cannot be compared: the model reads other tokens now.", None)
        for layer in range(trace[kind].n_layers):
            ours, theirs = trace[kind].layer(layer), again[kind].layer(layer)
            if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
                largest = float("inf")
            largest = max(largest, float(np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs)).max()))
    if largest > TOLERANCE.get(trace.source.dtype, TOLERANCE["float32"]):
        return _differs(
            f"The model itself returned these weights, and in a second pass they differ by up to {largest:.2g}.",
            largest,
        )
    return Finding(
        "eager attention",
        "ok",
        "The model itself returned these weights, in eager attention; in a second pass the largest difference was "
        f"{at_most(largest)}.",
        largest,
    )
