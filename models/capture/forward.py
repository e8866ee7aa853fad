"""One forward pass of a batch, and what it tells of each layer's attention.

Two ways, one result: replayed from queries and keys (models/capture/interface.py), or the weights that the model gives
itself (`output_attentions`, in eager attention). Both give, for each row of the batch, layers by role: "self", or
"encoder", "decoder" and "cross".
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.capture.interface import NotReplayed, OnLayerOutput, recording
from models.capture.replay import Layer, MaterialisedLayer
from models.errors import BrokenModel, NoAttention

Layers = dict[str, list[Layer]]
ROLES = ("self", "encoder", "decoder", "cross")
_CROSS = re.compile(r"cross|encoder_attn|encdec", re.IGNORECASE)
# Found out once: a short text's forward pass takes only milliseconds.
_taken: dict[type, frozenset[str]] = {}
_names: WeakKeyDictionary[nn.Module, dict[int, str]] = WeakKeyDictionary()


def model_inputs(module: nn.Module, *encoded: Mapping[str, Sequence[int]], pad_id: int = 0) -> dict[str, Tensor]:
    """Return tokenizers' lists as tensors `[row, token]`, only those that the model takes by name.

    A tokenizer may give token types to a model that has none (Llama's, DistilBERT's). Shorter rows are padded on the
    right, where no position before the padding can tell.
    """
    taken, device = _parameters(module), next(module.parameters()).device
    longest = max(len(row["input_ids"]) for row in encoded)
    inputs = {}
    for name in encoded[0]:
        if name in taken:
            padding = pad_id if name == "input_ids" else 0
            rows = [[*row[name], *[padding] * (longest - len(row[name]))] for row in encoded]
            inputs[name] = torch.tensor(rows, device=device)
    if len(encoded) > 1 and "attention_mask" in taken and "attention_mask" not in inputs:
        rows = [[position < len(row["input_ids"]) for position in range(longest)] for row in encoded]
        inputs["attention_mask"] = torch.tensor(rows, dtype=torch.long, device=device)
    return inputs


def _parameters(module: nn.Module) -> frozenset[str]:
    """Return the names that a module's forward takes."""
    kind = type(module)
    if kind not in _taken:
        _taken[kind] = frozenset(inspect.signature(kind.forward).parameters)
    return _taken[kind]


def implementations(module: nn.Module) -> tuple[str, ...]:
    """Return the name of the attention function of each part of a model that has one of its own."""
    parts = [part for part in module.modules() if isinstance(part, PreTrainedModel)]
    return tuple(str(part.config._attn_implementation) for part in parts)


def check_unchanged(module: nn.Module, proven: tuple[str, ...], name: str) -> None:
    """Let a model through that is in evaluation mode, with the `implementations` that were `proven` at load.

    It is not set back here: another thread may be training it, and would go on without dropout in silence.

    Raises:
        BrokenModel: a part of it is in training mode, or has another attention function.
    """
    if any(part.training for part in module.modules()):
        raise BrokenModel(
            f"{name} is in training mode, where dropout changes its weights from pass to pass: call "
            "model.module.eval() before a trace, and model.module.train() to train on after it."
        )
    for expected, found in zip(proven, implementations(module), strict=False):
        if expected != found:
            raise BrokenModel(
                f"{name} was loaded with the attention implementation {expected!r}, which its weights are read from, "
                f"and has {found!r} now: call model.module.set_attn_implementation({expected!r}) before a trace."
            )


def _options(module: nn.Module) -> dict[str, bool]:
    # A cache would hold a second copy of every key and value during the only pass there is.
    return {"use_cache": False} if "use_cache" in _parameters(module) else {}


def replayed_layers(
    module: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
) -> Layers:
    """Run one forward pass of one row and return what its layers' weights depend on; see `replayed_batch`."""
    return replayed_batch(module, inputs, through_weights=through_weights, on_call=on_call)[0]


