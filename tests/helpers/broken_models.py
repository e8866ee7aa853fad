"""Models that are broken on purpose, each in another way, and what the checks of a trace must say of each.

Most are made of the trained network of brackets: small, trained, with learned positions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from models import AttentionTrace, Model, load_model
from models.checkpoints.architectures import build_untrained
from models.checkpoints.bundled import scratch_folder
from tests.helpers.corrupt import change, configure

TEXT = "([]{()})"
LAYER = "encoder.layers.1."
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Broken:
    """A way to break the folder of brackets, with the name, the level and a part of the sentence that must be said."""

    name: str
    spoil: Callable[[Path], object]
    says: tuple[str, str, str]
    text: str = TEXT
    dtype: str = "float32"

    def trace(self, folder: Path) -> tuple[Model, AttentionTrace]:
        """Break a copy of the folder, and return the model and the trace of its text."""
        shutil.copytree(scratch_folder("scratch:brackets"), folder)
        self.spoil(folder)
        model = load_model(str(folder), dtype=self.dtype)
        return model, model.trace(self.text)


def _of_weights(spoil: Callable[[Weights], object]) -> Callable[[Path], object]:
    return lambda folder: change(folder, spoil)


def _zero_queries(weights: Weights) -> None:
    for part in ("weight", "bias"):
        weights[f"{LAYER}attention.query_projection.{part}"].zero_()


def _forget_layer(weights: Weights) -> None:
    """Initialise a layer anew, as the network itself does."""
    for name, tensor in weights.items():
        if name.startswith(LAYER):
            if "norm.weight" in name:
                tensor.fill_(1)
            elif tensor.dim() == 1:
                tensor.zero_()
            else:
                torch.nn.init.xavier_uniform_(tensor, generator=torch.Generator().manual_seed(3))


def _forget_all(folder: Path) -> None:
    torch.manual_seed(3)
    build_untrained(load_model(str(folder)).module.config).save_pretrained(folder)


def _delete_layer(weights: Weights) -> None:
    for name in [name for name in weights if name.startswith(LAYER)]:
        del weights[name]


def _scale(*factors: tuple[str, float]) -> Callable[[Weights], object]:
    def spoil(weights: Weights) -> None:
        for part, factor in factors:
            weights[f"{LAYER}attention.{part}.weight"] *= factor

    return spoil


def _repeat_positions(weights: Weights) -> None:
    table = weights["positions.position_embeddings.weight"]
    table[:] = table[3].clone()


def change_tokenizer(folder: Path, spoil: Callable[[dict], object]) -> None:
    """Change the document of tokenizer.json with a function."""
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    spoil(document)
    path.write_text(json.dumps(document))


def _cut_vocabulary(document: dict) -> None:
    vocabulary = document["model"]["vocab"]
    kept = sorted(vocabulary, key=vocabulary.__getitem__)[:4]  # the special tokens
    document["model"]["vocab"] = {piece: vocabulary[piece] for piece in kept}


def _rename_pieces(document: dict) -> None:
    vocabulary = document["model"]["vocab"]
    names = {piece: chr(0x410 + number) for piece, number in vocabulary.items() if len(piece) == 1}
    document["model"]["vocab"] = {names.get(piece, piece): number for piece, number in vocabulary.items()}


def _reverse_ids(document: dict) -> None:
    vocabulary = document["model"]["vocab"]
    highest = max(vocabulary.values())
    document["model"]["vocab"] = {piece: highest - number for piece, number in vocabulary.items()}
    for added in document["added_tokens"]:
        added["id"] = highest - added["id"]


BROKEN = (
    Broken("zeroed queries", _of_weights(_zero_queries), ("uniform heads", "warning", "attend to every token equally")),
    Broken(
        "constant", _of_weights(_zero_queries), ("constant weights", "warning", "layers.1.attention.query_projection")
    ),
    Broken(
        "NaN",
        _of_weights(lambda weights: weights[f"{LAYER}attention.key_projection.weight"][3].fill_(torch.nan)),
        ("damaged weights", "fault", f"{LAYER}attention.key_projection.weight"),
    ),
    Broken(
        "infinite",
        _of_weights(lambda weights: weights[f"{LAYER}feedforward.expand.weight"][3].fill_(torch.inf)),
        ("rows", "fault", "layer 2 head 0"),
    ),
    Broken(
        "half precision overflows",
        _of_weights(_scale(("query_projection", 6e4))),
        ("damaged weights", "fault", "not a number"),
        dtype="float16",
    ),
    Broken("forgotten layer", _of_weights(_forget_layer), ("training", "fault", "1 of 3 layers have norms and biases")),
    Broken("untrained", _forget_all, ("training", "fault", "All 3 layers have norms and biases as they are before")),
    Broken("missing layer", _of_weights(_delete_layer), ("missing weights", "fault", "16 weights are not in the")),
    Broken(
        "shorter config",
        lambda folder: configure(folder, num_hidden_layers=2),
        ("missing layers", "fault", "encoder.layers.2"),
    ),
    Broken(
        "far too large scores",
        _of_weights(_scale(("query_projection", 300), ("key_projection", 300))),
        ("collapsed heads", "warning", "In 4 heads every token attends to exactly one key"),
    ),
    Broken(
        "no positions",
        _of_weights(lambda weights: weights["positions.position_embeddings.weight"].zero_()),
        ("positions", "fault", "position_embeddings.weight has the same row at 100%"),
    ),
    Broken("one position", _of_weights(_repeat_positions), ("positions", "fault", "cannot see the order")),
    Broken(
        "cut vocabulary",
        lambda folder: change_tokenizer(folder, _cut_vocabulary),
        ("unknown tokens", "warning", "does not cover this text"),
    ),
    Broken(
        "other vocabulary",
        lambda folder: change_tokenizer(folder, _rename_pieces),
        ("unknown tokens", "warning", "8 of 8 tokens are [UNK]"),
    ),
    Broken(
        "other ids",
        lambda folder: change_tokenizer(folder, _reverse_ids),
        ("tokenizer", "warning", "gives special tokens other ids than config.json"),
    ),
    Broken(
        "padding in the text",
        lambda folder: None,
        ("padding", "warning", "2 of 10 tokens are padding"),
        text="([][PAD][PAD]{})",
    ),
)


def with_capitals(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return a tokenizer that lower-cases texts, with a vocabulary of which a third has capitals."""
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {
        piece.capitalize() if number % 3 == 0 and len(piece) > 5 and piece.isalpha() else piece: number
        for piece, number in vocabulary.items()
    }
    return _with(tokenizer, document)


def without_lower_case(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return a tokenizer that keeps capitals, which its vocabulary does not have."""
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    document["normalizer"]["lowercase"] = False
    return _with(tokenizer, document)


def _with(tokenizer: PreTrainedTokenizerFast, document: dict) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer

    names = {
        name: getattr(tokenizer, name) for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    }
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(document)), **names)
