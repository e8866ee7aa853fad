"""What some families give under the name of attention is none, or not all of it: what the engine does about it."""

from __future__ import annotations

import pytest
import torch
from small_models import BERT_NAMES, SENTENCE, wordpiece
from transformers import AutoModel, PreTrainedTokenizerFast

import models
from models.capture import NotReplayed
from models.errors import NoAttention
from models.forward import materialised_layers, replayed_layers
from models.proof import check_weights
from tests.models.zoo.build import config_of, sharpen
from tests.models.zoo.compare import pair_of


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
    assert model.card.notices[0].startswith("This model's block-sparse attention is computed in full: ")
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
