"""Whatever is changed on `model.tokenizer` counts from the next reading on, for short and for long texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from models import Model, load_model
from models.errors import NoTokenizer
from tests.helpers import small_models as small

pytestmark = pytest.mark.slow

# A long one is kept between an estimate and its trace.
TEXTS = {"short": "The lazy catfish sat", "long": "The lazy catfish sat " * 400}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(small.build("bert", tmp_path))


def add_a_token(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["catfish"])


def add_a_special_token(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": ["catf"]})


def keep_capitals(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)


def split_letters(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Split("a", "isolated")


def end_without_a_separator(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 2)]
    )


def cut_the_beginning(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.truncation_side, tokenizer.model_max_length = "left", 5


def cut_sooner(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.model_max_length = 4


def pad_left(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.padding_side, tokenizer.truncation_side = "left", "left"


CHANGES = [add_a_token, add_a_special_token, keep_capitals, split_letters, end_without_a_separator]
CUTS = [cut_the_beginning, cut_sooner, pad_left]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("change", CHANGES + CUTS)
def test_a_change_counts_at_once(model: Model, change: Callable[[PreTrainedTokenizerBase], None], text: str) -> None:
    before = [token.id for token in model.trace(text)["encoder"].key_tokens]
    change(model.tokenizer)
    maximum = min(89, model.tokenizer.model_max_length)
    expected = model.tokenizer(text, truncation=True, max_length=maximum)["input_ids"]
    reader = model._inputs.reader
    assert [token.id for token in reader.tokenize(text).tokens] == expected
    if text == TEXTS["long"] or change not in (pad_left,):
        assert expected != before
    pieces = model.tokenizer.convert_ids_to_tokens(expected)
    assert [token.text for token in reader.tokenize(text).tokens] == pieces


def test_another_tokenizer_counts_at_once(model: Model) -> None:
    text = TEXTS["short"]
    before = model.trace(text)["encoder"].key_tokens
    model.tokenizer = PreTrainedTokenizerFast(tokenizer_object=small.wordpiece(), **small.BERT_NAMES)
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", special_tokens=[("[SEP]", 3)]
    )
    found = model.trace(text)["encoder"].key_tokens
    assert [token.text for token in found] == [token.text for token in before][1:]
    assert model.estimate(text).n_tokens == len(found)


def test_what_is_no_tokenizer_is_refused_and_the_one_before_stays(model: Model) -> None:
    before = model.tokenizer
    for wrong in (small.wordpiece(), "bert", None):
        with pytest.raises(NoTokenizer, match="of transformers, not of the type"):
            model._inputs.use_tokenizer(wrong)
    assert model.tokenizer is before


def test_loading_and_reading_change_no_tokenizer(tmp_path: Path) -> None:
    folder = small.build("bert", tmp_path)
    tokenizer = load_model(folder).tokenizer
    plain = PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer is not None
    for name in ("truncation_side", "padding_side", "model_max_length"):
        assert getattr(tokenizer, name) == getattr(plain, name)
    truncation = tokenizer.backend_tokenizer.truncation
    load_model(folder).trace(TEXTS["long"])
    assert tokenizer.backend_tokenizer.truncation == truncation
