"""Where the families that read a text with a picture put the patches of the picture among their tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from transformers.image_processing_utils import select_best_resolution

from models.patches import Patches

_TILE = re.compile(r"row_(\d+)_col_(\d+)")
# Positions of a run of placeholders: the first one, and how many.
Run = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where a family puts the patches of a picture.

    `find(processor, given, runs, pieces)` returns the grids: `given` is what the processor returns, `runs` are the
    runs of placeholders, `pieces` the vocabulary's pieces. `cropped` says that the model may see only a part of the
    picture, so that this part is drawn. `settings` make the processor's picture small. `new_type` is the token type of
    what the model generates, None if it repeats the last one.
    """

    find: Callable[[Any, Mapping[str, Any], list[Run], Sequence[str]], tuple[Patches, ...]]
    cropped: bool = False
    settings: tuple[tuple[str, Any], ...] = ()
    new_type: int | None = None


def _find_one_grid(processor: Any, given: Mapping[str, Any], runs: list[Run], pieces: Sequence[str]) -> tuple[Patches]:
    """Return the only grid of a picture of one size: LLaVA, Gemma 3, PaliGemma."""
    ((first, n_patches),) = runs
    height, width = given["pixel_values"].shape[-2:]
    rows = isqrt(n_patches * height // width)
    return (Patches(first, rows, n_patches // rows),)


def _find_merged(processor: Any, given: Mapping[str, Any], runs: list[Run], pieces: Sequence[str]) -> tuple[Patches]:
    """Return the grid of Qwen-VL: neighbouring patches become one token."""
    ((first, _),) = runs
    times, rows, columns = given["image_grid_thw"][0].tolist()
    merged = processor.image_processor.merge_size
    if times != 1:
        raise ValueError(f"the picture became {times} frames")
    return (Patches(first, rows // merged, columns // merged),)


def _find_tiles(
    processor: Any, given: Mapping[str, Any], runs: list[Run], pieces: Sequence[str]
) -> tuple[Patches, ...]:
    """Return the grids of SmolVLM and Idefics 3: tiles, named by the token before them, then the whole picture."""
    tiles = [_TILE.search(pieces[first - 1]) for first, _ in runs]
    places = [(int(tile[1]) - 1, int(tile[2]) - 1) if tile else None for tile in tiles]
    n_rows, n_columns = (max((1 + place[axis] for place in places if place), default=1) for axis in (0, 1))
    grids = []
    for (first, n_patches), place in zip(runs, places, strict=True):
        side = isqrt(n_patches)
        box = (0.0, 0.0, 1.0, 1.0)
        if place is not None:
            row, column = place
            box = (column / n_columns, row / n_rows, (column + 1) / n_columns, (row + 1) / n_rows)
        grids.append(Patches(first, side, n_patches // side, box))
    return tuple(grids)


def _find_strips(
    processor: Any, given: Mapping[str, Any], runs: list[Run], pieces: Sequence[str]
) -> tuple[Patches, ...]:
    """Return the grids of LLaVA-NeXT: the whole picture, then its tiles joined, with a token after each row."""
    ((first, _),) = runs
    side = given["pixel_values"].shape[-1] // processor.patch_size
    height, width = (int(size) for size in given["image_sizes"][0])
    n_features = processor._get_number_of_features(height, width, *given["pixel_values"].shape[-2:])
    n_rest = n_features - side**2 - processor.num_additional_image_tokens
    n_rows = _count_rows(processor, height, width, given["pixel_values"].shape[-1])
    columns, start = n_rest // n_rows - 1, first + side**2
    strips = (
        Patches(start + row * (columns + 1), 1, columns, (0.0, row / n_rows, 1.0, (row + 1) / n_rows))
        for row in range(n_rows)
    )
    return (Patches(first, side, side), *strips)


def _count_rows(processor: Any, height: int, width: int, tile: int) -> int:
    high, wide = select_best_resolution((height, width), processor.image_processor.image_grid_pinpoints)
    side = tile // processor.patch_size
    _, rows = processor._get_unpadded_features(height, width, side, side, high // tile, wide // tile)
    return int(rows)


# Families by their type. Others read pictures in ways that are not known here (a resampler has no patches).
LAYOUTS = {
    "llava": Layout(_find_one_grid, cropped=True),
    "gemma3": Layout(_find_one_grid, cropped=True),
    "paligemma": Layout(_find_one_grid, cropped=True, new_type=1),
    "llava_next": Layout(_find_strips),
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"), Layout(_find_merged)),
    **dict.fromkeys(("idefics3", "smolvlm"), Layout(_find_tiles, settings=(("do_image_splitting", False),))),
}
