"""A module in memory to a `Model`, through the same verification as a folder; the module stays its owner's."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from models.capture.borrowed import Borrowed
from models.checkpoints.build import build_model
from models.checkpoints.health import weight_notices
from models.checkpoints.processors import InputProcessors
from models.checkpoints.tokenizer import tokenizer_notices
from models.checkpoints.unwrap import Unwrapped, unwrap
from models.checkpoints.verify import verify_capture
from models.checkpoints.weights import supports_interface
from models.errors import BrokenModel, NoTokenizer
from models.images import ImageReader
from models.model import Model


def load_in_memory(given: Any, tokenizer: Any, images: Any) -> Model:
    """Return a model that traces a module in memory.

    The module is used as it is, on its device and in its dtype. Its attention function is switched during a pass only.
    Its revision is "", because its owner may change its weights at any time.

    Raises:
        HeadlightError: as `load_model`.
    """
    found = unwrap(given)
    module = found.module
    name = f"{_name(module)} in memory"
    _refuse_unready(module, name)
    processors = _find_processors(found, tokenizer, images, name)
    borrowed = Borrowed(module)
    with borrowed.loading():
        if not supports_interface(module) and module.config._attn_implementation != "eager":
            # It makes the masks of that function, with which eager attention computes other weights (Falcon).
            raise BrokenModel(
                f"{name} cannot switch its attention function, which is {module.config._attn_implementation!r}: load "
                "it with from_pretrained(..., attn_implementation='eager')."
            )
        notices = (*found.notices, *weight_notices(module))
        if processors.tokenizer is not None:
            notices = (*notices, *tokenizer_notices(processors.tokenizer, module))
        verified = verify_capture(module, processors, name, computing=borrowed.verifying)
        return build_model(module, processors, (name, ""), verified, notices, borrowed)


def _name(module: PreTrainedModel) -> str:
    """Return the name that the module was loaded by, without the folders of this machine, or its class."""
    path = PurePath(str(module.name_or_path or ""))
    name = path.name if path.is_absolute() or len(path.parts) > 2 else str(path)
    return name[:80] if name not in ("", ".") else type(module).__name__


def _refuse_unready(module: PreTrainedModel, name: str) -> None:
    tensors = [*module.parameters(), *module.buffers()]
    if not tensors or any(tensor.is_meta for tensor in tensors):
        raise BrokenModel(
            f"{name} has no weights in memory (they are on the meta device or in files): load it with from_pretrained "
            "on one device, without device_map or offloading."
        )
    if any(hasattr(tensor, "device_mesh") or type(tensor).__name__ == "FlatParameter" for tensor in tensors):
        raise BrokenModel(
            f"{name} is one shard of a model that is distributed over several processes: gather its weights, save them "
            "with save_pretrained, and give that folder."
        )
    if any(part.training for part in module.modules()):
        raise BrokenModel(
            f"{name} is in training mode, where dropout changes its weights from pass to pass: call its eval() before "
            "load_model and before a trace, and its train() to continue the training after it."
        )
    if getattr(module.config, "attention_type", None) == "block_sparse":
        raise BrokenModel(
            f"{name} computes block-sparse attention in long texts, which has no weight for each pair of tokens: call "
            "its set_attention_type('original_full'), or give its folder."
        )


def _find_processors(found: Unwrapped, tokenizer: Any, images: Any, name: str) -> InputProcessors:
    """Return what the module reads with, as it was given or as the object around the module has it."""
    text = _inner(tokenizer, "tokenizer", PreTrainedTokenizerBase) or found.tokenizer
    pictures = _inner(images, "image_processor", BaseImageProcessor) or found.images
    if tokenizer is not None and text is None:
        raise NoTokenizer(
            f"load_model(module, tokenizer) takes a tokenizer of transformers, not {type(tokenizer).__name__}: give "
            "AutoTokenizer.from_pretrained(...), or PreTrainedTokenizerFast(tokenizer_object=...) around one of the "
            "tokenizers library."
        )
    if images is not None and pictures is None:
        raise NoTokenizer(
            f"load_model(module, images=...) takes an image processor of transformers, not {type(images).__name__}: "
            "give AutoImageProcessor.from_pretrained(...)."
        )
    if found.module.main_input_name == "pixel_values" and hasattr(found.module.config, "patch_size"):
        if pictures is None:
            raise NoTokenizer(
                f"{name} reads pictures: give its image processor, load_model(module, images=...), such as "
                "AutoImageProcessor.from_pretrained(...)."
            )
        return InputProcessors(images=ImageReader(pictures, found.module.config))
    if text is None:
        raise NoTokenizer(
            f"{name} came without a tokenizer: give it, load_model(module, tokenizer), such as "
            "AutoTokenizer.from_pretrained(...). To trace token ids without one, call "
            "trace_module(module, ids, tokens=[...])."
        )
    return InputProcessors(text)


def _inner(given: Any, name: str, kind: type) -> Any:
    """Return what is given if it is of a kind, or the part of a processor that is."""
    found = given if isinstance(given, kind) else getattr(given, name, None)
    return found if isinstance(found, kind) else None
