"""What the decoder of every encoder-decoder reads for a target: the model's own shift of its labels."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from models import load_model
from models.capture.generation import shift_labels
from models.errors import BrokenModel
from tests.helpers.rounding import OF_PASSES
from tests.zoo import table
from tests.zoo.build import build, config_of
from tests.zoo.compare import given_layers, no_cache

pytestmark = pytest.mark.slow

# The rows of docs/families.md that read a text and have cross-attention.
TRACED = [name for name, cells in table.read("Traced").items() if cells[2] == "text" and "cross" in cells[4]]
SAMPLE = {"bart", "plbart", "m2m_100", "t5"}
# These read what the user gives as images beside the text, or a decoder that is not a language model.
NOT_OF_TEXT = {"udop", "moonshine"}
FAMILIES = [name for name in TRACED if name not in NOT_OF_TEXT]
# With labels alone, the forward of FSMT gives its decoder the text and not the labels (transformers 5.23).
FORWARD_IGNORES_LABELS = {"fsmt"}
# Their published configs name one, the defaults do not.
WITHOUT_A_START = {"t5", "longt5", "switch_transformers"}
WORDS = ["<s>", "<pad>", "</s>", "<unk>", *["the", "cat", "sat", "on", "a", "mat", "and", "it", "was", "tired"]]
TEXT, TARGET = "the cat sat on a mat", "it was tired and sat"


def word_tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


def families() -> list:
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in FAMILIES]


def own_shift(module: torch.nn.Module, labels: torch.Tensor) -> torch.Tensor:
    """Return what the model's class, or the function that its forward calls, makes of labels."""
    if hasattr(module, "prepare_decoder_input_ids_from_labels"):
        return module.prepare_decoder_input_ids_from_labels(labels=labels)
    config = module.config
    shift = sys.modules[type(module).__module__].shift_tokens_right
    return shift(labels, config.pad_token_id, config.decoder_start_token_id)


def test_all_families_of_text_are_tried():
    assert len(FAMILIES) >= 20
    assert set(FAMILIES) >= SAMPLE


@pytest.mark.parametrize("family", families())
def test_the_decoder_reads_the_model_s_own_shift_of_the_target(family, tmp_path):
    plain = build(config_of(family), "eager", family)
    if family in WITHOUT_A_START:
        plain.config.decoder_start_token_id = 1
    plain.save_pretrained(tmp_path)
    # Read again: Marian's sinusoids are computed and not saved.
    plain = type(plain).from_pretrained(tmp_path, attn_implementation="eager").eval()
    tokenizer = word_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    labels = tokenizer(text_target=TARGET, return_tensors="pt")["input_ids"]
    expected = own_shift(plain, labels)
    trace = model.trace(TEXT, target=TARGET)
    read = trace["decoder"].query_tokens
    assert [token.id for token in read] == expected[0].tolist()
    assert trace["cross"].query_tokens == read
    # The words of the target keep their characters, and the start token is none of them.
    assert [(token.text, TARGET[token.start : token.end]) for token in read if token.start is not None] == [
        (word, word) for word in TARGET.split()
    ]
    assert (read[0].special, read[0].start, read[0].word) == (True, None, None)
    assert model.estimate(TEXT, target=TARGET).n_tokens >= len(read) + len(trace["cross"].key_tokens)
    inputs = tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False)
    asked = {"decoder_input_ids": expected} if family in FORWARD_IGNORES_LABELS else {"labels": labels}
    with torch.no_grad():
        output = plain(**inputs, **asked, **no_cache(plain), output_attentions=True)
    for kind, layers in given_layers(output).items():
        if kind not in trace.kinds:
            continue
        assert len(layers) == trace[kind].n_layers
        for number, layer in enumerate(layers):
            np.testing.assert_allclose(trace[kind].layer(number), layer[0].numpy(), atol=OF_PASSES)


def small(family: str, **changed) -> torch.nn.Module:
    config = config_of(family)
    for name, value in changed.items():
        setattr(config, name, value)
    return build(config, "eager", family)


def test_a_start_token_that_only_generation_knows_is_used():
    module = small("bart", decoder_start_token_id=None)
    module.generation_config.decoder_start_token_id = 7
    assert shift_labels(module, [4, 5, 2], "bart") == [7, 4, 5]
    module.generation_config.decoder_start_token_id = None
    module.generation_config.bos_token_id = 9
    assert shift_labels(module, [4, 5, 2], "bart") == [9, 4, 5]


def test_a_model_without_a_start_token_is_refused_with_what_to_add():
    module = small("bart", decoder_start_token_id=None, bos_token_id=None)
    module.generation_config.decoder_start_token_id = module.generation_config.bos_token_id = None
    with pytest.raises(BrokenModel, match="which token its decoder starts with: add decoder_start_token_id"):
        shift_labels(module, [4, 5, 2], "bart")
    module.config.pad_token_id = None
    with pytest.raises(BrokenModel, match="which token pads a target: add pad_token_id"):
        shift_labels(module, [4, 5, 2], "bart")


def test_a_family_that_moves_the_last_token_to_the_front_needs_no_start_token():
    module = small("plbart")
    assert getattr(module.config, "decoder_start_token_id", None) is None
    assert shift_labels(module, [4, 5, 2, 8], "plbart") == [8, 4, 5, 2]
