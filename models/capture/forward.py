"""One forward pass of a batch, and the attention of each layer in it.

There are two ways with one result: the weights are replayed from queries and keys (models/capture/interface.py), or
the model itself returns them (`output_attentions`, in eager attention). Both give, for each row of the batch, layers by
role: "self", or "encoder", "decoder" and "cross".
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.capture.devices import Copies
from models.capture.head import replace_parts
from models.capture.interface import NotReplayed, OnLayerOutput, recording
from models.capture.interventions import Intervention
from models.capture.replay import Layer, LayerLike, MaterialisedLayer
from models.errors import BrokenModel, NoAttention
from models.images import PatchSequence
from models.tasks import find_task

Layers = dict[str, list[Layer]]
AnyLayer = TypeVar("AnyLayer", bound=LayerLike)
OnOutput = Callable[[Any], None]
ROLES = ("self", "encoder", "decoder", "cross")
_CROSS = re.compile(r"cross|encoder_attn|encdec", re.IGNORECASE)
# Cached, because the forward pass of a short text takes only milliseconds.
_parameters_of: dict[type, frozenset[str]] = {}
_bodies: WeakKeyDictionary[nn.Module, PreTrainedModel] = WeakKeyDictionary()
_names: WeakKeyDictionary[nn.Module, dict[int, str]] = WeakKeyDictionary()


def model_inputs(module: nn.Module, *encoded: Mapping[str, Sequence[int]], pad_id: int = 0) -> dict[str, Tensor]:
    """Return tokenizers' lists as tensors `[row, token]`, only those that the model's forward has a parameter for.

    A tokenizer may give token types to a model that has none (Llama's, DistilBERT's). Shorter rows are padded on the
    right, which changes no position before the padding.
    """
    parameters, device = _parameters(module), next(module.parameters()).device
    longest = max(len(row["input_ids"]) for row in encoded)
    inputs = {}
    for name in encoded[0]:
        if name in parameters:
            padding = pad_id if name == "input_ids" else 0
            rows = [[*row[name], *[padding] * (longest - len(row[name]))] for row in encoded]
            inputs[name] = torch.tensor(rows, device=device)
    if len(encoded) > 1 and "attention_mask" in parameters and "attention_mask" not in inputs:
        rows = [[position < len(row["input_ids"]) for position in range(longest)] for row in encoded]
        inputs["attention_mask"] = torch.tensor(rows, dtype=torch.long, device=device)
    return inputs


def accepted_inputs(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the inputs that the model's forward has a parameter for."""
    parameters = _parameters(module)
    return {name: values for name, values in tensors.items() if name in parameters}


def image_inputs(module: PreTrainedModel, patches: PatchSequence) -> dict[str, Tensor]:
    """Return a picture's pixel values on the model's device, in its dtype."""
    return {name: values.to(module.device, module.dtype) for name, values in patches.inputs.items()}


def body(module: PreTrainedModel) -> PreTrainedModel:
    """Return the part of a model with the attention, without the head that computes a logit for every word.

    T5's language models have no such part. Theirs is a copy whose output layer passes on what it gets, as `logits`.
    SpeechT5's does not read token ids, so it is run with its head. A model without a head is run as a whole: DPR's base
    gives no attention.
    """
    if not (find_task(module) or module.can_generate()):
        return module
    base = cast(PreTrainedModel, module.base_model)
    if module.config.is_encoder_decoder and "decoder_input_ids" not in _parameters(base):
        return module
    if base is not module or not isinstance(getattr(module, "lm_head", None), nn.Module):
        return base
    if module not in _bodies:
        _bodies[module] = replace_parts(module, lm_head=nn.Identity())
    return _bodies[module]


def text_part(module: PreTrainedModel) -> nn.Module:
    """Return the part of a model that reads tokens: of a model that also sees pictures, its language model."""
    config = module.config
    if getattr(config, "vision_config", None) is None or config.get_text_config() is config:
        return module
    whole = body(module)
    return next((part for name in ("language_model", "text_model") if (part := getattr(whole, name, None))), whole)


def _parameters(module: nn.Module) -> frozenset[str]:
    """Return the names of the parameters of a module's forward."""
    kind = type(module)
    if kind not in _parameters_of:
        _parameters_of[kind] = frozenset(inspect.signature(kind.forward).parameters)
    return _parameters_of[kind]


