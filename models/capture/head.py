"""A model's head alone: it makes the answer of what the body gave, by the model's own forward.

A body is what computes the attention and the last hidden states, a head is what follows. The forward of the whole model
is run with stand-ins for the body, so everything after it is the model's own computation: transforms, shared
embeddings, scaling, softcap. The model itself is shared and is never changed: stand-ins are put into shallow copies,
which share the weights.
"""

from __future__ import annotations

import copy
import inspect
import weakref
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from models.tasks import CLASSIFY, FIND_SPAN, WORDS, find_task

Module = TypeVar("Module", bound=nn.Module)
# Per token or per row, in this order, the output of a head is one of these. BERT's pretraining has two heads.
_ANSWERS = ("logits", "prediction_logits")


class _StandIn(nn.Module):
    """Stands for a part of a model: gives what the part gave, and is the part in everything else that is asked of it.

    A model is not kept in memory by the stand-ins of its parts.
    """

    def __init__(self, part: weakref.ref[nn.Module], given: Any = None) -> None:
        super().__init__()
        self.__dict__.update(part=part, given=given)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return self.given

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["part"](), name)


class _Stop(Exception):
    """Carries what a decoder was about to read."""


class _Stopping(nn.Module):
    def forward(self, input_ids: Tensor | None = None, **kwargs: Any) -> Any:
        raise _Stop(input_ids)


def replace_parts(module: Module, **parts: nn.Module) -> Module:
    """Return a shallow copy of a module with some parts replaced; all others are shared."""
    copied = copy.copy(module)
    copied.__dict__["_modules"] = {**module._modules, **parts}
    return copied


def replace_at(module: Module, path: tuple[str, ...], part: nn.Module) -> Module:
    """Return a shallow copy of a module with another part at a path."""
    if len(path) > 1:
        part = replace_at(module.get_submodule(path[0]), path[1:], part)
    return replace_parts(module, **{path[0]: part})


def last_hidden(output: ModelOutput) -> Tensor | None:
    """Return the last hidden states `[row, token, d_model]` of what a body gave: of the decoder, if it has one."""
    found = output.get("last_hidden_state")
    return found if found is not None else output.get("logits")


def read_states(output: ModelOutput) -> Tensor | None:
    """Return the last hidden states `[row, token, d_model]` of the text that a model reads; of the encoder, if two."""
    found = output.get("encoder_last_hidden_state", output.get("last_hidden_state"))
    return found if isinstance(found, Tensor) and found.dim() == 3 else None


def reads_its_text_twice(module: PreTrainedModel) -> bool:
    """Return whether an encoder-decoder labels a text, which its decoder reads too, so that it gets no other text."""
    return module.config.is_encoder_decoder and find_task(module) in (CLASSIFY, FIND_SPAN)


def own_decoder_ids(module: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the ids `[row, token]` that an encoder-decoder's classifier itself makes of its text for its decoder.

    Its forward is run up to the decoder, without the encoder.
    """
    base: Any = module.base_model
    no_states = (torch.zeros(1, 1, 1, device=module.device, dtype=module.dtype),)
    stopped = replace_parts(base, encoder=_StandIn(weakref.ref(base.encoder), no_states), decoder=_Stopping())
    whole = stopped if base is module else replace_parts(module, **{module.base_model_prefix: stopped})
    try:
        whole(**inputs)
    except _Stop as stop:
        ids: Tensor = stop.args[0]
        return ids
    raise ValueError(f"{type(module).__name__} runs without its decoder.")


class Head:
    """The head of a loaded model; `task` is the one of models/tasks.py that it answers.

    It shares the weights of the model's head, and keeps hardly any others in memory.
    """

    def __init__(self, module: PreTrainedModel, output: ModelOutput, within: tuple[str, ...] = ()) -> None:
        """`output` is what the body of the module gave for any input.

        `within` is the path of the part inside the body that the module's forward calls: OPT's calls the decoder.
        """
        self.task = find_task(module)
        self._kind = type(output)
        self._path = (module.base_model_prefix, *within)
        self._part = weakref.ref(module.base_model.get_submodule(".".join(within)))
        # T5's language models give what their output layer gets, and their other heads give the answer itself.
        is_whole = module.base_model is module
        self._whole = None if is_whole else replace_at(module, self._path, nn.Identity())
        self._layer = module.lm_head if is_whole and self.task in WORDS else None

    def parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the weights of the head."""
        part = self._whole or self._layer
        return tuple(part.parameters()) if part is not None else ()

    def words(self, hidden: Tensor) -> Tensor:
        """Return the logits `[token, word]` of last hidden states `[token, d_model]`."""
        weight = self.parameters()[0]
        rows = hidden[None].to(weight.device, weight.dtype)
        if self._layer is not None:
            found: Tensor = self._layer(rows)[0]
            return found
        ids = torch.zeros(rows.shape[:2], dtype=torch.long, device=rows.device)
        # BERT's pretraining has a second head, which reads the pooled state; its answer is not used.
        has_pooled = "pooler_output" in inspect.signature(self._kind).parameters
        pooled = {"pooler_output": rows[:, 0]} if has_pooled else {}
        return self._answer(self._kind(last_hidden_state=rows, **pooled), {"input_ids": ids})[0]

    def labels(self, given: ModelOutput, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of what the body gave for one text or picture, read from `inputs`.

        `[label]` for the whole, `[token, label]` for each token, or `[2, token]` for the start and end of a span.
        """
        return (read_answer(given) if self._whole is None else self._answer(given, inputs))[0]

    def _answer(self, given: ModelOutput, inputs: Mapping[str, Tensor]) -> Tensor:
        assert self._whole is not None
        return read_answer(replace_at(self._whole, self._path, _StandIn(self._part, given))(**inputs))


def read_answer(output: ModelOutput) -> Tensor:
    """Return the logits of a model's output: `[row, label]`, `[row, token, label or word]` or `[row, 2, token]`."""
    if output.get("start_logits") is not None:
        return torch.stack([output["start_logits"], output["end_logits"]], dim=1)
    found: Tensor = next(output[name] for name in _ANSWERS if output.get(name) is not None)
    return found


def row_of(output: ModelOutput, row: int, n_tokens: int | None) -> ModelOutput:
    """Return one row of what a body gave: its first `n_tokens` positions or all, and no attention weights."""
    n_rows, longest = _shape(output)

    def has_positions(name: str, value: Tensor) -> bool:
        # A pooled state `[row, d_model]` may be as wide as the text is long.
        return value.shape[1] == longest and (value.dim() > 2 or name.endswith("_logits"))

    return type(output)(
        **{
            name: value[row : row + 1, :n_tokens] if has_positions(name, value) else value[row : row + 1]
            for name, value in output.items()
            if isinstance(value, Tensor) and value.dim() > 1 and len(value) == n_rows
        }
    )


def _shape(output: ModelOutput) -> tuple[int, int]:
    found = last_hidden(output)
    first = found if found is not None else next(iter(output.values()))
    return first.shape[0], first.shape[1]
