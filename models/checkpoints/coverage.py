"""Whether the captured layers are all of the model's: a side or a layer that pictures lack is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from transformers import PreTrainedConfig

# What configurations call the number of layers of a side.
_COUNTS = {
    "self": ("num_hidden_layers", "n_layers", "num_layers", "n_layer"),
    "encoder": (
        "encoder_layers",
        "num_encoder_layers",
        "encoder_num_hidden_layers",
        "num_layers",
        "num_hidden_layers",
    ),
    "decoder": (
        "decoder_layers",
        "num_decoder_layers",
        "decoder_num_hidden_layers",
        "num_hidden_layers",
        "num_layers",
    ),
}
_SIDES = {"encoder": "encoder", "decoder": "decoder", "cross": "attention of the decoder to the encoder"}
_MAX_NAMED = 12


def coverage_notices(
    config: PreTrainedConfig, counts: Mapping[str, int], names: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield a sentence for each side without captured attention, and for each with other layers than the model's.

    `counts` are the numbers of captured layers by role; `names` those of their modules, where they are known.
    """
    if config.is_encoder_decoder:
        missing = [side for role, side in _SIDES.items() if not counts.get(role)]
        if missing:
            yield (
                f"This {config.model_type} model gives no attention weights for each pair of tokens of its "
                f"{' and its '.join(missing)}, so pictures lack it."
            )
    for role, n_found in counts.items():
        expected = count_layers(config, role)
        if n_found and expected is not None and n_found != expected:
            yield _compare(role, n_found, expected, names.get(role, ()))


def count_layers(config: PreTrainedConfig, role: str) -> int | None:
    """Return the number of layers of a side that a configuration describes, None if it does not say."""
    side = "decoder" if role == "cross" else role
    parts = [getattr(config, name, None) for name in (side, f"{side}_config")]
    inner = next((part for part in parts if isinstance(part, PreTrainedConfig)), None)
    if isinstance(inner, PreTrainedConfig):
        return count_layers(inner, "self")
    described = config.get_text_config()
    if isinstance(depths := getattr(described, "depths", None), list | tuple):
        return sum(depths)
    found = (getattr(described, name, None) for name in _COUNTS[side])
    count = next((count for count in found if type(count) is int), None)
    if count is None and len(described.sub_configs) == 1:
        only = getattr(described, *described.sub_configs)
        return count_layers(only, side) if isinstance(only, PreTrainedConfig) else None
    return count


def _compare(role: str, n_found: int, n_expected: int, names: Sequence[str]) -> str:
    side = "" if role == "self" else f"{role} "
    numbers = [found[0] if (found := re.findall(r"(?<![^.])\d+(?![^.])", name)) else None for name in names]
    known = len(numbers) == n_found and None not in numbers
    if n_found > n_expected:
        where = f" (in the order {', '.join(names[:_MAX_NAMED])})" if len(names) == n_found else ""
        return f"The model's {n_expected:,} {side}layers give {n_found:,} {side}attention layers in pictures{where}."
    which = ""
    if known and [str(n) for n in numbers] != [str(n) for n in range(n_found)]:
        listed = ", ".join(f"layer {at} is its layer {number}" for at, number in enumerate(numbers[:_MAX_NAMED]))
        which = f": in pictures, {listed}{' and so on' if n_found > _MAX_NAMED else ''}"
    return (
        f"{n_found:,} of the model's {n_expected:,} {side}layers give an attention weight for each pair of tokens and "
        f"are shown, counted from 0{which}."
    )