def implementations(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the attention functions of a model's parts, one for each part that has a configuration."""
    parts = [part for part in module.modules() if isinstance(part, PreTrainedModel)]
    return tuple(str(part.config._attn_implementation) for part in parts)


def check_unchanged(module: nn.Module, verified: tuple[str, ...], name: str) -> None:
    """Let a model through that is in evaluation mode, with the `implementations` that were `verified` at load.

    The model is not reset here: another thread may be training it, and would continue without dropout unnoticed.

    Raises:
        BrokenModel: a part of it is in training mode, or has another attention function.
    """
    if any(part.training for part in module.modules()):
        raise BrokenModel(
            f"{name} is in training mode, where dropout changes its weights from pass to pass: call "
            "model.module.eval() before a trace, and model.module.train() to continue the training after it."
        )
    for expected, found in zip(verified, implementations(module), strict=False):
        if expected != found:
            raise BrokenModel(
                f"{name} was loaded with the attention implementation {expected!r}, which captures its weights, and "
                f"has {found!r} now: call model.module.set_attn_implementation({expected!r}) before a trace."
            )


def forward_options(module: nn.Module) -> dict[str, bool]:
    """Return the options of a single forward pass."""
    # A cache would keep a second copy of every key and value, and there is only one pass. BART's decoder alone is
    # wrapped in a module that passes on whatever it gets.
    names = _parameters(module)
    return {"use_cache": False} if "use_cache" in names or {"args", "kwargs"} <= names else {}


def replayed_layers(
    module: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
) -> Layers:
    """Run one forward pass of one row and return its layers, replayed; see `replayed_batch`."""
    return replayed_batch(module, inputs, through_weights=through_weights, on_call=on_call)[0]


def replayed_batch(
    module: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
    on_layer_output: OnLayerOutput | None = None,
    on_output: OnOutput | None = None,
    intervention: Intervention | None = None,
) -> list[Layers]:
    """Run one forward pass and return each row's layers, replayed from queries and keys.

    `on_call(number)` is called after each attention call with the number of calls so far; the pass ends if it raises.
    `on_layer_output` receives each call's values and output, `on_output` what the module gives. `intervention` changes
    the attention of this pass.

    Raises:
        NotReplayed: a layer sees windows of the input, or chooses keys in addition to its mask.
    """
    part = text_part(module)
    own = None if part is module else frozenset(map(id, part.modules()))
    with recording(
        through_weights=through_weights,
        on_call=on_call,
        on_layer_output=on_layer_output,
        modules=own,
        intervention=intervention,
        role_of=partial(role_of, module),
    ) as calls:
        output = module(**inputs, **forward_options(module))
    if on_output is not None:
        on_output(output)
    n_rows = _count_rows(inputs)
    batch: list[Layers] = [defaultdict(list) for _ in range(n_rows)]
    copies: Copies = {}
    for call in calls:
        if len(call.replays) != n_rows:
            raise NotReplayed(f"{type(call.module).__name__} sees windows of the input as separate rows.")
        role = role_of(module, call.module)
        for layers, replay in zip(batch, call.replays, strict=True):
            layers[role].append(replay.cpu(copies))
    return batch


def _count_rows(inputs: Mapping[str, Tensor]) -> int:
    return len(next(iter(inputs.values())))


def role_of(module: PreTrainedModel, part: nn.Module) -> str:
    """Return the role (one of `ROLES`) of an attention module in a model."""
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


def materialised_batch(
    module: PreTrainedModel, inputs: Mapping[str, Tensor], on_output: OnOutput | None = None
) -> list[Layers]:
    """Run one forward pass in eager attention and return each row's layers' weights, by the same roles.

    `on_output` receives what the module gives.

    Raises:
        NoAttention: the pass gave no attention weights.
    """
    output = module(**inputs, **forward_options(module), output_attentions=True)
    if on_output is not None:
        on_output(output)
    fields = {
        "self": "attentions",
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    batch: list[Layers] = [{} for _ in range(_count_rows(inputs))]
    in_windows = False
    for role, field in fields.items():
        # Hybrid models also have layers without attention weights.
        for returned in (weights for weights in getattr(output, field, None) or () if isinstance(weights, Tensor)):
            if returned.dim() == 4 and len(returned) > len(batch):
                in_windows = True
            elif _is_softmax(returned, len(batch)):
                for layers, weights in zip(batch, returned.cpu(), strict=True):
                    layers.setdefault(role, []).append(MaterialisedLayer(weights, _is_causal(weights)))
    if not batch[0]:
        raise NoAttention(explain_windows(module) if in_windows else explain_no_attention(module))
    return batch


def _is_softmax(weights: Tensor, n_rows: int) -> bool:
    """Return whether `weights` are `[row, head, query, key]` of a softmax.

    Some models return scores under the same name (SqueezeBERT), or the state of a recurrence (MiniMax, RWKV). NaN is
    accepted, because pictures show it.
    """
    if weights.dim() != 4 or len(weights) != n_rows:
        return False
    # A tenth more than 1 leaves room for the rounding of half types.
    return not bool((weights < 0).any()) and not bool((weights.sum(-1) > 1.1).any())


def _is_causal(weights: Tensor) -> bool:
    _, n_query, n_key = weights.shape
    return n_query == n_key and n_query > 1 and not bool(weights.triu(1).any())


def in_order(layers: Mapping[str, list[AnyLayer]]) -> list[list[AnyLayer]]:
    """Return the layers of each role, in the order of `ROLES`."""
    return [layers[role] for role in ROLES if layers.get(role)]


def trim(layers: Layers, n_tokens: int, n_target: int) -> Layers:
    """Return the layers of one row of a batch without the padding on its right."""
    lengths = {"cross": (n_target, n_tokens), "decoder": (n_target, n_target)}
    return {
        role: [layer.part(*lengths.get(role, (n_tokens, n_tokens))) for layer in found]
        for role, found in layers.items()
    }


def explain_no_attention(module: nn.Module) -> str:
    """Return the refusal of a model that computes no attention weights."""
    return (
        f"{type(module).__name__} gives no attention weights over its whole input (it mixes tokens another way, or "
        "joins several models), so there is nothing to show: choose one transformer with softmax attention."
    )


def explain_windows(module: nn.Module) -> str:
    """Return the refusal of a model whose weights are not one for each pair of positions."""
    return (
        f"{type(module).__name__} gives its attention as windows around each token, not as one weight for each "
        "pair of tokens, which Headlight cannot draw: choose a transformer with full attention."
    )
