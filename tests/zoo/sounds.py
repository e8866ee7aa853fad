"""Families that read sounds, opened as a visitor opens them: saved with a real feature extractor, loaded and traced."""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    CONFIG_MAPPING,
    MODEL_MAPPING,
    AutoModel,
    AutoModelForSpeechSeq2Seq,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

import models
from models.errors import HeadlightError
from tests.helpers.small_models import BERT_NAMES, wordpiece
from tests.helpers.sound_models import save_whisper, vowels
from tests.zoo.build import fields_of, merged, sharpen
from tests.zoo.needs import CONFIGS, GAINS
from tests.zoo.reasons import untried_reason
from tests.zoo.sizes import MELS
from tests.zoo.table import PAGE, SoundFinding, with_sounds

# Families of sounds whose models read something else first, or are none for `AutoModel`: each is refused by its config.
OTHERS = ("bark", "clap", "musicgen", "pop2piano", "seamless_m4t", "vits")
# Refused by their config as well, before any weight is read. No field makes them small: building one takes 13 s.
LARGE = ("vibevoice_acoustic_tokenizer", "dac", "xcodec")
INPUTS = ["input_features", "input_values"]
SECONDS = 1.37
TARGET = "the quick brown fox"
# Encoders of models of sound and text, which nobody saves alone.
PARTS = ("qwen2_audio_encoder", "voxtral_encoder", "audioflamingo3_encoder")
# The strides of published models, so that frames are as long as theirs.
WAVES = {
    "conv_dim": (20,) * 7,
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "mask_time_prob": 0.0,
}
SEW_WAVES = {
    "conv_dim": (20,) * 13,
    "conv_kernel": (10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1),
    "conv_stride": (5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1),
    "squeeze_factor": 2,
    "mask_time_prob": 0.0,
}
OWN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        [
            "wav2vec2",
            "wav2vec2-conformer",
            "hubert",
            "speecht5",
            "data2vec-audio",
            "unispeech",
            "unispeech-sat",
            "wavlm",
        ],
        WAVES,
    ),
    **dict.fromkeys(["sew", "sew-d"], SEW_WAVES),
    "audio-spectrogram-transformer": {"num_mel_bins": 32, "max_length": 256, "patch_size": 16},
    "wav2vec2-bert": {"feature_projection_input_dim": 2 * MELS, "mask_time_prob": 0.0},
    "speech_to_text": {"input_feat_per_channel": MELS, "max_source_positions": 600},
    **{family: {"max_source_positions": 100} for family in PARTS},
}
EXTRACTORS: dict[str, dict[str, Any]] = {
    "audio-spectrogram-transformer": {"num_mel_bins": 32, "max_length": 256},
    "speech_to_text": {"feature_size": MELS, "num_mel_bins": MELS},
    **{family: {"feature_size": MELS, "chunk_length": 2} for family in PARTS},
}
KINDS = {
    "wav2vec2-bert": "SeamlessM4TFeatureExtractor",
    **dict.fromkeys(
        [*PARTS, "glmasr_encoder"],
        "WhisperFeatureExtractor",
    ),
}


def families() -> list[str]:
    """Return the families whose model reads a sound first."""
    found = []
    for family in MODEL_MAPPING_NAMES:
        try:
            if getattr(MODEL_MAPPING.get(CONFIG_MAPPING[family], None), "main_input_name", "") in INPUTS:
                found.append(family)
        except (ImportError, KeyError, ValueError):  # it needs a library that is not installed
            continue
    return found


def auto_of(config: PreTrainedConfig) -> Any:
    writes = config.is_encoder_decoder and config.model_type in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
    return AutoModelForSpeechSeq2Seq if writes else AutoModel


def save(family: str, folder: Path) -> PreTrainedConfig:
    """Save a small model of a family with a real feature extractor, and a tokenizer if its decoder needs one."""
    if family in OTHERS or family in LARGE:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": family}))
        save_file({"some.weight": torch.zeros(2, 2)}, folder / "model.safetensors", metadata={"format": "pt"})
        return CONFIG_MAPPING[family]()
    if family == "whisper":
        save_whisper(folder)
        return CONFIG_MAPPING[family].from_pretrained(folder)
    kind = CONFIG_MAPPING[family]
    config = kind(**merged(merged(fields_of(kind()), CONFIGS.get(family, {})), OWN.get(family, {})))
    if config.is_encoder_decoder:
        config.vocab_size = 157
        if "decoder_config" in config.sub_configs:
            config.decoder_config.vocab_size = 157
        config.decoder_start_token_id, config.bos_token_id, config.eos_token_id, config.pad_token_id = 2, 2, 3, 0
    torch.manual_seed(7)
    module = auto_of(config).from_config(config).eval()
    with torch.no_grad():
        sharpen(module, GAINS.get(family, 1.0), 7)
    module.save_pretrained(folder)
    if config.is_encoder_decoder:
        PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **BERT_NAMES).save_pretrained(folder)
    extractor_of(family, config).save_pretrained(folder)
    return config


