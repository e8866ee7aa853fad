"""What a traced module's owner has to know: attention that is not shown, and what would show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from transformers import PreTrainedModel

from models.capture.masks import Spans
from models.capture.replay import ALL, Replay
from models.capture.torch_attention import TorchAttention, TorchCall
from models.capture.torch_kinds import KINDS, Layers, are_numbered

MISREAD = (
    "The weights are shown with the mask's numbers added to the scores, as torch documents it. Without gradients, "
    "torch's fast path for encoder layers reads such a mask as boolean, and the module computes something else."
)
_MAX_NAMED = 4
_USE_FUNCTION = (
    "let them call scaled_dot_product_attention (timm: timm.layers.set_fused_attn(True) before the model is made)"
)


def make_notices(
    module: nn.Module, seen: TorchAttention, layers: Layers, left: Layers, *, as_nested: bool
) -> tuple[str, ...]:
    """Return a sentence for each difference between the trace and what the module computes.

    `layers` are shown, `left` have other positions than these.
    """
    shown = [call for found in layers.values() for call in found]
    notices = [MISREAD] if as_nested and any(_is_misread(call, module) for call in shown) else []
    notices += _name_layers(layers)
    for kind, found in left.items():
        names = _list([f"{_named(call)} ({call.replay.shape[1]} x {call.replay.shape[2]})" for call in found])
        notices.append(
            f"{len(found)} {kind} layers have other positions and are not shown: {names}. Names of their numbers "
            "(tokens, target_tokens) show them."
        )
    notices += _name_unseen(module, seen)
    if any(call.drops for call in shown):
        notices.append(
            "The module applies dropout to its attention in evaluation mode too; the weights are shown without it."
        )
    for kind in KINDS:
        n_blind = max((_count_blind_queries(call.replay) for call in layers.get(kind, ())), default=0)
        if n_blind:
            notices.append(
                f"{n_blind} {kind} queries may attend to no key, so torch's own weights are NaN there: "
                "they are shown with equal weights on all keys."
            )
    return tuple(notices)


def explain_nothing_seen(module: nn.Module, seen: TorchAttention) -> str:
    """Return the refusal of a module whose pass gave no attention, with what would give it."""
    name = type(module).__name__
    unseen = list(_name_unseen(module, seen))
    if unseen:
        return f"{name} gives no attention to show. {' '.join(unseen)}"
    return (
        f"{name} called neither nn.MultiheadAttention nor scaled_dot_product_attention, so there is nothing to show: "
        "pass a module that is built from them, or open a model of transformers with load_model."
    )


def _name_layers(layers: Layers) -> Iterator[str]:
    """Yield which module each layer of a kind is, if their numbers do not say it."""
    for kind, found in layers.items():
        names = [call.owner for call in found]
        if not are_numbered(names):
            listed = _list([f"{number} is {_named(call)}" for number, call in enumerate(found)], maximum=12)
            yield f"Of the {kind} layers, {listed}."


def _name_unseen(module: nn.Module, seen: TorchAttention) -> Iterator[str]:
    """Yield what seems to be attention and is not shown."""
    missed = _list_uncalled(module, seen)
    if missed:
        yield (
            f"{len(missed[0])} of {missed[1]} nn.MultiheadAttention modules gave no attention in this pass, "
            f"the first of them {missed[0][0] or 'itself'}: they were not called, or are compiled (pass the module "
            "from before it was compiled)."
        )
    if seen.unread:
        yield (
            f"{_count(seen.unread)} not shown, because {'its' if len(set(seen.unread)) == 1 else 'their'} rows are not "
            f"the items of the batch but windows, groups or frames of the input: {_list(_unique(seen.unread))}."
        )
    parts = dict(module.named_modules())
    inner = {name: _inner_model(name, parts) for name in _unique(seen.by_hand)}
    for path in _unique([path for path in inner.values() if path is not None]):
        where = f"module.{path}" if path else "module"
        yield (
            f"{type(parts[path]).__name__} computes its attention by hand (attn_implementation "
            f"{parts[path].config._attn_implementation!r}), which is not shown: load_model({where}, tokenizer) reads "
            f"texts with it, and after {where}.set_attn_implementation('sdpa') this function shows it."
        )
    by_hand = [name for name, path in inner.items() if path is None]
    if by_hand:
        yield (
            f"{_count(by_hand)} not shown, because it is computed by hand with a softmax: "
            f"{_list([name or 'the module' for name in by_hand])}. To show it, {_USE_FUNCTION}."
        )
    if seen.n_others:
        yield f"{seen.n_others} more attention calls were made in one piece, without weights to read."


def _list_uncalled(module: nn.Module, seen: TorchAttention) -> tuple[list[str], int] | None:
    """Return the names of `nn.MultiheadAttention` modules that were not seen, and how many there are in all."""
    # One that torch.jit compiled has another class.
    parts = [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, nn.MultiheadAttention) or getattr(part, "original_name", None) == "MultiheadAttention"
    ]
    called = {id(call.module) for call in seen.calls}
    missed = [name for name, part in parts if id(part) not in called]
    return (missed, len(parts)) if missed else None


def _inner_model(name: str, parts: dict[str, nn.Module]) -> str | None:
    """Return the path of the model of transformers that a part belongs to, None if it belongs to none."""
    path = name.split(".")
    above = [".".join(path[:length]) for length in range(len(path) + 1)]
    return next((one for one in above if isinstance(parts[one], PreTrainedModel)), None)


def _count_blind_queries(replay: Replay) -> int:
    """Return how many queries of a layer may attend to no key, in the head with the most of them."""
    if isinstance(replay.mask, Spans):
        return int((replay.mask.first == replay.mask.end).sum())
    allowed = None if replay.mask is None else replay.allowed(ALL, ALL)
    return 0 if allowed is None else int((~allowed.any(-1)).sum(-1).max())


def _is_misread(call: TorchCall, module: nn.Module) -> bool:
    """Return whether torch's fast path would read a mask of numbers as a boolean mask (seen in torch 2.13)."""
    mask = call.replay.mask
    if not isinstance(mask, Tensor) or not call.owner:
        return False
    layer = module.get_submodule(call.owner.rpartition(".")[0])
    if not isinstance(layer, nn.TransformerEncoderLayer):
        return False
    attention = layer.self_attn
    on_fast_path = attention.batch_first and attention.num_heads % 2 == 0 and attention.in_proj_bias is not None
    # Below -10,000, adding a number and forbidding the pair have the same result.
    return on_fast_path and not bool(((mask == 0) | (mask < -1e4)).all())


def _named(call: TorchCall) -> str:
    return call.owner or "the module"


def _count(names: Sequence[str]) -> str:
    n_names = len(set(names))
    return "The attention of 1 module is" if n_names == 1 else f"The attention of {n_names} modules is"


def _unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _list(names: Sequence[str], maximum: int = _MAX_NAMED) -> str:
    more = len(names) - maximum
    return ", ".join(names[:maximum]) + (f" and {more} more" if more > 0 else "")
