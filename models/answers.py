"""How a model answers: its head reads what its body gave in a pass, and the answers become a trace's `Outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from transformers.utils import ModelOutput

from models.capture.head import Head, last_hidden, read_states, row_of
from models.display import visible
from models.errors import NoAnswer
from models.outputs import NO_HEAD, Names, Outputs, ShowWords, run_head, versions_of
from models.pooling import MEAN, Pooling
from models.tasks import WORDS
from models.tokens import Token


def read_names(config: Any) -> Names:
    """Return the names of a classifier's labels, and how its scores become probabilities.

    transformers' pipelines do the same: a single label is a number if `problem_type` says "regression", else it has a
    separate probability. sentence-transformers writes the activation of a cross-encoder into config.json.
    """
    given = getattr(config, "id2label", None)
    names = {number: visible(str(name)[:80]) for number, name in given.items()} if isinstance(given, dict) else {}
    kind, n_labels = getattr(config, "problem_type", None), getattr(config, "num_labels", len(names))
    own = getattr(config, "sentence_transformers", None)
    activation = str(own.get("activation_fn", "") if isinstance(own, dict) else "")
    activation = activation or str(getattr(config, "sbert_ce_default_activation_function", ""))
    if kind == "regression" or (n_labels == 1 and activation.endswith("Identity")):
        return Names(names, "none")
    alone = n_labels == 1 or kind == "multi_label_classification"
    return Names(names, "sigmoid" if alone else "softmax")


@dataclass(frozen=True)
class Passed:
    """One row of a pass, which is to be answered: what the body of the model gave for `inputs`.

    `tokens` are those that have answers, `n_read` is the number of tokens that the model read; a picture has neither.
    `masked` are the positions that were masked.
    """

    given: ModelOutput
    inputs: Mapping[str, Tensor]
    tokens: tuple[Token, ...] = ()
    n_read: int = 0
    row: int = 0
    masked: tuple[int, ...] = ()

    @property
    def of_row(self) -> ModelOutput:
        """What the body gave for this row alone, without the padding after its tokens."""
        return row_of(self.given, self.row, len(self.tokens) or None)

    @property
    def read_inputs(self) -> dict[str, Tensor]:
        """The inputs that the model read in this row, without those of a decoder."""
        kept = slice(self.row, self.row + 1), slice(self.n_read or None)
        return {name: values[kept] for name, values in self.inputs.items() if "decoder" not in name}

    @property
    def states(self) -> Tensor | None:
        """The last hidden states of what the model read, `[position, d_model]`; None if the body gives none."""
        states = read_states(self.given)
        return None if states is None else states[self.row, : self.n_read or None]


@dataclass(frozen=True)
class Answers:
    """How a model answers: its head, or the reason why it has none, and what names its answers."""

    head: Head | None = None
    reason: str = NO_HEAD
    names: Names | None = None
    show: ShowWords | None = None
    mask_id: int | None = None
    pooling: Pooling = MEAN

    def read(self, passed: Passed) -> Outputs:
        """Return the answers to one row of a pass. A head that does not run gives no answers, with the reason."""
        answers, states = self._read(passed), passed.states
        return answers if states is None else replace(answers, pooled=self.pooling.pool(states, passed.masked))

    def _read(self, passed: Passed) -> Outputs:
        if self.head is None:
            return Outputs(reason=self.reason)
        tokens, one = passed.tokens, passed.of_row
        if self.head.task not in WORDS:
            return self._label(one, passed.read_inputs, tokens)
        hidden = last_hidden(one)
        if hidden is None or hidden.shape[1] != len(tokens):
            return Outputs(reason="This trace has no answers: the model's head does not read one state for each token.")
        return Outputs(
            self.head.task,
            tokens,
            "",
            hidden=hidden[0].cpu().clone(),
            head=self.head,
            show=self.show,
            mask_id=self.mask_id,
            versions=versions_of(self.head),
        )

    def _label(self, given: ModelOutput, inputs: Mapping[str, Tensor], tokens: tuple[Token, ...]) -> Outputs:
        assert self.head is not None
        try:
            logits = run_head(lambda head: head.labels(given, inputs), self.head)
        except NoAnswer as refusal:
            return Outputs(reason=str(refusal))
        return Outputs(self.head.task, tokens, "", logits=logits, names=self.names)
