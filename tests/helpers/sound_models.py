"""Small random models that read sounds, saved with real feature extractors and tokenizers, and sounds to give them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from tokenizers import pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

LANGUAGES = ("en", "zh", "de")  # as in Whisper's own list, since its tokenizer counts
TARGET = "Hello wörld, hello"


def save_whisper(
    folder: Path, *, multilingual: bool = True, seconds: int = 30, language: str | None = None, **changed: int
) -> Path:
    """Save a Whisper model with sizes that differ from each other, and the real processor of Whisper."""
    tokenizer = whisper_tokenizer(multilingual, language)
    config = WhisperConfig(
        **{
            "vocab_size": len(tokenizer),
            "d_model": 30,
            "encoder_layers": 2,
            "encoder_attention_heads": 3,
            "decoder_layers": 3,
            "decoder_attention_heads": 5,
            "encoder_ffn_dim": 34,
            "decoder_ffn_dim": 38,
            "num_mel_bins": 80,
            "max_source_positions": 50 * seconds,
            "max_target_positions": 83,
            "pad_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
            "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
            "eos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
            "decoder_start_token_id": tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
            **changed,
        }
    )
    torch.manual_seed(3)
    module = sharpen(WhisperForConditionalGeneration(config))
    module.generation_config = generation_config(tokenizer, config, multilingual)
    module.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=seconds)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def whisper_tokenizer(multilingual: bool = True, language: str | None = None) -> WhisperTokenizer:
    """Return Whisper's tokenizer over bytes and two merges, with the special tokens that its prompt needs."""
    vocabulary = {piece: number for number, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for merged in ("el", "lo"):
        vocabulary[merged] = len(vocabulary)
    languages = LANGUAGES if multilingual else ()
    names = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{each}|>" for each in languages)]
    names += ["<|translate|>", "<|transcribe|>"] if multilingual else []
    names += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[("e", "l"), ("l", "o")])
    tokenizer.add_special_tokens({"additional_special_tokens": names[1:]})
    tokenizer.set_prefix_tokens(language=language)
    return tokenizer


def generation_config(tokenizer: WhisperTokenizer, config: WhisperConfig, multilingual: bool) -> GenerationConfig:
    """Return what Whisper's `generate` needs: the ids of languages and tasks."""
    identify = tokenizer.convert_tokens_to_ids
    made = GenerationConfig.from_model_config(config)
    made.no_timestamps_token_id = identify("<|notimestamps|>")
    made.is_multilingual, made.return_timestamps, made.max_length = multilingual, False, config.max_target_positions
    made.max_initial_timestamp_index, made.alignment_heads = 50, [[1, 2], [2, 4]]
    made._from_model_config = False  # otherwise transformers makes it again from the model's configuration
    if multilingual:
        made.lang_to_id = {f"<|{each}|>": identify(f"<|{each}|>") for each in LANGUAGES}
        made.task_to_id = {each: identify(f"<|{each}|>") for each in ("translate", "transcribe")}
    return made


def sharpen(module: PreTrainedModel, seed: int = 7) -> PreTrainedModel:
    """Make random weights large enough that attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1 and "embed_positions" not in name:
                gain = 2.1 if re.search(r"(q|k)_proj", name) else 1.6
                parameter.normal_(0.0, gain * parameter[0].numel() ** -0.5, generator=generator)
    return module.eval()


def vowels(seconds: float = 2.3, rate: int = 16_000) -> np.ndarray:
    """Return a sound whose pitch and colour change, float32."""
    time = np.arange(round(rate * seconds)) / rate
    pitch = 2 * np.pi * np.cumsum(110 + 40 * np.sin(2 * np.pi * 0.7 * time)) / rate
    made = sum(np.sin(number * pitch) / number for number in range(1, 9))
    return (0.2 * made * (0.6 + 0.4 * np.sin(2 * np.pi * 2.5 * time))).astype(np.float32)
