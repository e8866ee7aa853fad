"""What can go wrong in this room, each with one sentence that a visitor can act on."""

from __future__ import annotations


class HeadlightError(Exception):
    """Base of all refusals: `str(error)` is one sentence with what was expected, what came, and the remedy."""


class UnknownModel(HeadlightError):
    """The name is neither bundled, nor a folder, nor a hub id that exists."""


class ModelUnreachable(HeadlightError):
    """The hub cannot be reached and the model is not in the local cache."""


class UnsafeWeights(HeadlightError):
    """The weights are not in the safetensors format, or a file lies outside the model's folder or is no plain file."""


class ForeignFormat(HeadlightError):
    """What the folder holds is for another library: quantised weights, an adapter, GGUF, ONNX."""


class RemoteCode(HeadlightError):
    """The model brings Python code of its own, which Headlight never runs."""


class NoTokenizer(HeadlightError):
    """The model has no tokenizer, so text cannot become tokens."""


class NoAttention(HeadlightError):
    """The architecture has no attention weights to show."""


class NotEnoughMemory(HeadlightError):
    """The estimated bytes exceed what is free."""


class TooLong(HeadlightError):
    """The estimated time exceeds what the operator allows."""


class BrokenModel(HeadlightError):
    """The checkpoint exists but does not load, or what was loaded cannot run as it is."""


class NoText(HeadlightError):
    """There is nothing to inspect in the text."""


class BadSelection(HeadlightError, LookupError):
    """A kind, layer, head or position that this attention does not have."""


class BadSettings(HeadlightError, ValueError):
    """Settings of a training that make no network, or one too large."""


class BadTraining(HeadlightError):
    """A folder in which a training cannot start or go on."""


class CannotWrite(HeadlightError):
    """The disk does not take a file: it is full, read-only, or the folder was deleted."""


class BadMatrix(HeadlightError):
    """A matrix that attention cannot be computed with: a number that is none, or a shape that does not fit."""


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of Rust code (tokenizers, safetensors), whose class no module exports."""
    return not isinstance(error, Exception) and type(error).__name__ == "PanicException"


def short_message(error: BaseException) -> str:
    """Return the first line of an error, short enough to quote in a sentence, without a path of this machine.

    A first line that announces what follows (`Class validation error for ...:`) is left for the one after it.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = next((line for line in lines if not line.endswith(":")), "".join(lines[:1]))
    return (telling or type(error).__name__)[:160]
