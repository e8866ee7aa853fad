"""Limits of a folder's JSON files, far above any published model's, checked before anything is built."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import BrokenModel
from models.images import MAX_SIDE

# The largest published configurations name 22,000 classes twice, in 2 MB, and nest 5 deep.
_MAX_VALUES, _MAX_DEPTH = 500_000, 32
# A table of positions has a row for each patch, and attention a number for each pair: 4,096 pixels a side in patches of
# 8.
MAX_PATCHES = 262_144
MAX_LAYERS = 4_096
# Experts of all layers together. The largest published models have 384 in 61 layers, 23,424.
MAX_EXPERTS = 65_536
# Families whose experts are rows of a table: Doge has 16,384.
_EXPERTS_ARE_ROWS = {"doge"}
_PROCESSOR = "processor_config.json"
_PICTURE_FILES = ("preprocessor_config.json", _PROCESSOR)
# Parts of the name of a setting: a size in pixels, and a product of two such sizes.
_SIDE, _PIXELS = re.compile(r"size|edge|height|width|side|crop|pad"), re.compile(r"pixels")


def read_settings(path: Path) -> Any:
    """Return the content of a JSON file of settings.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or has more values or nests deeper than any model's.
    """
    raw = path.read_bytes()
    n_values = raw.count(b",") + raw.count(b"{") + raw.count(b"[")  # before Python makes an object of each
    if n_values > _MAX_VALUES:
        raise ValueError(f"it has {n_values:,} values, expected {_MAX_VALUES:,} at most")
    try:
        found = json.loads(raw.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"it nests deeper than {_MAX_DEPTH} levels") from error
    level, depth = [found], 0
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if depth > _MAX_DEPTH:
            raise ValueError(f"it nests deeper than {_MAX_DEPTH} levels")
    return found


def refuse_absurd_products(described: dict[str, Any], name: str) -> None:
    """Let a configuration through in which no product of two sizes is far above any published model's.

    Raises:
        BrokenModel: it has too many experts in all layers, or too many patches.
    """
    for part in parts(described):
        layers = _largest(part, r"layers?|depths?|blocks")
        experts = _largest(part, r"experts")
        if layers[1] * experts[1] > MAX_EXPERTS and part.get("model_type") not in _EXPERTS_ARE_ROWS:
            raise BrokenModel(
                f"The config.json of {name} says {layers[0]} is {layers[1]:,} and {experts[0]} is "
                f"{experts[1]:,}, expected {MAX_EXPERTS:,} experts in all layers at most: save or fetch the model "
                "again."
            )
        n_named = _expanded(part.get("attention_types"))
        if n_named > MAX_LAYERS:
            raise BrokenModel(
                f"The config.json of {name} says attention_types has {n_named:,} layers, expected "
                f"{MAX_LAYERS:,} at most: save or fetch the model again."
            )
        side, patch = _numbers(part.get("image_size")), _numbers(part.get("patch_size"))
        n_patches = (max(side, default=0) // max(1, min(patch, default=1))) ** 2 if patch else 0
        if n_patches > MAX_PATCHES:
            raise BrokenModel(
                f"The config.json of {name} says image_size is {max(side):,} and patch_size is {min(patch):,}, "
                f"expected {MAX_PATCHES:,} patches at most: save or fetch the model again."
            )


def refuse_absurd_pictures(folder: Path, name: str) -> None:
    """Let a folder through whose image processor makes pictures of a usual size.

    Raises:
        BrokenModel: it asks for pictures that are larger than any model reads, or a size is not a number.
    """
    for file in _PICTURE_FILES:
        path = folder / file
        if not path.exists():
            continue
        try:
            described = read_settings(path)
            if file == _PROCESSOR:  # transformers takes this part of it, and the other parts have no sizes in pixels
                described = described.get("image_processor") if isinstance(described, dict) else None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)[:160]
            raise BrokenModel(f"The {file} of {name} is not readable ({why}): save or fetch it again.") from error
        # The edges of Qwen-VL's processor are numbers of pixels in all, as older versions of it named them.
        areas = isinstance(described, dict) and "merge_size" in described
        for setting, value in _leaves(described):
            setting = (
                re.sub(r"^size\.(shortest|longest)_edge$", r"size.\1_edge in pixels", setting) if areas else setting
            )
            _refuse_absurd_side(f"The {file} of {name}", setting, value)


def _refuse_absurd_side(whose: str, setting: str, value: Any) -> None:
    maximum = MAX_SIDE**2 if _PIXELS.search(setting) else MAX_SIDE
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_side = bool(_SIDE.search(setting) or _PIXELS.search(setting)) and not setting.startswith(("do_", "_"))
    if number:
        # The other numbers of a processor are not larger either, but means may be negative.
        wrong = not math.isfinite(value) or value > maximum or value < (0 if is_side else -maximum)
    else:
        # A way to pad or to crop is a word. A size that is a word would fail later, with another sentence.
        wrong = isinstance(value, str) and re.search(r"(size|edge|height|width|pixels)(\.|$)", setting) is not None
    if wrong:
        came = f"{value:,}" if number else repr(value)[:40]
        raise BrokenModel(
            f"{whose} says {setting[:80]} is {came}, expected a number from 0 to {maximum:,}: save or fetch it again."
        )


def _leaves(described: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value that is not an object or list, with the names on the path to it: `size.height`."""
    waiting = [("", described)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{name}.{inner}".lstrip("."), one) for inner, one in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((name, one) for one in reversed(value))
        else:
            yield name, value


def parts(described: Any) -> Iterator[dict[str, Any]]:
    """Yield a configuration and those nested in it."""
    waiting = [described]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _largest(part: dict[str, Any], names: str) -> tuple[str, int]:
    found = [(name, max(_numbers(value), default=0)) for name, value in part.items() if re.search(f"({names})$", name)]
    return max(found, key=lambda named: named[1], default=("", 0))


def _expanded(attention_types: Any) -> int:
    """Return how many layers GPT-Neo's `[[["global", "local"], 12]]` stands for: transformers makes a list of them."""
    pairs = [pair for pair in attention_types if isinstance(pair, list)] if isinstance(attention_types, list) else []
    return sum(len(pair[0]) * pair[1] for pair in pairs if [type(one) for one in pair] == [list, int])


def _numbers(value: Any) -> list[int]:
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]
