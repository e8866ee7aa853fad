"""Masks as runs of keys: found only where they are exact, and a layer that sees a window costs its band."""

from __future__ import annotations

import pytest
import torch
from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from models import load_model
from models.capture import call_output
from models.capture import interface as capture
from models.capture.forward import replayed_layers
from models.capture.masks import Spans
from models.capture.replay import Replay
from tests.helpers.small_models import ROBERTA_NAMES, byte_level_marked


@pytest.fixture(scope="module")
def windowed() -> ModernBertModel:
    torch.manual_seed(5)
    config = ModernBertConfig(
        vocab_size=97,
        hidden_size=36,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=41,
        max_position_embeddings=2048,
        local_attention=22,
        global_attn_every_n_layers=3,
        pad_token_id=0,
        initializer_range=0.3,
    )
    return ModernBertModel._from_config(config, attn_implementation=capture.IMPLEMENTATION).eval()


def test_a_window_costs_its_band_and_the_output_is_the_plain_one(windowed, monkeypatch):
    n_tokens = 1201
    inputs = {"input_ids": torch.randint(1, 97, (1, n_tokens), generator=torch.Generator().manual_seed(2))}
    widths: list[int] = []
    original = call_output.scaled_dot_product_attention

    def watched(query, key, value, **options):
        widths.append(key.shape[2])
        return original(query, key, value, **options)

    monkeypatch.setattr(call_output, "scaled_dot_product_attention", watched)
    in_full: list[int] = []
    monkeypatch.setattr(
        capture,
        "sdpa_attention_forward",
        lambda *given, **options: in_full.append(1) or sdpa_attention_forward(*given, **options),
    )
    with torch.inference_mode():
        with capture.recording():
            found = windowed(**inputs)[0]
        n_full = len(in_full)
        expected = windowed(**inputs)[0]
    # Layers 0 and 3 are global; the others see 11 positions to each side, in strips of 128 rows.
    assert n_full == 2
    assert len(widths) == 2 * 10
    assert max(widths) == 128 + 2 * 11
    # Measured: 4.8e-6 on values up to 4; sums of fewer addends round otherwise.
    assert (found - expected).abs().max() <= 3e-5


def test_an_accelerator_computes_a_window_in_full():
    """A band costs it more than all pairs: the CPU would tell it the keys of each band."""
    order = torch.arange(1201)
    spans = Spans((order - 11).clamp(min=0), (order + 12).clamp(max=1201))
    query, key = torch.randn(2, 3, 1201, 5, generator=torch.Generator().manual_seed(4))
    assert call_output.is_narrow(Replay(query, key, 0.5, mask=spans))
    assert not call_output.is_narrow(Replay(query.to("meta"), key.to("meta"), 0.5, mask=spans))


def test_a_windowed_layer_is_held_without_its_mask(windowed):
    n_tokens = 1201
    with torch.inference_mode():
        layers = replayed_layers(windowed, {"input_ids": torch.ones(1, n_tokens, dtype=torch.long)})["self"]
    assert [isinstance(layer.mask, Spans) for layer in layers] == [False, True, True, False]
    held = sum(value.numel() for layer in layers for value in vars(layer).values() if isinstance(value, torch.Tensor))
    assert held == 4 * 2 * 36 * n_tokens
    band, low = layers[1].band(slice(None), slice(600, 700))
    assert (band.shape, low) == ((3, 100, 100 + 2 * 11), 600 - 11)


def test_the_proof_reads_more_than_a_window_so_that_a_lost_window_shows(windowed, tmp_path, monkeypatch):
    config = ModernBertConfig(
        **{**windowed.config.to_dict(), "vocab_size": 307, "local_attention": 122, "pad_token_id": 1}
    )
    torch.manual_seed(6)
    ModernBertModel(config).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=byte_level_marked(), **ROBERTA_NAMES).save_pretrained(tmp_path)
    assert load_model(str(tmp_path)).card.capture == "replayed"
    monkeypatch.setattr(capture, "compact", lambda mask: None)
    assert load_model(str(tmp_path)).card.capture == "materialised"


def test_a_softcap_in_a_window_computes_the_band_alone(monkeypatch):
    monkeypatch.setattr(call_output, "OUTPUT_WEIGHTS", 2 * 1201 * 100)  # strips of 100 rows
    generator = torch.Generator().manual_seed(8)
    query, key, value = (torch.randn(1, 2, 1201, 5, generator=generator) for _ in range(3))
    mask = ((torch.arange(1201) - torch.arange(1201)[:, None]).abs() <= 9)[None, None]
    outputs = {}
    for softcap in (None, 1e6):
        with capture.recording() as calls:
            outputs[softcap], _ = capture.attention_forward(
                torch.nn.Identity(), query, key, value, mask, scaling=0.5, softcap=softcap
            )
        assert isinstance(calls[0].replays[0].mask, Spans)
    # A cap far above every score changes nothing. Measured: 1.2e-6.
    assert (outputs[None] - outputs[1e6]).abs().max() <= 1e-5
