"""A task for which the right attention is known: random texts, their answers, and the positions of those answers."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from models.errors import NoText
from models.scratch.networks import (
    ScratchEncoder,
    ScratchEncoderConfig,
)
from models.scratch.tasks.settings import Settings

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"
SPECIAL = (PAD, UNKNOWN, START, END)
# The label of a position without an answer, which torch's cross-entropy ignores.
NOT_ASKED = -100
# One text in ten is never trained on, with any seed.
HELD_OUT = 10
Batch = dict[str, Tensor]
# White space as the tokenizer defines it (Unicode's White_Space). Python's own split adds four control characters.
_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


@dataclass(frozen=True)
class Solution:
    """The right answers to a text and their positions, as the model reads them, special tokens included.

    `answers[query]` is the answer at each position (in an encoder-decoder: the token that the decoder writes after it),
    "" where there is none. `truth[query]` are the keys with the answer, each of which is right, empty where none is
    known.
    """

    answers: tuple[str, ...]
    truth: tuple[frozenset[int], ...]

    def mask(self, n_key: int) -> Bool[np.ndarray, "query key"]:
        """Return the truth as `[query, key]`, True where a head that solves the task attends."""
        mask = np.zeros((len(self.truth), n_key), dtype=bool)
        for query, keys in enumerate(self.truth):
            mask[query, list(keys)] = True
        return mask


@dataclass(frozen=True)
class Task:
    """A task over texts. Each task has its own file, which defines how texts are made (`text`) and solved (`solve`)."""

    name: str
    title: str
    rule: str
    """One sentence: what the model has to do."""
    looks: str
    """One sentence: where a head that solves it attends."""
    kind: str
    """The attention that the truth is about: "encoder", "decoder" or "cross"."""
    alphabet: tuple[str, ...]
    """The pieces that a text is made of."""
    labels: tuple[str, ...]
    """The answers that there are."""
    examples: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    longest: int = 32
    """The most positions, special tokens included."""
    by_word: bool = False
    keeps_spaces: bool = False

    def text(self, random: Random) -> str:
        """Return a random text."""
        raise NotImplementedError

    def solve(self, text: str) -> Solution | None:
        """Return the answer to a text, None if the text is not valid."""
        raise NotImplementedError

    # --- what the model reads ----------------------------------------------------------------------------------------

    @property
    def vocabulary(self) -> dict[str, int]:
        """Return the ids of all pieces, special tokens first."""
        return {piece: number for number, piece in enumerate((*SPECIAL, *self.alphabet))}

    @property
    def has_truth(self) -> bool:
        """Whether it is known where a head has to attend."""
        return bool(self.alphabet)

    def pieces(self, text: str) -> list[str]:
        """Return a text as the tokenizer splits it: into words, or into characters without the spaces."""
        text = unicodedata.normalize("NFC", text).lower()
        if self.by_word:
            return [word for word in _SPACE.split(text) if word]
        return list(text if self.keeps_spaces else _SPACE.sub("", text))

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text of these pieces."""
        return ("" if self.keeps_spaces else " ").join(pieces)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Return the tokenizer that is saved with the weights."""
        vocabulary = self.vocabulary
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        by_character = pre_tokenizers.Split(Regex("."), "isolated")
        without_spaces = pre_tokenizers.WhitespaceSplit()
        if self.by_word:
            tokenizer.pre_tokenizer = without_spaces
        else:
            steps = [by_character] if self.keeps_spaces else [without_spaces, by_character]
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        template = {"cross": f"$A {END}", "decoder": f"{START} $A"}.get(self.kind, f"{START} $A {END}")
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(piece, vocabulary[piece]) for piece in (START, END)]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token=PAD,
            unk_token=UNKNOWN,
            bos_token=START,
            eos_token=END,
            model_max_length=self.longest,
            model_input_names=["input_ids", "attention_mask"],
        )

    def samples(self, random: Random, n_samples: int, *, held_out: bool = False) -> list[tuple[str, Solution]]:
        """Return random texts with their answers, either from the training texts or from the held-out ones."""
        found: list[tuple[str, Solution]] = []
        while len(found) < n_samples:
            text = self.text(random)
            # Decided by its letters only, so that a text is held out in every training and on every machine.
            if (zlib.crc32(text.encode()) % HELD_OUT == 0) == held_out:
                solution = self.solve(text)
                assert solution is not None, text
                found.append((text, solution))
        return found

    def draw(self, random: Random, n_samples: int, *, held_out: bool = False) -> Batch:
        """Return a batch of random samples."""
        return self.batch(self.samples(random, n_samples, held_out=held_out))

    def watched_batch(self, text: str) -> Batch:
        """Return one text alone, to watch while a network learns.

        Raises:
            NoText: the task cannot answer it.
        """
        solution = self.solve(text)
        if solution is None:
            raise NoText(f"This is not a text of the task {self.title!r}: try {self.examples[0]!r}.")
        return self.batch([(text, solution)])

    def watched_queries(self, text: str) -> list[int]:
        """Return the queries of a text that are shown while a network learns: all, unless the task chooses some."""
        solution = self.solve(text)
        assert solution is not None, text
        return list(range(len(solution.truth)))

    # --- what is trained ---------------------------------------------------------------------------------------------

    def network(self, settings: Settings) -> PreTrainedModel:
        """Return a new network for this task, with random weights (torch's generator)."""
        return ScratchEncoder(ScratchEncoderConfig(**self.sizes(settings), is_causal=self.kind == "decoder"))

    def sizes(self, settings: Settings) -> dict[str, Any]:
        """Return the fields of the network's configuration."""
        return {
            "task": self.name,
            "vocab_size": len(self.vocabulary),
            "n_outputs": len(self.labels),
            "max_position_embeddings": self.longest,
            "hidden_size": settings.d_model,
            "num_hidden_layers": settings.n_layers,
            "num_attention_heads": settings.n_heads,
            "intermediate_size": settings.d_feedforward,
            "dropout": settings.dropout,
            "positions": settings.positions,
            "norm_first": settings.norm_first,
            "pad_token_id": 0,
            "bos_token_id": SPECIAL.index(START),
            "eos_token_id": SPECIAL.index(END),
            "attn_implementation": "eager",
        }

    def batch(self, samples: Sequence[tuple[str, Solution]]) -> Batch:
        """Return texts and answers as tensors `[row, position]`, padded to the longest."""
        vocabulary, number_of = self.vocabulary, {label: number for number, label in enumerate(self.labels)}
        unknown = vocabulary[UNKNOWN]
        end = [] if self.kind == "decoder" else [vocabulary[END]]
        ids = [
            [vocabulary[START], *(vocabulary.get(piece, unknown) for piece in self.pieces(text)), *end]
            for text, _ in samples
        ]
        labels = [
            [number_of[answer] if answer else NOT_ASKED for answer in solution.answers] for _, solution in samples
        ]
        return {
            "input_ids": pad_rows(ids, vocabulary[PAD]),
            "attention_mask": pad_rows([[1] * len(row) for row in ids], 0),
            "labels": pad_rows(labels, NOT_ASKED),
        }

    def attention(self, network: PreTrainedModel, batch: Batch) -> Float[Tensor, "layer row head query key"]:
        """Return the weights that the truth is about, of all layers, as the network itself computes them."""
        inputs = {name: values for name, values in batch.items() if name != "labels"}
        output = network(**inputs, output_attentions=True)
        return torch.stack(output["cross_attentions" if self.kind == "cross" else "attentions"])

    def loss(self, network: PreTrainedModel, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the answers in nats."""
        return functional.cross_entropy(
            self.outputs(network, batch).flatten(0, 1), batch["labels"].flatten(), ignore_index=NOT_ASKED
        )

    def outputs(self, network: PreTrainedModel, batch: Batch) -> Tensor:
        """Return the network's logits for a batch."""
        inputs = {name: values for name, values in batch.items() if name != "labels"}
        return network(**inputs).logits

    def judge(self, network: PreTrainedModel, batch: Batch) -> Bool[Tensor, " row"]:
        """Return which samples are right: those in which every answer is right."""
        found, labels = self.outputs(network, batch).argmax(-1), batch["labels"]
        return ((found == labels) | (labels == NOT_ASKED)).all(-1)

    def save_reader(self, folder: Path) -> None:
        """Write the tokenizer into the network's folder."""
        self.tokenizer().save_pretrained(folder)

    def accepts(self, given: str, answer: str) -> bool:
        """Return whether a network's answer at one position is right."""
        return given == answer

    def answer(self, network: PreTrainedModel, text: str) -> tuple[str, ...] | None:
        """Return a network's answer at each position that has one, "" elsewhere; None if the text is not valid."""
        solution = self.solve(text)
        if solution is None:
            return None
        with torch.inference_mode():
            found = self.outputs(network, self.batch([(text, solution)]))[0].argmax(-1).tolist()
        return tuple(
            self.labels[number] if asked else "" for number, asked in zip(found, solution.answers, strict=True)
        )


def pad_rows(rows: Sequence[Sequence[int]], filling: int) -> Int[Tensor, "row position"]:
    """Return rows of unequal length as one tensor."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows])


def frame_solution(answers: Sequence[str], truth: Sequence[frozenset[int]], *, end: bool = True) -> Solution:
    """Return the solution of a text with its special tokens; `truth` counts positions from the first piece.

    A text that is read from left to right has no `end`.
    """
    moved = [frozenset(key + 1 for key in keys) for keys in truth]
    nothing: frozenset[int] = frozenset()
    last = ((nothing,), ("",)) if end else ((), ())
    return Solution(("", *answers, *last[1]), (nothing, *moved, *last[0]))
