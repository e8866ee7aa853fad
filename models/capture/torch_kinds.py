"""The calls of one pass as layers: which kind of attention each is, and which calls belong together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from models.capture.torch_attention import TorchCall
from models.errors import BadSelection

# The order of the kinds in a trace.
KINDS = ("encoder", "decoder", "cross")
Layers = dict[str, list[TorchCall]]
# The numbers of queries, of keys that are positions, and the names of the other keys.
_Positions = tuple[int, int, tuple[str, ...]]


def group_by_kind(calls: Sequence[TorchCall]) -> Layers:
    """Return the calls of each kind, in their order.

    A sequence that attends to itself is "decoder" if it is the one that attends to another sequence: in the same layer,
    before (its number of positions is that of the queries and not that of the keys), or after (it was computed from
    the result).
    """
    kinds = [call.fixed_kind or ("encoder" if call.to_itself else "cross") for call in calls]
    crossing = [call for call, kind in zip(calls, kinds, strict=True) if kind == "cross"]
    layers: Layers = defaultdict(list)
    for call, kind in zip(calls, kinds, strict=True):
        of_queries = kind == "encoder" and call.fixed_kind is None and any(_is_beside(call, one) for one in crossing)
        layers["decoder" if of_queries else kind].append(call)
    return dict(layers)


def _is_beside(call: TorchCall, cross: TorchCall) -> bool:
    """Return whether a call is attention among the queries of another call."""
    _, n_query, n_key = cross.replay.shape
    if call.replay.shape[1] != n_query:
        return False
    return call.follows_cross or n_key != n_query or _share_layer(call.owner, cross.owner)


def _share_layer(one: str | None, other: str | None) -> bool:
    """Return whether two modules have the same parent, or are in one layer: a part whose name is a number."""
    if one is None or other is None:
        return False
    paths = [name.split(".") for name in (one, other)]
    common = [a for a, b in zip(*paths, strict=False) if a == b]
    common = common[: next((n for n, (a, b) in enumerate(zip(*paths, strict=False)) if a != b), len(common))]
    return any(map(str.isdigit, common)) or paths[0][:-1] == paths[1][:-1]


def choose_layers(layers: Layers, tokens: int | None, target_tokens: int | None, model: str) -> tuple[Layers, Layers]:
    """Return the layers of each kind that have the same positions, and those that differ from them.

    `tokens` and `target_tokens` are the numbers of names that were given. Without names that decide it, the layers
    belong together that fit to the cross-attention, else the most.

    Raises:
        BadSelection: nothing decides which layers belong together.
    """
    chosen: Layers = {}
    names = {"cross": (target_tokens, tokens), "encoder": (tokens, tokens), "decoder": (target_tokens, target_tokens)}
    for kind in ("cross", "encoder", "decoder"):
        found = layers.get(kind, []) + (_keys_among_themselves(layers, chosen) if kind == "encoder" else [])
        groups = _by_positions(found)
        fitting = _fit(groups, names[kind])
        if groups and not fitting and "cross" in chosen:
            continue  # the names are those of the cross-attention's sides, and these layers are on neither
        fitting = _fit(fitting, _cross_side(kind, chosen)) or fitting or list(groups)
        sizes = Counter({one: len(groups[one]) for one in fitting}).most_common(2)
        if len(sizes) > 1 and sizes[0][1] == sizes[1][1]:
            raise _differ(kind, model, sizes[0][0], sizes[1][0])
        if sizes:
            chosen[kind] = groups[sizes[0][0]]
    shown = [call for found in chosen.values() for call in found]
    left = {kind: [call for call in found if call not in shown] for kind, found in layers.items()}
    return chosen, {kind: found for kind, found in left.items() if found}


def _fit(positions: Iterable[_Positions], wanted: tuple[int | None, int | None]) -> list[_Positions]:
    """Return those with the wanted numbers of queries and keys, of which None is any."""
    return [one for one in positions if all(n in (None, m) for n, m in zip(wanted, one, strict=False))]


def _keys_among_themselves(layers: Layers, chosen: Layers) -> list[TorchCall]:
    """Return the layers among what is the keys of the chosen cross-attention and the queries of another one."""
    if "cross" not in chosen:
        return []
    n_query, n_key, _ = _positions(chosen["cross"][0])
    among = [call for call in layers.get("decoder", ()) if call.fixed_kind is None]
    return [call for call in among if n_key != n_query and _positions(call)[:2] == (n_key, n_key)]


def _cross_side(kind: str, chosen: Layers) -> tuple[int | None, int | None]:
    """Return the number of positions of the side of the cross-attention that this kind belongs to."""
    if kind == "cross" or "cross" not in chosen:
        return None, None
    n_query, n_key, _ = _positions(chosen["cross"][0])
    return (n_key, n_key) if kind == "encoder" else (n_query, n_query)


def _positions(call: TorchCall) -> _Positions:
    _, n_query, n_key = call.replay.shape
    return n_query, n_key - len(call.extra), call.extra


def _by_positions(calls: Sequence[TorchCall]) -> dict[_Positions, list[TorchCall]]:
    groups: dict[_Positions, list[TorchCall]] = defaultdict(list)
    for call in calls:
        groups[_positions(call)].append(call)
    return dict(groups)


def _differ(kind: str, model: str, one: _Positions, other: _Positions) -> BadSelection:
    (first_query, first_key, first_extra), (n_query, n_key, extra) = one, other
    return BadSelection(
        f"The {kind} layers of {model} differ in their positions: one has {first_query} queries and "
        f"{first_key + len(first_extra)} keys, another {n_query} and {n_key + len(extra)}. Give tokens and "
        "target_tokens, whose numbers choose the layers, or trace its parts one at a time, each with its own input."
    )


def are_numbered(names: Sequence[str | None]) -> bool:
    """Return whether the layers of a kind are called by their numbers in the trace: `blocks.0.attn`, `blocks.1.attn`.

    Then a picture's layer 1 is the module's.
    """
    if len(names) < 2 or None in names:
        return True
    numbers = [[int(n) for n in re.findall(r"(?<![^.])\d+(?![^.])", str(name))] for name in names]
    if len({len(each) for each in numbers}) > 1:
        return False
    different = [each for each in map(list, zip(*numbers, strict=True)) if len(set(each)) > 1]
    return different == [list(range(len(names)))] or len(set(names)) == 1
