"""The refusals of this package, each with one sentence that a visitor can act on."""

from __future__ import annotations


class HeadlightError(Exception):
    """Base of all refusals: `str(error)` is one sentence with what was expected, what came, and the remedy."""


class UnknownModel(HeadlightError):
    """The name is not a bundled name, a folder, or a hub id that exists."""


class ModelUnreachable(HeadlightError):
    """The hub cannot be reached and the model is not in the local cache."""


class UnsafeWeights(HeadlightError):
    """The weights are not in the safetensors format, or a file is outside the model's folder or is not a plain file."""


class ForeignFormat(HeadlightError):
    """The folder contains files for another library: quantised weights, an adapter, GGUF, ONNX."""


class RemoteCode(HeadlightError):
    """The model needs Python code from its folder, which Headlight never runs."""


class NoTokenizer(HeadlightError):
    """The model has no tokenizer, so text cannot become tokens."""


class NoAttention(HeadlightError):
    """The architecture has no attention weights to show."""


class NotEnoughMemory(HeadlightError):
    """The estimated bytes exceed the free memory or the budget."""


class TooLong(HeadlightError):
    """The estimated time exceeds the budget of the server."""


class BrokenModel(HeadlightError):
    """The checkpoint exists but does not load, or the loaded model cannot run."""


class NoText(HeadlightError):
    """There is nothing to inspect in the input, or the model does not read this kind of input."""


class NoAnswer(HeadlightError):
    """The model does not answer in the way that is asked for, or its answer can no longer be computed."""


class BadSelection(HeadlightError, LookupError):
    """A kind, layer, head or position that this attention does not have."""


class BadArgument(HeadlightError, TypeError):
    """An argument of another type than the function takes."""


class BadSettings(HeadlightError, ValueError):
    """Settings of a training from which no network can be built, or only one that is too large."""


class BadTraining(HeadlightError):
    """A training that cannot start or continue."""


class CannotWrite(HeadlightError):
    """A file cannot be written: the disk is full or read-only, or the folder was deleted."""


class BadMatrix(HeadlightError, ValueError):
    """A matrix that attention cannot be computed with: a value that is not finite, or a shape that does not fit."""


class BadTrace(HeadlightError, ValueError):
    """A file that is no trace, is damaged, or takes more memory than it may."""


def no_such_kind(kind: str, kinds: tuple[str, ...]) -> BadSelection:
    """Return the refusal of a kind of attention; `kinds` are those that the model has."""
    return BadSelection(f"There is no {kind[:40]!r} attention here: this model has {' and '.join(kinds)}.")


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of Rust code (tokenizers, safetensors), whose class no module exports."""
    return not isinstance(error, Exception) and type(error).__name__ == "PanicException"


def short_message(error: BaseException) -> str:
    """Return the first line of an error, short enough to quote in a sentence, without a path of this machine.

    A first line that only introduces the next one (`Class validation error for ...:`) is skipped.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = next((line for line in lines if not line.endswith(":")), "".join(lines[:1]))
    return (message or type(error).__name__)[:160]
