"""Tokenizers that are not the model's own: told on the card, and the model still opens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from models import errors, load_model
from tests.helpers import small_models
from tests.helpers.corrupt import refused
from tests.helpers.small_models import BERT_NAMES

FOREIGN_TOKENIZER = "it may belong to another model, and then the model reads another text than the picture shows."


def save_tokenizer(folder: Path, backend: Any, **special: str) -> None:
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)


def test_added_tokens_beyond_the_embeddings(folder):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=small_models.wordpiece(), **BERT_NAMES)
    n_padded = 157 - len(tokenizer)  # embeddings that no token has yet
    tokenizer.add_tokens([*(f"token{number}" for number in range(n_padded)), "zebra", "quagga"])
    tokenizer.save_pretrained(folder)
    model = load_model(str(folder))
    assert model.card.notices == (
        "The tokenizer knows tokens that the model has no embedding for ('zebra', id 157 and 1 more; there are 157 "
        "embeddings): a text with such a token is refused.",
    )
    assert model.trace("the cat").kinds == ("encoder",)
    with pytest.raises(errors.BrokenModel, match="The tokenizer gives 'zebra' the id 157, but spoilt has only 157"):
        model.trace("the zebra")


def test_a_far_smaller_vocabulary_and_other_special_tokens(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of("roberta"), tmp_path / "spoilt"))
    save_tokenizer(folder, small_models.unigram(), pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    n_tokens = small_models.unigram().get_vocab_size()
    assert load_model(str(folder)).card.notices == (
        f"The tokenizer has {n_tokens} tokens for the model's 307 embeddings: {FOREIGN_TOKENIZER}",
        f"The tokenizer gives special tokens other ids than config.json (eos 1, expected 2, pad 0, expected 1): "
        f"{FOREIGN_TOKENIZER}",
    )


def test_a_tokenizer_without_special_tokens(folder):
    (folder / "tokenizer.json").unlink()
    words = small_models.Tokenizer(small_models.pieces.WordLevel({"the": 7, "cat": 9, "dog": 11}, "the"))
    words.pre_tokenizer = small_models.pre_tokenizers.Whitespace()
    save_tokenizer(folder, words)
    trace = load_model(str(folder)).trace("the cat dog")
    assert [token.text for token in trace["encoder"].query_tokens] == ["the", "cat", "dog"]


def test_a_panic_of_the_tokenizers_library_is_a_refusal(folder, monkeypatch):
    panic = type("PanicException", (BaseException,), {})  # as PyO3 names it
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *given, **options: (_ for _ in ()).throw(panic("oh")))
    refused(errors.NoTokenizer, "spoilt has no tokenizer that loads (oh): save the one it was trained with", folder)


def test_somebody_who_interrupts_is_obeyed(folder, monkeypatch):
    stop = KeyboardInterrupt()
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *given, **options: (_ for _ in ()).throw(stop))
    with pytest.raises(KeyboardInterrupt):
        load_model(str(folder))


@pytest.mark.parametrize("longest", ["512", 512.0, -1, 0, True, {"max": 512}, [512]])
def test_a_longest_text_that_is_no_number_of_tokens_is_none(longest, folder):
    """What transformers reads from the file as it stands limits nothing; the positions of the model still do."""
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": longest}))
    model = load_model(str(folder))
    assert model.card.max_tokens == 89
    assert model.trace("the cat").kinds == ("encoder",)


def test_an_id_far_beyond_any_vocabulary_is_refused(folder):
    """The library would count up to it."""
    path = folder / "tokenizer.json"
    described = json.loads(path.read_text())
    described["model"]["vocab"]["zebra"] = 2**31
    path.write_text(json.dumps(described))
    refused(
        errors.NoTokenizer,
        "spoilt has no tokenizer that loads (it gives a token the id 2,147,483,648, expected 10,000,000 at most): ",
        folder,
    )
