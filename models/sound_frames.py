"""The frames of a sound as tokens: how much of it one position of the encoder stands for, and where each begins."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from models.sound import Sound
from models.tokens import Token

# Convolutions with a stride that are no part of the way from the sound to the encoder.
_ELSEWHERE = re.compile(r"adapter|decoder")
MOST_DOWNSAMPLING = 2_000


@dataclass(frozen=True)
class Frames:
    """How the positions of an encoder lie in time.

    `step` is the seconds from one to the next. `n_added` positions stand before the sound. A spectrogram transformer
    has `n_bands` positions for each time, band by band.
    """

    step: float
    n_added: int = 0
    n_bands: int = 1


def count_columns(module: PreTrainedModel, n_columns: int) -> int:
    """Return about how many positions an encoder makes of so many columns of a spectrogram, or of samples."""
    grid = patch_grid(module, n_columns)
    return grid[0] * grid[1] + 2 if grid is not None else max(1, math.ceil(n_columns / strides(module)))


def find_frames(module: PreTrainedModel, n_columns: int, seconds_per_column: float, n_positions: int) -> Frames:
    """Return how the positions that an encoder really has lie in time."""
    grid = patch_grid(module, n_columns)
    if grid is not None and n_positions >= grid[0] * grid[1]:
        step = seconds_per_column * module.config.time_stride
        return Frames(step, n_positions - grid[0] * grid[1], grid[0])
    stated = strides(module)
    near = [each for each in range(1, MOST_DOWNSAMPLING) if _fits(n_columns, each, n_positions)]
    if _fits(n_columns, stated, n_positions, missing=4):
        return Frames(stated * seconds_per_column)
    if near:
        whole = min(near, key=lambda each: abs(n_columns / each - n_positions))
        return Frames(whole * seconds_per_column)
    return Frames(n_columns * seconds_per_column / n_positions)


def _fits(n_columns: int, downsampling: int, n_positions: int, missing: int = 1) -> bool:
    """Return whether so many columns may make so many positions: wide kernels leave out some at the edges."""
    return n_columns // downsampling - missing <= n_positions <= math.ceil(n_columns / downsampling) + 1


def strides(module: PreTrainedModel) -> int:
    """Return how many inputs of the convolutions before the encoder make one of its positions."""
    product = 1
    for name, part in module.named_modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d)) and not _ELSEWHERE.search(name):
            product *= part.stride[0] if isinstance(part.stride[0], int) else 1
    return product


def patch_grid(module: PreTrainedModel, n_columns: int) -> tuple[int, int] | None:
    """Return the bands and the times of a transformer over patches of a spectrogram (AST), None for other models."""
    config = module.config
    names = ("patch_size", "time_stride", "frequency_stride", "num_mel_bins")
    sizes = [size for size in (getattr(config, name, None) for name in names) if isinstance(size, int) and size > 0]
    if len(sizes) < len(names):
        return None
    patch, time, frequency, n_mels = sizes
    return (n_mels - patch) // frequency + 1, (n_columns - patch) // time + 1


def frame_tokens(n_positions: int, frames: Frames, sound: Sound) -> tuple[Token, ...]:
    """Return a token for each position: its time is where it begins; frames after the end of the sound are special."""
    step, n_times = frames.step, max(1, (n_positions - frames.n_added) // frames.n_bands)
    decimals = 2 if abs(step * 100 - round(step * 100)) < 1e-6 else 3
    names = ["[CLS]", *(f"[added {number}]" for number in range(1, frames.n_added))][: frames.n_added]
    tokens = [Token(name, number, None, None, True, name) for number, name in enumerate(names)]
    for number in range(n_positions - frames.n_added):
        band, at = divmod(number, n_times)
        in_band = f", band {band}" if frames.n_bands > 1 else ""
        tokens.append(
            Token(
                text=f"frame {at}{in_band}",
                id=frames.n_added + number,
                start=None,
                end=None,
                special=at * step >= sound.seconds - 1e-9,
                display=f"{at * step:.{decimals}f} s{in_band}",
                seconds=round(at * step, 6),
            )
        )
    return tuple(tokens)


def padding_notice(tokens: tuple[Token, ...], sound: Sound) -> str | None:
    """Return the sentence on the frames after the end of a sound, None if there are none."""
    timed = [token for token in tokens if token.seconds is not None]
    n_padding = sum(token.special for token in timed)
    if not n_padding:
        return None
    return (
        f"The sound ends at {sound.seconds:.2f} s. The other {n_padding:,} of {len(timed):,} frames are padding, "
        "which this model reads and attends to as well; pictures mark them as special tokens."
    )
