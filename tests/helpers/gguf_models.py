"""Small GGUF files, written as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from tests.helpers.small_models import byte_level, sharpen

HEADS, KV_HEADS, WIDTH, INNER, LAYERS = 4, 2, 64, 96, 2
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def llama() -> torch.nn.Module:
    """Make the model that the files contain."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=byte_level().get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(3)
    module = AutoModelForCausalLM.from_config(config)
    sharpen(module, 3)
    return module.eval()


def write_gguf(path: Path, kind: str = "Q8_0", architecture: str = "llama") -> dict[str, np.ndarray]:
    """Write the model with matrices of a type; return the weights that the file stands for, by our names."""
    module = llama()
    writer = gguf.GGUFWriter(path, architecture)
    _write_settings(writer)
    _write_tokenizer(writer)
    quant = gguf.GGMLQuantizationType[kind]
    expected = {}
    for name, theirs, weight in _named(module):
        values = weight.numpy()
        if values.ndim > 1:
            # llama.cpp turns pairs of neighbours where transformers turns halves.
            n_heads = HEADS if ".attn_q." in theirs else KV_HEADS if ".attn_k." in theirs else 0
            stored = gguf.quantize(_interleave(values, n_heads) if n_heads else values, quant)
            whole = gguf.dequantize(stored, quant)
            writer.add_tensor(theirs, stored, raw_dtype=quant)
            expected[name] = _split_halves(whole, n_heads) if n_heads else whole
        else:
            writer.add_tensor(theirs, values)
            expected[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def _interleave(values: np.ndarray, n_heads: int) -> np.ndarray:
    half = values.shape[0] // n_heads // 2
    return values.reshape(n_heads, 2, half, -1).swapaxes(1, 2).reshape(values.shape)


def _split_halves(values: np.ndarray, n_heads: int) -> np.ndarray:
    half = values.shape[0] // n_heads // 2
    return values.reshape(n_heads, half, 2, -1).swapaxes(1, 2).reshape(values.shape)


def _named(module: torch.nn.Module) -> list[tuple[str, str, torch.Tensor]]:
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    named = [("model.embed_tokens.weight", "token_embd.weight"), ("model.norm.weight", "output_norm.weight")]
    named.append(("lm_head.weight", "output.weight"))
    for layer in range(LAYERS):
        named += [
            (f"model.layers.{layer}.{ours}.weight", f"blk.{layer}.{their}.weight") for their, ours in NAMES.items()
        ]
    return [(ours, theirs, weights[ours]) for ours, theirs in named]


def _write_settings(writer: gguf.GGUFWriter) -> None:
    writer.add_name("small")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(byte_level().get_vocab_size())


def _write_tokenizer(writer: gguf.GGUFWriter) -> None:
    described = json.loads(byte_level().to_str())["model"]
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in described["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    vocabulary = sorted(byte_level().get_vocab().items(), key=lambda item: item[1])
    # transformers adds this token to the tokenizer of every such file that lacks it.
    writer.add_token_list(["<|endoftext|>" if token == "<mask>" else token for token, _ in vocabulary])
    writer.add_token_types([3 if number < 5 else 1 for _, number in vocabulary])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(1)
