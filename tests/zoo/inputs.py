"""Synthetic inputs by what a module's forward takes: token ids, pixels, patches, waveforms or spectrograms."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.sizes import IMAGE, MELS, PATCH

N_TOKENS, N_TARGET, N_FRAMES = 13, 11, 26
FIRST_ID, LAST_ID = 5, 70

# Spectrograms as `[row, frame, mel]`; the others read `[row, mel, frame]`.
MELS_LAST = {
    "parakeet_ctc",
    "parakeet_encoder",
    "canary",
    "cohere_asr",
    "lasr_ctc",
    "lasr_encoder",
    "wav2vec2-bert",
    "speech_to_text",
    "gemma4_audio",
    "audio-spectrogram-transformer",
    "nemotron_asr_streaming_encoder",
    "nemotron3_5_transcribe_asr_audio",
    "nemotron3_diarization_audio",
    "granite_speech5_ctc",
    "granite_speech5_encoder",
}
SPEECH = {"input_values", "input_features", "audio_mel"}


def ids(n_tokens: int, seed: int) -> Tensor:
    return torch.randint(FIRST_ID, LAST_ID, (1, n_tokens), generator=torch.Generator().manual_seed(seed))


def noise(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(*, least: int = 0, most: int = 40) -> Tensor:
    """Return `[1, token, 4]`: left, top, right, bottom."""
    corners = torch.randint(least, most, (1, N_TOKENS, 2, 2), generator=torch.Generator().manual_seed(2))
    return corners.sort(dim=2).values.flatten(2)


def spectrogram(config: Any, *, mels_last: bool = False) -> Tensor:
    n_frames = 2 * getattr(config, "max_source_positions", N_FRAMES // 2)
    n_mels = getattr(config, "num_mel_bins", None) or MELS
    return noise(1, n_frames, n_mels) if mels_last else noise(1, n_mels, n_frames)


def patches(config: Any, taken: Any) -> dict[str, Tensor]:
    """Return flattened patches and their grid: Qwen's way to give images of any size."""
    merge = max(2, getattr(config, "spatial_merge_size", 2) or 2)
    rows, columns = 2 * merge, merge
    depth = getattr(config, "temporal_patch_size", 1) or 1
    channels = getattr(config, "in_channels", None) or getattr(config, "in_chans", None) or 3
    name = next(name for name in ("hidden_states", "pixel_values") if name in taken)
    size = getattr(config, "patch_size", PATCH)
    given = {
        name: noise(rows * columns, channels * depth * size * size),
        "grid_thw": torch.tensor([[1, rows, columns]]),
    }
    return given


# What a family reads besides, or instead of, what its forward suggests; None takes an input away.
def text_and_image(config: Any) -> dict[str, Tensor | None]:
    """Return what two towers read."""
    seen = getattr(config, "vision_config", None) or config
    size = _image_size(seen)
    return {"input_ids": ids(N_TOKENS, 1), "pixel_values": noise(1, getattr(seen, "num_channels", 3), *size)}


def series(config: Any) -> dict[str, Tensor | None]:
    """Return a past, `[row, time]`, and a future that a decoder reads."""
    n_past = config.context_length + max(config.lags_sequence)
    past, future = noise(1, n_past, seed=4), noise(1, config.prediction_length, seed=5)
    return {
        "past_values": past,
        "past_time_features": noise(1, n_past, 1, seed=6),
        "past_observed_mask": torch.ones_like(past),
        "future_values": future,
        "future_time_features": noise(1, config.prediction_length, 1, seed=7),
    }


