"""Models that read sounds: which they are, what they are loaded as, and the feature extractor that they read with."""

from __future__ import annotations

import logging
from typing import Any

from transformers import (
    MODEL_MAPPING,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForSpeechSeq2Seq,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES

from models.checkpoints.limits import read_settings
from models.checkpoints.locate import ModelFolder
from models.checkpoints.tokenizer import load_tokenizer
from models.errors import BrokenModel, NoAttention, NoTokenizer, short_message
from models.sound_reader import SoundReader

log = logging.getLogger("headlight.models")

# A list, because some families have several inputs in this place.
_INPUTS = ["input_features", "input_values"]
_CODES = "packs sounds into codes and has no attention over a whole sound"
_WRITES = "writes a sound and does not read one, so that there are no frames to attend to"
_TRANSDUCER = "is a transducer, whose decoder is recurrent and attends to nothing"
_TOWERS = "joins several models that do not attend to one another"
_INSTEAD = "a model that reads sounds (Whisper, Moonshine, Speech2Text, Wav2Vec2, HuBERT, AST)"
_REASONS = {
    **dict.fromkeys(("encodec", "dac", "mimi", "xcodec", "xcodec2", "neucodec"), _CODES),
    **dict.fromkeys(("higgs_audio_v2_tokenizer", "vibevoice_acoustic_tokenizer", "pocket_tts_audio_tokenizer"), _CODES),
    **dict.fromkeys(("musicgen", "musicgen_melody", "vits", "bark", "univnet", "fastspeech2_conformer"), _WRITES),
    **dict.fromkeys(("fastspeech2_conformer_with_hifigan", "hifigan", "speecht5_hifigan"), _WRITES),
    **dict.fromkeys(("parakeet_rnnt", "parakeet_tdt", "nemotron3_5_asr", "nemotron_asr_streaming"), _TRANSDUCER),
    **dict.fromkeys(("clap", "clvp", "seamless_m4t", "seamless_m4t_v2"), _TOWERS),
    "vision-encoder-decoder": "reads a picture and writes a text, a combination that Headlight does not read",
    "pop2piano": "writes notes, which are no text that its decoder could be given",
}
# Classes of families that read sounds in other classes, by the end of their names.
_WRITERS = {"ForTextToSpeech": _WRITES, "ForSpeechToSpeech": _WRITES, "HifiGan": _WRITES}
_FILES = ("preprocessor_config.json", "processor_config.json")
# The largest number in the settings of a published feature extractor: 30 seconds at 48,000 samples.
_LARGEST = 10_000_000


def refuse_other_sounds(described: dict[str, Any], name: str) -> None:
    """Let a configuration through that is not of a model of sounds or pictures which Headlight cannot read.

    Raises:
        NoAttention: the model writes sounds, packs them into codes, or joins several models.
    """
    kind = str(described.get("model_type"))
    architectures = described.get("architectures")
    first = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    if first.endswith("ForTextToText"):  # the part of Seamless that translates texts
        return
    why = _REASONS.get(kind) or next((reason for end, reason in _WRITERS.items() if first.endswith(end)), None)
    if why is not None:
        instead = "a vision encoder (ViT, DeiT, DINOv2)" if kind.startswith("vision") else _INSTEAD
        raise NoAttention(f"{name} has the type {kind}, which {why}: choose {instead}.")


def reads_sounds(config: PreTrainedConfig) -> bool:
    """Return whether a model's first input is a sound."""
    if config.model_type == "speech-encoder-decoder":
        return True
    try:
        return getattr(MODEL_MAPPING.get(type(config), None), "main_input_name", "") in _INPUTS
    except (ImportError, ValueError):  # its family needs a library that is not installed
        return False


def find_sound_class(config: PreTrainedConfig) -> Any:
    """Return the auto class that loads a model of sounds: with the head that writes transcripts if there is one."""
    if config.is_encoder_decoder and config.model_type in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return AutoModelForSpeechSeq2Seq
    return AutoModel


def load_sound_processors(
    folder: ModelFolder, config: PreTrainedConfig
) -> tuple[PreTrainedTokenizerBase | None, None, SoundReader]:
    """Return the tokenizer of a decoder, no reader of pictures, and the reader of sounds.

    Raises:
        NoTokenizer: the feature extractor or the tokenizer is missing or does not load.
        BrokenModel: the feature extractor has sizes that are far from any model's.
    """
    _refuse_absurd_settings(folder)
    missing = (
        f"{folder.name} reads sounds and has no feature extractor that loads: save the one it was trained with into "
        "the same folder (processor.save_pretrained)."
    )
    if not any((folder.path / name).exists() for name in _FILES):
        raise NoTokenizer(missing)
    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        log.exception("feature extractor of %s", folder.name)
        raise NoTokenizer(missing) from error
    if not isinstance(getattr(extractor, "sampling_rate", None), int) or extractor.sampling_rate < 1:
        raise NoTokenizer(missing)
    tokenizer = load_tokenizer(folder, config) if config.is_encoder_decoder else None
    reader = SoundReader(extractor)
    _refuse_other_length(reader, config, folder.name)
    return tokenizer, None, reader


def _refuse_other_length(reader: SoundReader, config: PreTrainedConfig, name: str) -> None:
    """Refuse a Whisper model whose feature extractor makes spectrograms of another length or height than it reads."""
    if config.model_type != "whisper":
        return
    made = (reader.extractor.nb_max_frames, reader.extractor.feature_size)
    expected = (2 * config.max_source_positions, config.num_mel_bins)
    if made != expected:
        raise BrokenModel(
            f"The feature extractor of {name} makes spectrograms of {made[0]:,} x {made[1]:,}, and the model reads "
            f"{expected[0]:,} x {expected[1]:,}: save the one it was trained with into its folder "
            "(processor.save_pretrained)."
        )


def _refuse_absurd_settings(folder: ModelFolder) -> None:
    for file in _FILES:
        path = folder.path / file
        if not path.exists():
            continue
        try:
            described = read_settings(path)
        except (OSError, ValueError) as error:
            raise BrokenModel(
                f"The {file} of {folder.name} is not readable ({short_message(error)}): save or fetch it again."
            ) from error
        waiting = [described]
        while waiting:
            part = waiting.pop()
            for name, value in part.items() if isinstance(part, dict) else ():
                if isinstance(value, dict):
                    waiting.append(value)
                elif isinstance(value, (int, float)) and not abs(value) <= _LARGEST:
                    raise BrokenModel(
                        f"The {file} of {folder.name} says {name[:80]} is {value:,}, expected {_LARGEST:,} at most: "
                        "save or fetch it again."
                    )
