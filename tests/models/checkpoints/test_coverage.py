"""A side or a layer that pictures lack is named on the card, in every family of docs/families.md."""

from __future__ import annotations

import pytest
import transformers as tf
from tokenizers import Tokenizer, models, pre_tokenizers

from models import load_model
from models.checkpoints.coverage import count_layers, coverage_notices
from tests.zoo import table
from tests.zoo.build import build, config_of

pytestmark = pytest.mark.slow

# Families whose captured layers are fewer than the configuration's, or more (Canine), and those that lack a side.
DIFFERENT = {
    "bailing_hybrid",
    "bamba",
    "canine",
    "donut-swin",
    "granitemoehybrid",
    "jamba",
    "lfm2_moe",
    "lfm3",
    "lfm3_vl",
    "longt5",
    "minicpm_ocr",
    "minicpmv4_6",
    "minicpmv4_7",
    "minimax",
    "nemotron_h",
    "olmo_hybrid",
    "pegasus_x",
    "prophetnet",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
    "qwen3_5_text",
    "qwen3_next",
    "recurrent_gemma",
    "sam3_vision_model",
    "sam3_vit_model",
    "swin",
    "swinv2",
}
# Its configuration counts three kinds of layers.
UNCOUNTED = {"videoprism_vision_model"}
SIDES = ("encoder", "decoder", "cross")


def counts_of(cells: tuple[str, ...]) -> dict[str, int]:
    """Return the number of layers of each kind in a row of the page: "encoder 2 x 6, decoder 1 of 2 x 6"."""
    return {kind.split()[0]: int(kind.split()[1]) for kind in cells[4].split(", ")}


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(table.read("Traced")))
def test_captured_layers_are_those_of_the_configuration_or_a_notice_says_so(family):
    config, found = config_of(family), counts_of(table.read("Traced")[family])
    roles = {kind: kind if config.is_encoder_decoder else "self" for kind in found}
    notices = list(coverage_notices(config, {roles[kind]: n for kind, n in found.items()}, {}))
    lacks = config.is_encoder_decoder and set(found) != set(SIDES)
    differs = lacks or any(
        n != count_layers(config, roles[kind]) for kind, n in found.items() if family not in UNCOUNTED
    )
    assert differs == bool(notices) == (family in DIFFERENT)


def words() -> tf.PreTrainedTokenizerFast:
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[SEP]", "bos_token": "[CLS]"}
    return tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


HYBRIDS = {
    "qwen3_next": "1 of the model's 4 layers give an attention weight for each pair of tokens and are shown, counted "
    "from 0: in pictures, layer 0 is its layer 3.",
    "jamba": "2 of the model's 4 layers give an attention weight for each pair of tokens and are shown, counted from "
    "0: in pictures, layer 0 is its layer 1, layer 1 is its layer 3.",
}


@pytest.mark.parametrize("family", HYBRIDS)
def test_the_numbers_of_a_hybrid_models_layers(family):
    card = load_model(build(config_of(family), "sdpa", family), words()).card
    assert HYBRIDS[family] in card.notices


def test_prophetnet_says_what_is_missing():
    config = tf.ProphetNetConfig(
        vocab_size=6,
        hidden_size=24,
        encoder_ffn_dim=16,
        num_encoder_layers=2,
        num_encoder_attention_heads=3,
        decoder_ffn_dim=16,
        num_decoder_layers=2,
        num_decoder_attention_heads=3,
        max_position_embeddings=64,
        ngram=2,
        decoder_start_token_id=2,
        pad_token_id=0,
        eos_token_id=3,
        bos_token_id=2,
    )
    model = load_model(tf.ProphetNetForConditionalGeneration(config).eval(), words())
    assert model.card.kinds == ("decoder",)
    assert model.card.notices[0] == (
        "This prophetnet model gives no attention weights for each pair of tokens of its encoder and its "
        "attention of the decoder to the encoder, so pictures lack it."
    )
