"""Which class loads a checkpoint: the one that config.json names, if transformers knows it for the family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    BartConfig,
    BertConfig,
    CamembertConfig,
    ElectraConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    T5Config,
    ViTConfig,
    XLMConfig,
)

from models import load_model
from models.checkpoints.architectures import explain_unloaded_heads, find_class
from models.errors import NoAnswer
from tests.helpers.small_models import SENTENCE
from tests.helpers.with_heads import save_with_head

CHOSEN = [
    (BertConfig, ["BertModel"], "AutoModel"),
    (BertConfig, ["BertForMaskedLM"], "BertForMaskedLM"),
    (BertConfig, ["BertForSequenceClassification"], "BertForSequenceClassification"),
    (BertConfig, ["BertForTokenClassification"], "BertForTokenClassification"),
    (BertConfig, ["BertForQuestionAnswering"], "BertForQuestionAnswering"),
    (BertConfig, ["BertForPreTraining"], "BertForPreTraining"),
    (CamembertConfig, ["CamembertForMaskedLM"], "CamembertForMaskedLM"),
    (GPT2Config, ["GPT2LMHeadModel"], "GPT2LMHeadModel"),
    (LlamaConfig, ["LlamaForSequenceClassification"], "LlamaForSequenceClassification"),
    (XLMConfig, ["XLMWithLMHeadModel"], "XLMWithLMHeadModel"),
    (BartConfig, ["BartForConditionalGeneration"], "BartForConditionalGeneration"),
    (BartConfig, ["BartForSequenceClassification"], "BartForSequenceClassification"),
    (BartConfig, ["BartModel"], "AutoModelForSeq2SeqLM"),
    (T5Config, ["T5EncoderModel"], "T5EncoderModel"),
    (T5Config, ["T5ForTokenClassification"], "T5ForTokenClassification"),
    (ViTConfig, ["ViTForImageClassification"], "ViTForImageClassification"),
    # The first name that is known
    (BertConfig, ["BertForFortuneTelling", "BertForMaskedLM", "BertForPreTraining"], "BertForMaskedLM"),
    # Not loaded
    (BertConfig, ["BertLMHeadModel"], "AutoModel"),  # not a decoder: it reads both ways
    (BertConfig, ["RobertaForMaskedLM"], "AutoModel"),
    (BertConfig, ["BertForMultipleChoice"], "AutoModel"),
    (ElectraConfig, ["ElectraForPreTraining"], "AutoModel"),  # tells replaced words, is no language model
    (ViTConfig, ["ViTForMaskedImageModeling"], "AutoModel"),
    (BertConfig, None, "AutoModel"),
    (BertConfig, [], "AutoModel"),
]
HOSTILE: list[Any] = [
    ["__init__"],
    ["os.system"],
    ["sys"],
    ["torch"],
    ["PreTrainedModel"],
    ["BertPreTrainedModel"],
    ["../../evil.py"],
    ["<img src=x>" * 10_000],
    ["\u202e\n"],
    [""],
    [None, 7, {}, [], True],
    "BertForMaskedLM",
    {"BertForMaskedLM": 1},
]


def config_with(kind: type[PreTrainedConfig], names: Any) -> PreTrainedConfig:
    config = kind()
    vars(config)["architectures"] = names
    return config


@pytest.mark.parametrize(("kind", "names", "expected"), CHOSEN)
def test_the_class_that_is_chosen(kind, names, expected):
    assert find_class(config_with(kind, names)).__name__ == expected


@pytest.mark.parametrize("names", HOSTILE, ids=str)
def test_a_name_is_only_looked_up_among_the_classes_of_the_family(names):
    config = config_with(BertConfig, names)
    kind = find_class(config)
    assert kind.__name__ == "AutoModel"
    notices = explain_unloaded_heads(config, kind)
    assert all(len(notice) < 400 and "\n" not in notice and "\u202e" not in notice for notice in notices)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["BertModel"], ""),
        (["BertForMaskedLM"], ""),
        (["BertForFortuneTelling"], "has no class of that name for the type bert"),
        (["BertForMultipleChoice"], "Headlight shows no other answers"),
        (["BertLMHeadModel"], "is no decoder"),
    ],
)
def test_a_head_that_is_not_loaded_is_named(names, expected):
    config = config_with(BertConfig, names)
    notices = explain_unloaded_heads(config, find_class(config))
    if not expected:
        assert notices == ()
    else:
        (notice,) = notices
        assert f"names the head {names[0]!r}, which is not loaded" in notice
        assert expected in notice


def test_a_head_of_another_kind_is_named_on_the_card(tmp_path):
    save_with_head("bert", AutoModelForMultipleChoice, tmp_path)
    model = load_model(tmp_path)
    assert model.card.architecture == "BertModel"
    assert ["BertForMultipleChoice" in notice for notice in model.card.notices] == [True]
    assert not model.trace(SENTENCE).outputs


def test_both_heads_of_bert_are_loaded_and_its_words_are_read(tmp_path):
    save_with_head("bert", AutoModelForPreTraining, tmp_path)
    outputs = load_model(tmp_path).trace(SENTENCE).outputs
    assert outputs.task == "fill-mask"
    assert len(outputs.top_words(3)) == 5


def without(folder: Path, *parts: str) -> None:
    """Take weights out of a checkpoint."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    kept = {name: value for name, value in weights.items() if not any(part in name for part in parts)}
    assert len(kept) < len(weights)
    save_file(kept, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("auto", "part", "named"),
    [
        (
            AutoModelForSequenceClassification,
            "classifier",
            "the head of BertForSequenceClassification",
        ),
        (AutoModelForSequenceClassification, "pooler", "the head of BertForSequenceClassification"),
        (AutoModelForMaskedLM, "cls.predictions.transform", "the head of BertForMaskedLM"),
    ],
)
def test_a_random_head_gives_no_answers(auto, part, named, tmp_path):
    save_with_head("bert", auto, tmp_path)
    whole = load_model(tmp_path).trace(SENTENCE)
    without(tmp_path, part)
    model = load_model(tmp_path)
    assert [f"lacks weights of {named}" in notice and part in notice for notice in model.card.notices] == [True]
    trace = model.trace(SENTENCE)
    assert not trace.outputs
    with pytest.raises(NoAnswer, match="so they are random"):
        trace.outputs.labels()
    assert (trace["encoder"].layer(1) == whole["encoder"].layer(1)).all()


def test_an_output_layer_that_is_missing_gives_no_words(tmp_path):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path, tie_word_embeddings=False)
    without(tmp_path, "lm_head")
    model = load_model(tmp_path)
    assert ["no output layer" in notice for notice in model.card.notices] == [True]
    assert not model.trace(SENTENCE).outputs


def test_code_beside_the_weights_is_never_run(tmp_path):
    save_with_head("bert", AutoModelForMaskedLM, tmp_path)
    (tmp_path / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "auto_map": {"AutoModelForMaskedLM": "modeling.BertForMaskedLM"}}))
    assert load_model(tmp_path).trace(SENTENCE).outputs.task == "fill-mask"
    assert not (tmp_path / "ran").exists()
    shutil.rmtree(tmp_path)
