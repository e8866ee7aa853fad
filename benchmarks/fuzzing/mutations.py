"""How values, JSON and bytes are spoilt: by the structure that they have, or blindly."""

import json
from copy import deepcopy
from random import Random
from typing import Any

# Numbers at the edges of types and of what a list or a table may have.
NUMBERS = (
    *(-1, 0, 1, 2, 3, 7, 13, 64, 255, 256, 4097, 65_537, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30),
    *(-2, -(2**31), -(2**63), 0.0, -0.0, 0.5, -0.5, 1.5, 1e-320, 1e308, -1e308, float("nan"), float("inf")),
)
STRINGS = (
    *("", " ", "x", "0", "-1", "1e999", "NaN", "null", "true", "None", "auto", "\0", "a\nb", "\u202eabc", "\ud800"),
    *("../../etc/passwd", "/etc/passwd", "~root", "file:///etc/passwd", "http://127.0.0.1:9/", "..", ".", "C:\\x"),
    *(
        "<script>alert(1)</script>",
        "=1+1",
        "{{7*7}}",
        "%s%n",
        "$x$",
        "[a](javascript:x)",
        "🏴‍☠️",
        "é" * 50,
        "a" * 10_000,
    ),
    *("gelu", "relu", "torch.float64", "float16", "bert", "gpt2", "eager", "sdpa", "LlamaModel", "BertTokenizer"),
)


def scalar(dice: Random) -> Any:
    """Return a value of any type, most often an odd one."""
    return dice.choice(
        (
            lambda: dice.choice(NUMBERS),
            lambda: dice.choice(STRINGS),
            lambda: dice.choice((None, True, False)),
            lambda: dice.choice(([], {}, [[]], [None], {"": None}, [0] * 100, ["a", 1, None])),
            lambda: dice.randrange(-10, 1000),
            lambda: dice.random() * 10,
        )
    )()


def nested(dice: Random) -> Any:
    """Return a value deep inside lists or objects."""
    value = scalar(dice)
    for _ in range(dice.choice((1, 2, 5, 50, 400))):
        value = [value] if dice.random() < 0.5 else {"a": value}
    return value


def mutated_json(dice: Random, value: Any, times: int = 0) -> Any:
    """Return a copy of a JSON value that is spoilt in one to four places."""
    value = deepcopy(value)
    for _ in range(times or dice.choice((1, 1, 1, 2, 2, 4))):
        value = _mutated_once(dice, value)
    return value


def _mutated_once(dice: Random, value: Any) -> Any:
    holders = list(_holders(value))
    if not holders or dice.random() < 0.01:
        return scalar(dice)
    # Long tables (a vocabulary) hold most of the places; the short ones mean more.
    holder = dice.choice(sorted(holders, key=len)[: max(1, len(holders) // 2)] if dice.random() < 0.5 else holders)
    place = dice.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    deed = dice.randrange(8)
    if deed == 0:
        del holder[place]
    elif deed == 1:
        holder[place] = nested(dice)
    elif deed == 2:
        other = dice.choice(holders)
        holder[place] = deepcopy(dice.choice(list(other.values()) if isinstance(other, dict) else other))
    elif deed == 3 and isinstance(holder, dict):
        holder[dice.choice((f"{place}s", f" {place}", str(place).upper(), *STRINGS))] = holder.pop(place)
    elif deed == 4:
        holder[place] = _other_type(holder[place])
    elif deed == 5 and isinstance(holder[place], (int, float)):
        holder[place] = dice.choice((-holder[place], holder[place] + 1, holder[place] * 2, holder[place] - 1, 0))
    else:
        holder[place] = scalar(dice)
    return value


def _holders(value: Any) -> Any:
    """Yield all lists and objects that hold something."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (dict, list)) and one:
            yield one
            waiting.extend(one.values() if isinstance(one, dict) else one)


def _other_type(value: Any) -> Any:
    """Return the same value as another type has it."""
    if isinstance(value, str):
        return list(value)[:20]
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return dict(enumerate(map(str, value[:20])))
    return list(value.items())[:20] if isinstance(value, dict) else 0


def written(dice: Random, value: Any) -> bytes:
    """Return JSON as a file has it, now and then with what JSON forbids or leaves open."""
    text = json.dumps(value)
    deed = dice.randrange(48)
    if deed == 0 and text.startswith("{") and len(text) > 2:
        # The same names twice: readers differ in which of them holds.
        text = (
            "{" + json.dumps(mutated_json(dice, value, 1))[1:-1] + ", " + text[1:] if isinstance(value, dict) else text
        )
    elif deed == 1:
        text = "\ufeff" + text
    elif deed == 2:
        return text.encode("utf-16")
    elif deed == 3:
        text = text[: dice.randrange(len(text) + 1)]
    elif deed == 4:
        text = text[:-1] + ",}"
    elif deed == 5:
        text = text.replace(dice.choice("0123456789"), "9" * dice.choice((20, 400, 5000)), 1)
    elif deed == 6:
        text = "[" * dice.choice((10, 900, 100_000)) + text
    elif deed == 7:
        return mutated_bytes(dice, text.encode())
    return text.encode("utf-8", "surrogatepass")


def mutated_bytes(dice: Random, raw: bytes, *, first: int = 0, last: int | None = None) -> bytes:
    """Return bytes with one to eight places between `first` and `last` changed, cut out, doubled or cut off."""
    spoilt = bytearray(raw)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        end = min(len(spoilt), last or len(spoilt))
        if end <= first:
            break
        place, deed = dice.randrange(first, end), dice.randrange(7)
        if deed <= 1:
            spoilt[place] ^= 1 << dice.randrange(8)
        elif deed == 2:
            spoilt[place] = dice.choice((0, 1, 127, 128, 255))
        elif deed == 3:
            del spoilt[place : place + dice.choice((1, 2, 4, 64))]
        elif deed == 4:
            spoilt[place:place] = dice.randbytes(dice.choice((1, 4, 64)))
        elif deed == 5:
            spoilt[place:place] = spoilt[place : place + dice.choice((4, 64, 512))]
        else:
            del spoilt[place:]
    return bytes(spoilt)
