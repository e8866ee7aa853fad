"""What makes any config small: one table of sizes by field name, and what single families need besides."""

from __future__ import annotations

from typing import Any

# 3 heads, 6 where groups share keys; widths that divide by 2D rotary embeddings.
HIDDEN, HEADS, GROUPED_HEADS, KV_HEADS, HEAD_DIM = 72, 3, 6, 2, 12
VOCABULARY, IMAGE, PATCH, MELS = 101, 32, 8, 16

SMALL: dict[str, Any] = {
    **dict.fromkeys(["vocab_size", "src_vocab_size", "tgt_vocab_size", "decoder_vocab_size", "n_words"], VOCABULARY),
    **dict.fromkeys(
        [
            "hidden_size",
            "d_model",
            "n_embd",
            "embed_dim",
            "dim",
            "emb_dim",
            "encoder_hidden_size",
            "hidden_dim_model",
            "embedding_size",
        ],
        HIDDEN,
    ),
    **dict.fromkeys(
        [
            "num_attention_heads",
            "n_head",
            "n_heads",
            "num_heads",
            "encoder_attention_heads",
            "attention_heads",
            "num_encoder_attention_heads",
            "encoder_num_attention_heads",
        ],
        HEADS,
    ),
    **dict.fromkeys(
        ["decoder_attention_heads", "num_decoder_attention_heads", "decoder_num_attention_heads"], GROUPED_HEADS
    ),
    **dict.fromkeys(
        ["num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "depth", "num_encoder_layers"], 2
    ),
    **dict.fromkeys(["decoder_layers", "num_decoder_layers", "decoder_num_hidden_layers"], 3),
    **dict.fromkeys(
        [
            "intermediate_size",
            "d_ff",
            "encoder_ffn_dim",
            "decoder_ffn_dim",
            "ffn_dim",
            "n_inner",
            "d_inner",
            "ffn_hidden_size",
            "dim_ff",
            "mlp_dim",
            "dense_ffn_size",
            "inner_size",
        ],
        52,
    ),
    **dict.fromkeys(["max_position_embeddings", "n_positions", "max_target_positions", "n_ctx", "max_seq_len"], 127),
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD_DIM,
    "max_source_positions": 13,  # of spectrograms; two frames each
    "num_queries": 7,
    "image_size": IMAGE,
    "patch_size": PATCH,
    "num_mel_bins": MELS,
    "sliding_window": 5,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 28,
    "shared_expert_intermediate_size": 28,
    "q_lora_rank": 20,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 12,
    "v_head_dim": 16,
    "index_topk": 4,
    "index_n_heads": 2,
    "index_head_dim": 12,
    "projection_dim": 34,
    "conv_dim": (20, 20, 20),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 7,
    "num_conv_pos_embedding_groups": 2,
}
GROUPED = dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), GROUPED_HEADS)
LATENT = {"num_key_value_heads": GROUPED_HEADS, "head_dim": SMALL["qk_rope_head_dim"], "qk_head_dim": 20}
