"""The transformers model inside the objects that people have: wrappers of torch, adapters, pipelines, trainers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from transformers import Pipeline, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from models.errors import ForeignFormat, NoAttention, UnknownModel

# No model is wrapped more often: a wrapper that contains itself would never end.
_MAX_WRAPPERS = 8


@dataclass(frozen=True)
class Unwrapped:
    """An object on the way to its model: the object, and what was found beside it."""

    module: Any
    tokenizer: PreTrainedTokenizerBase | None = None
    images: BaseImageProcessor | None = None
    notices: tuple[str, ...] = ()


def unwrap(given: Any) -> Unwrapped:
    """Return the transformers model inside an object.

    Raises:
        UnknownModel: the object is no model.
        NoAttention: it is a module of another library.
        ForeignFormat: it reads a text in another way than the model inside.
    """
    found = Unwrapped(given)
    for _ in range(_MAX_WRAPPERS):
        if isinstance(found.module, PreTrainedModel):
            return replace(found, notices=(*found.notices, *_quantised(found.module)))
        opener = next((open_ for is_wrapper, open_ in _WRAPPERS if is_wrapper(found.module)), None)
        if opener is None:
            break
        found = opener(found)
    raise _refusal(found.module)


def _refusal(given: Any) -> Exception:
    name = type(given).__name__
    if not isinstance(given, nn.Module):
        return UnknownModel(
            f"load_model takes a name, a folder or a model of transformers in memory, not {name}: give one of them."
        )
    inner = next((path for path, part in given.named_modules() if isinstance(part, PreTrainedModel)), None)
    if inner:
        return NoAttention(
            f"{name} is no model of transformers, but contains one: load_model(module.{inner}, tokenizer) reads texts "
            "with it, and trace_module(module, *inputs) traces the whole module."
        )
    return NoAttention(
        f"{name} is no model of transformers, so Headlight does not know its inputs: call "
        "trace_module(module, *inputs) with the inputs of its forward."
    )


def _is_a(name: str) -> Callable[[Any], bool]:
    """Return a test for a class of a library that need not be installed."""
    return lambda given: any(kind.__name__ == name for kind in type(given).__mro__)


def _open_peft(found: Unwrapped) -> Unwrapped:
    adapted = found.module
    configs = getattr(adapted, "peft_config", {})
    active = getattr(adapted, "active_adapter", None)
    if getattr(configs.get(active), "is_prompt_learning", False):
        raise ForeignFormat(
            "This adapter puts learned positions before each text, which have no token to show: choose an adapter of "
            "weights (LoRA), or the model without the adapter."
        )
    notice = f"The adapter {active!r} is applied, as it is in memory."
    return replace(found, module=adapted.get_base_model(), notices=(*found.notices, notice))


def _open_sentence_transformer(found: Unwrapped) -> Unwrapped:
    whole, first = found.module, next(iter(found.module.children()), None)
    inner = getattr(first, "auto_model", None)
    if inner is None:
        raise NoAttention(
            "This SentenceTransformer has no transformer as its first module, so there is no attention to show: "
            "choose one that has."
        )
    if getattr(first, "do_lower_case", False):
        raise ForeignFormat(
            "This SentenceTransformer makes texts lower case before its tokenizer reads them: give "
            "load_model(model[0].auto_model, model.tokenizer), and texts in lower case."
        )
    notices = list(found.notices)
    if getattr(whole, "default_prompt_name", None):
        prompt = (getattr(whole, "prompts", None) or {}).get(whole.default_prompt_name, "")
        notices.append(f"encode() puts the prompt {prompt!r} before each text: put it before the text of a trace too.")
    limit, tokenizer = getattr(whole, "max_seq_length", None), getattr(whole, "tokenizer", None)
    if isinstance(limit, int) and limit < getattr(tokenizer, "model_max_length", limit):
        notices.append(f"encode() cuts texts after {limit:,} tokens, a trace reads more of them.")
    return replace(found, module=inner, tokenizer=tokenizer, notices=tuple(notices))


def _open_part(name: str, tokenizer: str = "", images: str = "") -> Callable[[Unwrapped], Unwrapped]:
    """Return the function that takes the model, and possibly what it reads with, from attributes of an object."""

    def open_(found: Unwrapped) -> Unwrapped:
        given = found.module
        texts, pictures = (getattr(given, part, None) if part else None for part in (tokenizer, images))
        texts = getattr(texts, "tokenizer", texts)
        return replace(
            found,
            module=getattr(given, name),
            tokenizer=texts if isinstance(texts, PreTrainedTokenizerBase) else found.tokenizer,
            images=pictures if isinstance(pictures, BaseImageProcessor) else found.images,
        )

    return open_


def _is_parallel(given: Any) -> bool:
    return isinstance(given, nn.DataParallel | nn.parallel.DistributedDataParallel)


_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[[Unwrapped], Unwrapped]], ...] = (
    (lambda given: isinstance(given, nn.Module) and hasattr(given, "_orig_mod"), _open_part("_orig_mod")),
    (_is_parallel, _open_part("module")),
    (_is_a("PeftModel"), _open_peft),
    (_is_a("SentenceTransformer"), _open_sentence_transformer),
    (lambda given: isinstance(given, Pipeline), _open_part("model", "tokenizer", "image_processor")),
    (_is_a("Trainer"), _open_part("model", "processing_class", "processing_class")),
)


def _quantised(module: PreTrainedModel) -> tuple[str, ...]:
    method = getattr(module, "quantization_method", None)
    if method is None:
        return ()
    return (f"The weights are quantised ({getattr(method, 'value', method)}): pictures show the quantised model.",)
