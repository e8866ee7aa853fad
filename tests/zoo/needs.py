"""What single families need besides the common sizes: fields of their config, and less gain."""

from __future__ import annotations

from typing import Any

from tests.zoo.sizes import GROUPED_HEADS

# Hybrids have one layer with attention among several without.
FOUR_LAYERS: dict[str, Any] = {"num_hidden_layers": 4}
OF_FOUR: dict[str, Any] = {"text_config": FOUR_LAYERS}
UNGROUPED: dict[str, Any] = {"num_key_value_heads": GROUPED_HEADS}
MAMBA: dict[str, Any] = {"mamba_n_heads": 4, "mamba_d_head": 36, "mamba_d_state": 8, "mamba_chunk_size": 8}
RESNET: dict[str, Any] = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 12, 16, 20],
    "depths": [1, 1, 1, 1],
    "out_features": ["stage2", "stage3", "stage4"],
}
SWIN: dict[str, Any] = {
    "embed_dim": 24,
    "depths": [1, 2],
    "num_heads": [2, 3],
    "window_size": 2,
    "image_size": 16,
    "patch_size": 4,
}
PYRAMID: dict[str, Any] = {
    "hidden_sizes": [8, 16, 24, 32],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 2, 3, 4],
}

M_ROPE: dict[str, Any] = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 2]}}
HALF_M_ROPE: dict[str, Any] = {
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 1]
    }
}  # fmt: skip
STAGES: dict[str, Any] = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
SERIES: dict[str, Any] = {"prediction_length": 5, "context_length": 9, "lags_sequence": [1, 2], "num_time_features": 1}