def extractor_of(family: str, config: PreTrainedConfig) -> Any:
    """Return the feature extractor of a family, with as many bands as the small model reads."""
    name = KINDS.get(family) or FEATURE_EXTRACTOR_MAPPING_NAMES.get(family)
    if name is None:
        raise ValueError("no rule for the feature extractor")
    kind = getattr(transformers, name)
    taken = inspect.signature(kind.__init__).parameters
    n_mels = getattr(config, "num_mel_bins", None) or MELS
    bands = {one: n_mels for one in ("feature_size", "num_mel_bins") if one in taken and "Wav2Vec2" not in name}
    return kind(**{**bands, **EXTRACTORS.get(family, {})})


def plain_weights(
    folder: Path, config: PreTrainedConfig, family: str, ids: list[int] | None
) -> tuple[PreTrainedModel, dict[str, tuple[torch.Tensor, ...]]]:
    """Return the model as transformers alone loads it, and its eager weights by kind."""
    module = auto_of(config).from_pretrained(folder, attn_implementation="eager").eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    given = extractor(vowels(SECONDS), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    taken = inspect.signature(module.forward).parameters
    inputs = {name: value for name, value in given.items() if name in taken}
    if ids is not None:
        inputs["decoder_input_ids"] = torch.tensor([ids])
    with torch.no_grad():
        output = module(**inputs, output_attentions=True)
    fields = {"encoder_attentions": "encoder", "decoder_attentions": "decoder", "cross_attentions": "cross"}
    found = {kind: output[field] for field, kind in fields.items() if output.get(field) is not None}
    return module, found or {"encoder": output["attentions"]}


def examine(family: str, folder: Path) -> SoundFinding:
    """Save, open, trace and compare one family.

    Raises:
        HeadlightError: it is refused.
        ValueError: there is no feature extractor or no small size for it.
    """
    config = save(family, folder)
    model = models.load_model(folder)
    target = {"target": TARGET} if config.is_encoder_decoder else {}
    trace = model.trace(audio=vowels(SECONDS), **target)
    ids = [token.id for token in trace["decoder"].query_tokens] if target else None
    _, plain = plain_weights(folder, config, family, ids)
    if set(plain) != set(trace.kinds) and len(plain) == len(trace.kinds) == 1:
        plain = {trace.kinds[0]: next(iter(plain.values()))}
    worst = 0.0
    for kind in trace.kinds:
        weights = [each for each in plain[kind] if each is not None]
        assert trace[kind].n_layers == len(weights), (kind, trace[kind].n_layers, len(weights))
        for layer, expected in enumerate(weights):
            worst = max(worst, float(np.abs(trace[kind].layer(layer) - expected[0].numpy()).max()))
    keys = trace[trace.kinds[-1]].key_tokens
    times = [key.seconds for key in keys if key.seconds is not None]
    step = round(times[1] - times[0], 6) if len(times) > 1 else None
    sizes = {kind: f"{layers} x {heads}" for kind, (layers, heads) in model.card.sizes.items()}
    return SoundFinding(family, model.card.architecture, model.card.capture, sizes, len(keys), step, worst)


def examine_all(names: list[str]) -> tuple[list[SoundFinding], dict[str, str], dict[str, str]]:
    """Return the findings, the sentences of those that are refused, and why others were not tried."""
    findings: list[SoundFinding] = []
    refused: dict[str, str] = {}
    untried: dict[str, str] = {}
    for family in names or [*families(), *OTHERS]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                findings.append(examine(family, Path(folder) / family))
                print(findings[-1], flush=True)
            except HeadlightError as error:
                refused[family] = str(error)
                print(family, "refused", error, sep=" | ", flush=True)
            except Exception as error:
                untried[family] = untried_reason(error)
                print(family, "not tried", error, sep=" | ", flush=True)
    return findings, refused, untried


if __name__ == "__main__":
    found = examine_all(sys.argv[1:])
    if not sys.argv[1:]:
        PAGE.write_text(with_sounds(PAGE.read_text(encoding="utf-8"), *found), encoding="utf-8")