def replayed_batch(
    module: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
    keep: OnLayerOutput | None = None,
) -> list[Layers]:
    """Run one forward pass and return what each row's layers' weights depend on.

    `on_call` is told after each attention call how many there were; the pass ends if it raises. `keep` is shown each
    call's values and output (`models.capture.interface.OnLayerOutput`).

    Raises:
        NotReplayed: a layer sees windows of the input, or chooses keys besides its mask.
    """
    with recording(through_weights=through_weights, on_call=on_call, keep=keep) as calls:
        module(**inputs, **_options(module))
    n_rows = _n_rows(inputs)
    batch: list[Layers] = [defaultdict(list) for _ in range(n_rows)]
    for call in calls:
        if len(call.replays) != n_rows:
            raise NotReplayed(f"{type(call.module).__name__} sees windows of the input, each a row of its own.")
        role = role_of(module, call.module)
        for layers, replay in zip(batch, call.replays, strict=True):
            layers[role].append(replay.cpu())
    return batch


def _n_rows(inputs: Mapping[str, Tensor]) -> int:
    return len(next(iter(inputs.values())))


def role_of(module: PreTrainedModel, part: nn.Module) -> str:
    """Return which attention (one of `ROLES`) an attention module within a model computes."""
    if not module.config.is_encoder_decoder:
        return "self"
    names = _names.get(module)
    if names is None:
        names = _names[module] = {id(inner): name for name, inner in module.named_modules()}
    name = names.get(id(part), "")
    if _CROSS.search(name) or _CROSS.search(type(part).__name__):
        return "cross"
    return "decoder" if "decoder" in name else "encoder"


def materialised_layers(module: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Layers:
    """Run one forward pass of one row and return its layers' weights; see `materialised_batch`."""
    return materialised_batch(module, inputs)[0]


def materialised_batch(module: PreTrainedModel, inputs: Mapping[str, Tensor]) -> list[Layers]:
    """Run one forward pass in eager attention and return each row's layers' weights, by the same roles.

    Raises:
        NoAttention: the pass gave no attention weights.
    """
    output = module(**inputs, **_options(module), output_attentions=True)
    fields = {
        "self": "attentions",
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    batch: list[Layers] = [{} for _ in range(_n_rows(inputs))]
    in_windows = False
    for role, field in fields.items():
        # Hybrid models have layers without attention weights between those that have some.
        for given in (weights for weights in getattr(output, field, None) or () if isinstance(weights, Tensor)):
            if given.dim() == 4 and len(given) > len(batch):
                in_windows = True
            elif _is_softmax(given, len(batch)):
                for layers, weights in zip(batch, given.cpu(), strict=True):
                    layers.setdefault(role, []).append(MaterialisedLayer(weights, _looks_causal(weights)))
    if not batch[0]:
        raise NoAttention(windowed(module) if in_windows else no_attention(module))
    return batch


def _is_softmax(weights: Tensor, n_rows: int) -> bool:
    """Return whether `weights` are `[row, head, query, key]` of a softmax.

    Under the same name some models give scores (SqueezeBERT), or what a recurrence holds (MiniMax, RWKV). Broken
    weights (NaN) are let through: they are shown as such.
    """
    if weights.dim() != 4 or len(weights) != n_rows:
        return False
    # A tenth more than 1 leaves room for the rounding of half types.
    return not bool((weights < 0).any()) and not bool((weights.sum(-1) > 1.1).any())


def _looks_causal(weights: Tensor) -> bool:
    _, n_query, n_key = weights.shape
    return n_query == n_key and n_query > 1 and not bool(weights.triu(1).any())


def in_order(layers: Layers) -> list[list[Layer]]:
    """Return the layers of each role in the order in which kinds are named."""
    return [layers[role] for role in ROLES if layers.get(role)]


def trimmed(layers: Layers, n_tokens: int, n_target: int) -> Layers:
    """Return the layers of one row of a batch without the padding on its right."""
    lengths = {"cross": (n_target, n_tokens), "decoder": (n_target, n_target)}
    return {
        role: [layer.part(*lengths.get(role, (n_tokens, n_tokens))) for layer in found]
        for role, found in layers.items()
    }


def no_attention(module: nn.Module) -> str:
    """Return why a model is refused that computes no attention weights."""
    return (
        f"{type(module).__name__} gives no attention weights over its whole input (it mixes tokens another way, or "
        "joins several models), so there is nothing to show: choose one transformer with softmax attention."
    )


def windowed(module: nn.Module) -> str:
    """Return why a model is refused whose weights are not a square of all positions."""
    return (
        f"{type(module).__name__} gives its attention as windows around each token, not as one weight for each "
        "pair of tokens, which Headlight cannot draw: choose a transformer with full attention."
    )