CONFIGS: dict[str, dict[str, Any]] = {
    # Text
    "big_bird": {"attention_type": "original_full"},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "codegen": {"n_head": 4, "n_embd": 80, "rotary_dim": 8},
    "convbert": {"num_attention_heads": 6},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 28, "moe_num_experts": 4},
    },
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "dots3_note": {"text_config": UNGROUPED},
    "dots3_note_text": UNGROUPED,
    "ernie4_5_vl_moe": {"text_config": {"moe_intermediate_size": [28, 20]}},
    "esm": {"vocab_size": 101, "pad_token_id": 1, "mask_token_id": 4},
    "esmc": UNGROUPED,
    "falcon_h1": {"mamba_d_ssm": 144, **MAMBA},
    "funnel": {
        "architectures": ["FunnelModel"],
        "block_sizes": [1, 2],
        "num_decoder_layers": 1,
        "n_head": 3,
        "d_head": 24,
    },
    "gemma3n_text": {
        "num_hidden_layers": 5,
        "num_kv_shared_layers": 0,
        "vocab_size_per_layer_input": 101,
        "hidden_size_per_layer_input": 12,
    },
    "gemma4_text": {"vocab_size_per_layer_input": 101, "hidden_size_per_layer_input": 12},
    "glm5_next_text": UNGROUPED,
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 5},
    "gptj": {"rotary_dim": 8},
    "hunyuan_v1_dense": {"head_dim": 12},
    "inkling2_text": {"swa_num_attention_heads": 6, "swa_num_key_value_heads": 2, "swa_head_dim": 12, "rel_extent": 16},
    "jamba": {**FOUR_LAYERS, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 5, "mamba_d_state": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "lfm3": FOUR_LAYERS,
    "longt5": {"encoder_attention_type": "local", "local_radius": 3},
    "luke": {"entity_vocab_size": 29, "entity_emb_size": 20},
    "t5gemma2": {
        "encoder": {"text_config": {"query_pre_attn_scalar": 12}},
        "decoder": {"query_pre_attn_scalar": 12},
    },
    "minimax_m3_vl_text": {
        "layer_types": ["full_attention", "minimax_m3_sparse"],
        "index_block_size": 4,
        "index_topk_blocks": 2,
    },
    "minimax": {"layer_types": ["full_attention", "linear_attention"], "block_size": 8},
    "mobilebert": {
        "embedding_size": 20,
        "true_hidden_size": 36,
        "intra_bottleneck_size": 36,
        "num_feedforward_networks": 2,
    },
    "prophetnet": {"num_encoder_layers": 2, "num_decoder_layers": 3, "ngram": 2},
    "qwen3_5_moe_text": FOUR_LAYERS,
    "qwen3_5_text": FOUR_LAYERS,
    "qwen3_next": FOUR_LAYERS,
    "qwen4_exp_text": FOUR_LAYERS,
    "recurrent_gemma": {"num_hidden_layers": 3, "lru_width": 72, "attention_window_size": 5},
    "reformer": {
        "axial_pos_embds": False,
        "attention_head_size": 12,
        "num_hidden_layers": 2,
        "attn_layers": ["local", "lsh"],
        "num_buckets": 2,
    },
    "roc_bert": {
        "pronunciation_vocab_size": 31,
        "shape_vocab_size": 37,
        "pronunciation_embed_dim": 20,
        "shape_embed_dim": 24,
    },
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "granitemoehybrid": {**MAMBA, "layer_types": ["mamba", "attention"]},
    "nemotron_h": {"layers_block_type": ["linear_attention", "full_attention"]},
    "stablelm": {"hidden_size": 96},
    "step3p7": {"text_config": {"sliding_window": 5}},
    "xmod": {"default_language": "en_XX", "languages": ["en_XX"]},
    "zaya": {"num_experts_per_tok": 1},
    "qwen3_5": OF_FOUR,
    "qwen3_5_moe": OF_FOUR,
    "qwen4_exp": OF_FOUR,
    "lfm3_vl": OF_FOUR,
    "minicpm_ocr": OF_FOUR,
    "minicpmv4_6": OF_FOUR,
    "minicpmv4_7": OF_FOUR,
    "modernbert": {"local_attention": 6},
    "ultrabert": {"local_attention": 6},
    **dict.fromkeys(["qwen2_vl_text", "qwen2_5_vl_text"], M_ROPE),
    **{key: {"text_config": M_ROPE} for key in ["qwen2_vl", "qwen2_5_vl", "paddleocr_vl"]},
    **dict.fromkeys(["glm4v_text", "glm4v_moe_text", "glm_image_text", "glm_ocr_text"], HALF_M_ROPE),
    **{key: {"head_dim": 12} for key in ["hunyuan_v1_moe", "hunyuan_vl_text", "ministral"]},
    "hunyuan_vl": {"text_config": {"head_dim": 12}},
    "nemotron": {"head_dim": 12, "num_key_value_heads": 2},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "mamba2": {"num_heads": 4, "head_dim": 36},
    "mimo_v2_flash": {"swa_num_attention_heads": 6, "swa_num_key_value_heads": 2, "swa_head_dim": 12, "v_head_dim": 12},
    "bros": {"hidden_size": 96},
    "chameleon": {"vocabulary_map": {"<image>": 99}},
    "emu3": {"vocabulary_map": {"<image>": 99}},
    "bailing_hybrid": {"layer_group_size": 2},
    "sam3_lite_text_text_model": {"use_repmixer_blocks": False},
    # Vision
    "lfm3_vl_vision": FOUR_LAYERS,
    "pixtral": {"head_dim": 24},
    **dict.fromkeys(["convnext", "convnextv2", "poolformer"], STAGES),
    **{key: {**STAGES, "embedding_size": 8, "groups_width": 4} for key in ["resnet", "regnet"]},
    "layoutlmv3": {"coordinate_size": 12, "shape_size": 12, "input_size": 32},
    "swin": SWIN,
    "swinv2": SWIN,
    "donut-swin": SWIN,
    "maskformer-swin": SWIN,
    "levit": {
        "hidden_sizes": [16, 24],
        "num_attention_heads": [2, 3],
        "depths": [1, 2],
        "key_dim": [8, 8],
        "mlp_ratio": [2, 2],
        "attention_ratio": [2, 2],
        "down_ops": [["Subsample", 8, 2, 4, 2, 2]],
    },
    "cvt": {"embed_dim": [8, 12, 24], "num_heads": [1, 2, 3], "depth": [1, 1, 2]},
    "glpn": PYRAMID,
    "segformer": PYRAMID,
    "pvt": PYRAMID,
    "pvt_v2": PYRAMID,
    "hiera": {"image_size": [32, 32], "embed_dim": 12, "depths": [1, 1, 1], "num_heads": [1, 2, 3]},
    "yolos": {"image_size": [32, 48], "num_detection_tokens": 5},
    "mgp-str": {
        "image_size": [16, 32],
        "patch_size": [4, 4],
        "max_token_length": 7,
        "num_character_labels": 11,
        "num_bpe_labels": 13,
        "num_wordpiece_labels": 17,
    },
    "vjepa2": {
        "crop_size": 32,
        "frames_per_clip": 4,
        "pred_hidden_size": 36,
        "pred_num_attention_heads": 3,
        "pred_num_hidden_layers": 2,
    },
    "videomae": {"num_frames": 4},
    "timesformer": {"num_frames": 3, "attention_type": "joint_space_time"},
    "vivit": {"num_frames": 4, "tubelet_size": [2, 8, 8]},
    "videoprism_vision_model": {"num_frames": 4},
    "detr": {"backbone_config": RESNET, "use_timm_backbone": False},
    "conditional_detr": {"backbone_config": RESNET, "use_timm_backbone": False},
    "table-transformer": {"backbone_config": RESNET, "use_timm_backbone": False},
    "dab-detr": {"backbone_config": RESNET, "use_timm_backbone": False},
    "sam3_vit_model": {"window_size": 2, "global_attn_indexes": [1]},
    "sam3_vision_model": {"backbone_config": {"window_size": 2, "global_attn_indexes": [1]}},
    # Speech
    **{key: {"context_size": 8} for key in ["granite_speech5_ctc", "granite_speech5_encoder"]},
    "speech_to_text": {"input_feat_per_channel": 16, "conv_channels": 20, "conv_kernel_sizes": [5, 5]},
    "audio-spectrogram-transformer": {"max_length": 26, "frequency_stride": 5, "time_stride": 5},
    "wav2vec2-bert": {"feature_projection_input_dim": 16, "conv_depthwise_kernel_size": 5},
    "moonshine": {"encoder_num_attention_heads": 3, "decoder_num_attention_heads": 6},
    "autoformer": {**SERIES, "label_length": 3, "moving_average": 3},
    "informer": SERIES,
    "time_series_transformer": SERIES,
    "patchtst": {"context_length": 32, "patch_length": 4, "patch_stride": 4, "num_input_channels": 1},
}
# Scores that are not divided by the root of the width need less.
UNDIVIDED = "t5 mt5 umt5 longt5 switch_transformers udop gpt_neo granite granitemoe granitemoeshared granitemoehybrid"
GAINS: dict[str, float] = dict.fromkeys([*UNDIVIDED.split(), "granite_swa", "granitemoe_swa"], 0.2)
