"""The reader of sounds of one model: its own feature extractor, and the short sound that the verification reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.capture.forward import accepted_inputs
from models.errors import BrokenModel, NoText
from models.memory import admit
from models.sound import Sound, read_sound
from models.sound_frames import count_columns

log = logging.getLogger("headlight.models")

PROBE_TEXT = "The quick brown fox jumps over the lazy dog. "
# Positions of the sound that the comparison at loading reads: as many as a short text has.
PROBE_POSITIONS = 48


class SoundReader:
    """Reads sounds with one model's own feature extractor."""

    def __init__(self, extractor: Any) -> None:
        self.extractor = extractor
        self.rate = int(extractor.sampling_rate)

    @property
    def max_seconds(self) -> float | None:
        """The longest sound that the model reads at once, None where nothing limits it."""
        n_samples = getattr(self.extractor, "n_samples", None)
        if isinstance(n_samples, int) and n_samples > 0:
            return n_samples / self.rate
        longest = getattr(self.extractor, "max_length", None)
        return longest * self._hop_seconds if isinstance(longest, int) and longest > 0 else None

    def read(self, audio: Any) -> Sound:
        """Return a sound at the model's rate, cut to what it reads.

        Raises:
            NoText: as `models.sound.read_sound`.
        """
        return read_sound(audio, self.rate, self.max_seconds)

    def features(self, module: PreTrainedModel, sound: Sound) -> dict[str, Tensor]:
        """Return what the model's own feature extractor makes of a sound, on the model's device and in its dtype.

        Raises:
            BrokenModel: the feature extractor does not read the sound.
        """
        try:
            found = self.extractor(sound.samples, sampling_rate=self.rate, return_tensors="pt")
        except Exception as error:
            log.exception("features of a sound")
            raise BrokenModel(
                f"{type(self.extractor).__name__} does not read a sound of {sound.seconds:.2f} s: give a longer one, "
                "or save the feature extractor that the model was trained with into its folder."
            ) from error
        tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
        return {
            name: value.to(module.device, module.dtype if value.is_floating_point() else value.dtype)
            for name, value in accepted_inputs(module, tensors).items()
        }

    def count_columns(self, tensors: Mapping[str, Tensor]) -> int:
        """Return the columns of a spectrogram, or the samples where the model reads these themselves."""
        values = next(iter(tensors.values()))
        if values.dim() < 3:
            return int(values.shape[-1])
        # Some models read `[row, band, column]`, others `[row, column, band]`.
        n_bands = getattr(self.extractor, "num_mel_bins", None) or getattr(self.extractor, "feature_size", None)
        n_bands = (n_bands or 0) * self._stacked
        return int(values.shape[2] if values.shape[1] == n_bands != values.shape[2] else values.shape[1])

    def seconds_per_column(self, tensors: Mapping[str, Tensor]) -> float:
        """Return the seconds from one column of a spectrogram to the next, or from one sample."""
        return 1 / self.rate if next(iter(tensors.values())).dim() < 3 else self._hop_seconds

    @property
    def _hop_seconds(self) -> float:
        hop = getattr(self.extractor, "hop_length", None)
        # Kaldi's features have no setting for it: 10 ms.
        return (hop / self.rate if isinstance(hop, int) else 0.01) * self._stacked

    @property
    def _stacked(self) -> int:
        """How many columns the feature extractor joins into one."""
        stride = getattr(self.extractor, "stride", None)
        return stride if isinstance(stride, int) and stride > 0 else 1


@contextmanager
def refuse_short_sounds(seconds: float) -> Iterator[None]:
    """Turn a convolution that is wider than the sound into a refusal.

    Raises:
        NoText: the sound is too short for the model.
    """
    try:
        yield
    except RuntimeError as error:
        if "Kernel size can't be greater" not in str(error):
            raise
        raise NoText(f"The sound of {seconds:.3f} s is too short for this model: give a longer one.") from error


@contextmanager
def probe_of_sound(
    module: PreTrainedModel, sounds: SoundReader, tokenizer: PreTrainedTokenizerBase | None, name: str
) -> Iterator[dict[str, Tensor]]:
    """Give a short sound as the inputs of a model, with five tokens for its decoder.

    Raises:
        NotEnoughMemory: the model reads long sounds only, and the weights of all its layers do not fit.
    """
    with short_encoder(module, PROBE_POSITIONS) as n_short:
        seconds = PROBE_POSITIONS * 0.02
        inputs = sounds.features(module, probe_sound(sounds.rate, seconds))
        if n_short:
            inputs = {name: values[..., : 2 * n_short] for name, values in inputs.items()}
        else:
            _admit_weights(module, count_columns(module, sounds.count_columns(inputs)), name)
        if module.config.is_encoder_decoder and tokenizer is not None:
            # Not special tokens alone: in a random model these may all be alike.
            ids = tokenizer(PROBE_TEXT, add_special_tokens=False)["input_ids"][:4]
            start = module.config.decoder_start_token_id or 0
            inputs["decoder_input_ids"] = torch.tensor([[start, *ids]], device=module.device)
        yield inputs


def _admit_weights(module: PreTrainedModel, n_positions: int, name: str) -> None:
    sizes = [getattr(module.config, one, 1) for one in ("num_hidden_layers", "num_attention_heads")]
    n_maps = sizes[0] * sizes[1] if all(isinstance(size, int) for size in sizes) else 1
    admit(4 * n_maps * n_positions**2, f"Loading {name}", "choose a model that reads shorter sounds")


@contextmanager
def short_encoder(module: PreTrainedModel, n_positions: int) -> Iterator[int]:
    """Let Whisper's encoder read a short spectrogram meanwhile, since it otherwise reads 30 seconds only.

    Gives the number of positions, 0 for other models. The weights of all layers of 30 seconds would take gigabytes.
    """
    encoder = getattr(getattr(module, "model", module), "encoder", None)
    table = getattr(encoder, "embed_positions", None)
    if module.config.model_type != "whisper" or encoder is None or not isinstance(table, nn.Embedding):
        yield 0
        return
    n_short = min(n_positions, table.num_embeddings)
    whole = encoder.config.max_source_positions
    try:
        encoder.config.max_source_positions = n_short
        encoder.embed_positions = nn.Embedding.from_pretrained(table.weight[:n_short])
        yield n_short
    finally:
        encoder.config.max_source_positions, encoder.embed_positions = whole, table


def probe_sound(rate: int, seconds: float) -> Sound:
    """Return a sound whose pitch rises, which the verification at loading reads."""
    time = np.arange(round(rate * seconds)) / rate
    samples = 0.5 * np.sin(2 * np.pi * (200 + 400 * time) * time) + 0.1 * np.sin(2 * np.pi * 1_330 * time)
    return Sound(samples.astype(np.float32), rate)
