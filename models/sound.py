"""A sound as a model reads it: one channel, at the model's sampling rate, from a file or from an array."""

from __future__ import annotations

import logging
import math
import os
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float
from torch import Tensor

from models.errors import NoText, short_message
from models.tensors import array_of_tensor

log = logging.getLogger("headlight.models")

FORMATS = ("WAV", "FLAC", "OGG", "MP3")
# What is decoded of a file, and what an array may have: ten minutes of stereo at 48,000 samples a second.
MAX_SAMPLES = 57_600_000
MAX_SECONDS = 600.0
MAX_FILE_BYTES = 1_000_000_000
MAX_CHANNELS = 32
# Samples a second, from below a telephone's to above any studio's.
LOWEST_RATE, HIGHEST_RATE = 1_000, 384_000
# Seconds after the end that are also resampled, so that the filter sees what follows the cut.
MARGIN = 0.5
_REMEDY = f"give a file in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, an array of samples, or (array, sampling_rate)"


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound of one channel: `samples` between -1 and 1 as float32, `rate` of them a second.

    `notices` say what was changed in reading it. `digest` names it: equal samples have equal digests.
    """

    samples: Float[np.ndarray, " sample"]
    rate: int
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.samples.flags.writeable = False

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return len(self.samples) / self.rate

    @property
    def digest(self) -> str:
        """A short hash of the samples and their rate."""
        return sha256(self.samples.tobytes() + str(self.rate).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Raw:
    """Samples `[sample, channel]` before they are mixed and resampled, and how long the whole sound is."""

    samples: np.ndarray
    rate: int
    seconds: float
    notices: tuple[str, ...] = ()


def read_sound(audio: Any, rate: int, max_seconds: float | None = None) -> Sound:
    """Return a sound at `rate` samples a second, cut to `max_seconds`.

    `audio` is a path, a file open for reading, samples (one or two axes: channels are averaged), or `(samples,
    sampling_rate)`. Samples without a rate have the rate `rate`. Of a file, only what is read is decoded.

    Raises:
        NoText: it is empty, not readable as a sound, too large, or has values that are not finite.
    """
    longest = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
    if isinstance(audio, Sound):
        raw = _Raw(audio.samples[:, None], audio.rate, audio.seconds, audio.notices)
    elif isinstance(audio, (str, os.PathLike)):
        raw = _read_path(audio, longest)
    elif hasattr(audio, "read"):
        raw = _read_file(audio, "The file", longest)
    elif isinstance(audio, tuple) and len(audio) == 2 and not isinstance(audio[0], Real):
        raw = _read_array(audio[0], _check_rate(audio[1]), longest)
    else:
        raw = _read_array(audio, rate, longest)
    return _finish(raw, rate, longest)


def _finish(raw: _Raw, rate: int, longest: float) -> Sound:
    """Return the sound in one channel, at the rate that the model reads, cut to what it reads."""
    notices = list(raw.notices)
    if raw.samples.shape[1] > 1:
        notices.append(f"The sound has {raw.samples.shape[1]} channels: the model reads their mean.")
    samples = raw.samples.mean(axis=1, dtype=np.float32)
    if not len(samples):
        raise NoText(f"The sound is empty: it has no samples; {_REMEDY}.")
    if not bool(np.isfinite(samples).all()):
        raise NoText("The sound has values that are not finite numbers (NaN or infinite): save or compute it again.")
    if raw.rate != rate:
        from scipy.signal import resample_poly  # here, since it takes half a second to import

        common = math.gcd(raw.rate, rate)
        samples = resample_poly(samples, rate // common, raw.rate // common).astype(np.float32)
        notices.append(
            f"The sound was resampled from {raw.rate:,} to {rate:,} samples a second, which the model reads."
        )
    if raw.seconds > longest:
        notices.append(
            f"The first {longest:g} of {raw.seconds:,.1f} seconds are shown: this is the maximum that is read at once."
        )
    return Sound(np.ascontiguousarray(samples[: round(longest * rate)]), rate, tuple(notices))


def _read_path(path: str | os.PathLike[str], longest: float) -> _Raw:
    try:
        place = Path(path).expanduser()
        shown = place.name[:80] or str(place)[:80]
        # Only plain files: a pipe would never end.
        if not place.is_file():
            what = "is a folder" if place.is_dir() else "does not exist"
            raise NoText(f"The sound {shown!r} {what}: {_REMEDY}.")
        if place.stat().st_size > MAX_FILE_BYTES:
            raise NoText(f"The sound {shown!r} is larger than {MAX_FILE_BYTES // 10**9} GB: give a shorter part of it.")
        with place.open("rb") as file:
            return _read_file(file, repr(shown), longest)
    except (OSError, ValueError, RuntimeError) as error:
        raise NoText(f"The sound cannot be opened ({short_message(error)}): {_REMEDY}.") from error


def _read_file(file: Any, name: str, longest: float) -> _Raw:
    if getattr(file, "closed", False):
        raise NoText(f"{name} is closed: open it again, or give its path.")
    try:
        with closing(soundfile.SoundFile(file)) as opened:
            rate, channels = _check_rate(opened.samplerate), opened.channels
            wanted = min(opened.frames, math.ceil((longest + MARGIN) * rate))
            if channels > MAX_CHANNELS or wanted * channels > MAX_SAMPLES:
                raise NoText(
                    f"{name} has {channels} channels of {wanted:,} samples, the maximum is {MAX_SAMPLES:,} in at most "
                    f"{MAX_CHANNELS} channels: give a shorter part of it."
                )
            samples = opened.read(wanted, dtype="float32", always_2d=True)
            seconds = max(opened.frames, len(samples)) / rate
    except (soundfile.SoundFileError, OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        log.info("not a sound: %s", error)
        raise NoText(f"{name} is not a sound that can be read: {_REMEDY}.") from error
    # The header of a damaged file promises more than the file has.
    if len(samples) < wanted:
        short = f"{name} ends after {len(samples) / rate:,.1f} seconds, its header says {seconds:,.1f}: it is damaged."
        return _Raw(samples, rate, len(samples) / rate, (short,))
    return _Raw(samples, rate, seconds)


def _read_array(audio: Any, rate: int, longest: float) -> _Raw:
    if isinstance(audio, Tensor):
        audio = array_of_tensor(audio, "sound", _REMEDY)
    if not isinstance(audio, np.ndarray):
        audio = _array_of_list(audio)
    if audio.ndim not in (1, 2) or audio.dtype.kind not in "fiu":
        raise NoText(
            f"A sound is an array of real numbers with one axis, or two with channels, not {audio.dtype} with the "
            f"shape {audio.shape}: {_REMEDY}."
        )
    if audio.size > MAX_SAMPLES:
        raise NoText(f"The sound has {audio.size:,} samples, the maximum is {MAX_SAMPLES:,}: give a shorter part.")
    samples = audio[:, None] if audio.ndim == 1 else audio if audio.shape[0] >= audio.shape[1] else audio.T
    if samples.shape[1] > MAX_CHANNELS or (len(samples) and not samples.shape[1]):
        raise NoText(
            f"The sound has {samples.shape[1]} channels, expected 1 to {MAX_CHANNELS}: give the samples alone."
        )
    seconds = len(samples) / rate
    samples = samples[: math.ceil((longest + MARGIN) * rate)]
    if samples.dtype.kind == "f":
        return _Raw(samples.astype(np.float32), rate, seconds)
    largest = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = largest if samples.dtype.kind == "u" else 0.0
    scaled = ((samples - middle) / largest).astype(np.float32)
    return _Raw(scaled, rate, seconds, (f"The samples are whole numbers ({samples.dtype}): they were scaled to 1.",))


def _array_of_list(audio: Any) -> np.ndarray:
    if not isinstance(audio, (list, tuple)):
        raise NoText(f"A sound was expected, not {_name_type(audio)}: {_REMEDY}.")
    if len(audio) > MAX_SAMPLES:
        raise NoText(
            f"The sound has {len(audio):,} samples, the maximum is {MAX_SAMPLES:,}: give a shorter part of it."
        )
    try:
        return np.asarray(audio, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise NoText(f"A list that is a sound has one number for each sample: {_REMEDY}.") from error


def _name_type(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _check_rate(rate: Any) -> int:
    """Return a sampling rate as a whole number.

    Raises:
        NoText: it is none, or far from any sound's.
    """
    try:
        whole = int(rate)
        is_whole = not isinstance(rate, (str, bytes, bool)) and whole == rate
    except (TypeError, ValueError, OverflowError):
        whole, is_whole = 0, False
    if not is_whole or not LOWEST_RATE <= whole <= HIGHEST_RATE:
        raise NoText(
            f"A sampling rate is a whole number of samples a second, from {LOWEST_RATE:,} to {HIGHEST_RATE:,}, not "
            f"{str(rate)[:40]}: give the rate of the recording."
        )
    return whole
