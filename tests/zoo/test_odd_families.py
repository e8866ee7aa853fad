"""What some families give under the name of attention is none, or not all of it: what the engine does about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    DPRContextEncoder,
    MT5EncoderModel,
    PreTrainedTokenizerFast,
    T5EncoderModel,
    UMT5EncoderModel,
)
from transformers.models.bart.modeling_bart import BartEncoder
from transformers.models.m2m_100.modeling_m2m_100 import M2M100Encoder

import models
from models.capture.forward import materialised_layers, replayed_layers
from models.capture.interface import NotReplayed
from models.checkpoints.verify import check_weights
from models.errors import BrokenModel, NoAttention
from tests.helpers.corrupt import configure
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import BERT_NAMES, SENTENCE, wordpiece
from tests.zoo.build import config_of, sharpen
from tests.zoo.compare import pair_of
from tests.zoo.needs import GAINS

pytestmark = pytest.mark.slow


def load(family, folder, **changed):
    """The family as a visitor opens it: saved with a tokenizer, loaded, proven."""
    config = config_of(family)
    for name, value in {"vocab_size": 157, **changed}.items():
        setattr(config, name, value)
    torch.manual_seed(7)
    module = AutoModel.from_config(config)
    with torch.no_grad():
        sharpen(module, 1.0, 7)
    module.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **BERT_NAMES).save_pretrained(folder)
    return models.load_model(str(folder))


# Its replay would be right in the short proof, where the index chooses every key, and wrong in longer texts.
@pytest.mark.parametrize("family", ["deepseek_v32", "minimax_m3_vl_text"])
def test_keys_chosen_by_an_index_are_never_replayed(family, tmp_path):
    pair = pair_of(family)
    with torch.no_grad(), pytest.raises(NotReplayed, match="chooses its keys by an index"):
        replayed_layers(pair.ours, pair.inputs)


def test_a_model_that_chooses_its_keys_falls_back_though_the_proof_is_short(tmp_path):
    model = load("deepseek_v32", tmp_path, index_topk=16)
    assert model.card.capture == "materialised"
    attention = model.trace(SENTENCE)["decoder"]
    assert attention.n_query > 16
    n_chosen = (attention.layer(0)[0] > 0).sum(-1)
    assert n_chosen.max() == 16


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("family", ["xlnet", "deberta"])
def test_a_family_that_makes_some_weights_in_float32_runs_in_any_dtype(family, dtype, tmp_path):
    load(family, tmp_path)
    model = models.load_model(str(tmp_path), dtype=dtype)
    assert model.card.dtype == dtype
    assert {parameter.dtype for parameter in model.module.parameters()} == {getattr(torch, dtype)}
    assert model.trace(SENTENCE)["encoder"].n_layers == model.card.n_layers


def test_a_family_that_does_not_run_in_a_dtype_says_which_to_load(tmp_path):
    load("gpt_oss", tmp_path / "spoilt")
    with pytest.raises(BrokenModel, match=r"^spoilt does not run on a short text in float64 ") as caught:
        models.load_model(str(tmp_path / "spoilt"), dtype="float64")
    assert str(caught.value).endswith("): load it with dtype='float32'.")


def test_scores_in_the_place_of_weights_are_no_attention(tmp_path):
    with pytest.raises(NoAttention, match="SqueezeBertModel gives no attention weights over its whole input"):
        load("squeezebert", tmp_path)


def test_what_a_recurrence_holds_is_no_layer_of_attention():
    pair = pair_of("minimax")
    with torch.no_grad():
        given = pair.plain(**pair.inputs, output_attentions=True).attentions
        layers = materialised_layers(pair.plain, pair.inputs)["self"]
    assert len(given) == 2
    assert len(layers) == 1
    # Measured: 2.4e-7, float32 additions.
    assert (layers[0].rows(slice(None), slice(None)).sum(-1) - 1).abs().max() <= 1e-5


def test_windows_that_pose_as_a_batch_are_no_layer_of_attention():
    pair = pair_of("sam3_vit_model")  # windows in the first layer, all patches in the second
    with torch.no_grad():
        given = pair.plain(**pair.inputs, output_attentions=True).attentions
        layers = materialised_layers(pair.plain, pair.inputs)["self"]
    assert [len(weights) for weights in given] == [4, 1]
    assert [layer.shape for layer in layers] == [(3, 16, 16)]


def test_block_sparse_attention_is_computed_in_full_and_the_model_does_not_change(tmp_path):
    model = load("big_bird", tmp_path, attention_type="block_sparse", block_size=2, num_random_blocks=1)
    assert model.card.notices[0].startswith("This model's block-sparse attention is computed in full. ")
    attention = model.trace(SENTENCE)["encoder"]
    module = AutoModel.from_pretrained(tmp_path, attention_type="original_full", attn_implementation="eager").eval()
    ids = torch.tensor([[token.id for token in attention.query_tokens]])
    with torch.no_grad():
        eager = module(input_ids=ids, output_attentions=True).attentions
    for layer, expected in enumerate(eager):
        assert torch.equal(torch.tensor(attention.layer(layer)), expected[0])
    assert model.module.config.attention_type == "original_full"


def test_an_average_over_heads_is_no_head():
    pair = pair_of("wavlm")
    with torch.no_grad():
        layers = materialised_layers(pair.plain, pair.inputs)
    with pytest.raises(NoAttention, match="WavLMModel gives one average for all its heads"):
        check_weights(pair.plain, layers)


ENCODERS = [
    ("t5", T5EncoderModel),
    ("mt5", MT5EncoderModel),
    ("umt5", UMT5EncoderModel),
    ("bart", BartEncoder),
    ("m2m_100", M2M100Encoder),
    ("dpr", DPRContextEncoder),
]


@pytest.mark.parametrize("says_whole", [False, True], ids=["said alone", "said whole"])
@pytest.mark.parametrize(("family", "kind"), ENCODERS, ids=lambda one: getattr(one, "__name__", one))
def test_an_encoder_saved_without_its_decoder_is_that_encoder(family, kind, says_whole, tmp_path):
    config = config_of(family)
    config.vocab_size = 157
    torch.manual_seed(7)
    module = kind(config)
    with torch.no_grad():
        sharpen(module, GAINS.get(family, 1.0), 7)
    module.save_pretrained(tmp_path)
    configure(tmp_path, is_encoder_decoder=says_whole and family != "dpr")  # as older versions saved sentence-T5
    names = {**BERT_NAMES, "pad_token": None, "sep_token": None, "cls_token": None}  # their ids are not the family's
    PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **names).save_pretrained(tmp_path)

    model = models.load_model(str(tmp_path))
    assert (model.card.architecture, model.card.kinds, model.card.notices) == (kind.__name__, ("encoder",), ())
    attention = model.trace(SENTENCE)["encoder"]
    eager = kind.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        ids = torch.tensor([[token.id for token in attention.query_tokens]])
        given = eager(input_ids=ids, output_attentions=True).attentions
    assert attention.n_layers == len(given)
    worst = max(float((torch.tensor(attention.layer(n)) - one[0]).abs().max()) for n, one in enumerate(given))
    print(f"{kind.__name__}: worst difference {worst:.1e}")
    assert worst <= OF_PASSES


@pytest.mark.parametrize("named", ["PreTrainedEncoder", "T5Stack", "T5LayerSelfAttention", "sys", "", "../Encoder"])
def test_another_name_of_an_architecture_changes_nothing(named, folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of("t5"), tmp_path / "t5"))
    configure(folder, architectures=[named])
    assert models.load_model(str(folder)).card.architecture == "T5ForConditionalGeneration"