Extra = Callable[[Any], dict[str, Tensor | None]]
EXTRA: dict[str, Extra] = {
    **dict.fromkeys(["layoutlm", "layoutlmv3", "lilt"], lambda config: {"bbox": boxes()}),
    **dict.fromkeys(["bros", "udop"], lambda config: {"bbox": boxes() / 40}),
    **dict.fromkeys(
        ["detr", "conditional_detr", "table-transformer", "dab-detr"],
        lambda config: {"pixel_values": noise(1, 3, 96, 128)},
    ),
    **dict.fromkeys(
        [
            "clip",
            "siglip",
            "metaclip_2",
            "chinese_clip",
            "altclip",
            "clipseg",
            "owlvit",
            "owlv2",
            "groupvit",
            "aimv2",
            "blip",
            "vilt",
            "bridgetower",
            "vision-text-dual-encoder",
            "kosmos-2",
            "idefics",
            "sam3",
            "sam3_lite_text",
        ],
        text_and_image,
    ),
    **dict.fromkeys(["autoformer", "informer", "time_series_transformer"], series),
    "patchtst": lambda config: {"past_values": noise(1, config.context_length, 1)},
    "decision_transformer": lambda config: {
        "states": noise(1, 5, config.state_dim),
        "actions": noise(1, 5, config.act_dim),
        "rewards": noise(1, 5, 1),
        "returns_to_go": noise(1, 5, 1),
        "timesteps": torch.arange(5)[None],
        "attention_mask": torch.ones(1, 5, dtype=torch.long),
    },
    "siglip2_vision_model": lambda config: {
        "pixel_values": noise(1, 16, 3 * PATCH * PATCH),
        "pixel_attention_mask": torch.ones(1, 16, dtype=torch.long),
        "spatial_shapes": torch.tensor([[4, 4]]),
    },
    "lxmert": lambda config: {"visual_feats": noise(1, 7, config.visual_feat_dim), "visual_pos": noise(1, 7, 4)},
    "vjepa2": lambda config: {"pixel_values_videos": noise(1, config.frames_per_clip, 3, IMAGE, IMAGE)},
    "moonshine": lambda config: {"input_values": noise(1, 4000)},
    **dict.fromkeys(
        ["audioflamingo3_encoder", "fun_asr_nano_encoder", "qwen3_asr_encoder"],
        lambda config: {"input_features_mask": torch.ones(1, N_FRAMES, dtype=torch.long)},
    ),
    "vit_mae": lambda config: {"noise": noise(1, 16).abs()},
}


def inputs_of(module: nn.Module, family: str) -> tuple[str, dict[str, Tensor]]:
    """Return the modality and what the forward reads.

    Raises:
        ValueError: no rule says what the forward's first input is.
    """
    modality, given = _by_signature(module, family)
    extra = EXTRA.get(family, lambda config: {})(module.config)
    return modality, {name: value for name, value in (given | extra).items() if value is not None}


def _by_signature(module: nn.Module, family: str) -> tuple[str, dict[str, Any]]:
    config, taken = module.config, inspect.signature(module.forward).parameters
    main = module.main_input_name if module.main_input_name in taken else next(iter(taken))
    target = (
        {"decoder_input_ids": ids(N_TARGET, 3)} if "decoder_input_ids" in taken and config.is_encoder_decoder else {}
    )
    if "grid_thw" in taken:
        return "vision", patches(config, taken)
    if main == "pixel_values_videos" or (main == "pixel_values" and hasattr(config, "num_frames")):
        return "video", {main: noise(1, getattr(config, "num_frames", 4), 3, IMAGE, IMAGE)}
    if main == "pixel_values":
        return "vision", {main: noise(1, getattr(config, "num_channels", 3), *_image_size(config)), **target}
    if family in EXTRA and "past_values" in taken:
        return "time series", {}
    if family == "decision_transformer":
        return "states", {}
    if main == "input_values" and family not in MELS_LAST:
        return "speech", {main: noise(1, 400), **target}
    if main in SPEECH:
        return "speech", {main: spectrogram(config, mels_last=family in MELS_LAST), **target}
    if "input_ids" in taken:
        mask = {"attention_mask": torch.ones(1, N_TOKENS, dtype=torch.long)} if "attention_mask" in taken else {}
        return "text", {"input_ids": ids(N_TOKENS, 1), **mask, **target}
    raise ValueError(f"no rule for the input {main}")


def _image_size(config: Any) -> tuple[int, int]:
    size = getattr(config, "image_size", IMAGE)
    return tuple(size) if isinstance(size, (list, tuple)) else (size, size)
