"""What a model is asked to read, in one value: `Model.trace` and `Model.estimate` make it from their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypedDict

import numpy as np

from models.errors import NoText
from models.given_text import GivenText, Text, read_text

MAX_BATCH = 64
# A message of a conversation: its "role" and its "content", or both as a pair.
Message = Mapping[str, Any] | tuple[str, str]


class Inputs(TypedDict, total=False):
    """The arguments of `Model.trace` and `Model.estimate` in addition to the text; `Request` describes them."""

    text_pair: Text | None
    target: str | None
    generate: int
    messages: Sequence[Message] | None
    add_special_tokens: bool
    src_lang: str | None
    tgt_lang: str | None
    image: Any
    audio: Any
    ablate: Mapping[Any, Any] | None
    mask_tokens: Sequence[int] | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a model is asked to read: a text, a conversation, a picture or a sound.

    Attributes:
        text: a string, the words of a text, or its token ids, which are read exactly as they are.
        text_pair: a second segment (BERT's sentence pairs).
        target: what an encoder-decoder's decoder reads; without it, a short text that it generates greedily.
        generate: the number of tokens by which a decoder first continues the text; the trace covers both.
        messages: a conversation, of which the model's own chat template makes a text. `generate` answers it, or
            continues a last message of the assistant.
        add_special_tokens: False if the tokenizer must add none, neither to the text nor to the target.
        src_lang: the language of the text, or of the sound, as the tokenizer names it (`Model.languages`).
        tgt_lang: the language of the target, or of the text that the decoder generates.
        image: a picture, an array, a tensor or the path of a file: alone for a vision encoder, with the text for a
            model that reads both (LLaVA, Qwen-VL, SmolVLM), in the place that its chat template gives to it, or where
            the text has the mark of a picture.
        audio: the path of a sound file, an array at the model's `sampling_rate`, or an array and its rate.
        ablate: heads to change in this pass, as (layer, head) of the model's first kind or (kind, layer, head), and
            how: "zero" (the head's output is 0), "mean" (the mean of its own outputs over the positions of this text
            that are not masked, in a decoder and in cross attention over the positions so far), or attention that is
            forced: "uniform" (1/n to each of the n keys that a position may attend to), "first", "previous", "self".
            docs/decisions/0028-causes.md has the papers.
        mask_tokens: positions of the text that no other token may attend to, in every layer.
    """

    text: Text | None = None
    text_pair: Text | None = None
    target: str | None = None
    generate: int = 0
    messages: Sequence[Message] | None = None
    add_special_tokens: bool = True
    src_lang: str | None = None
    tgt_lang: str | None = None
    image: Any = None
    audio: Any = None
    ablate: Mapping[Any, Any] | None = None
    mask_tokens: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check what a tokenizer would fail on, with a bare error of Python.

        Raises:
            NoText: an argument has another type than it must have.
        """
        if self.text_pair is not None and self.read_pair().ids is not None:
            raise NoText("text_pair is a text or its words, not token ids: give the ids of both texts as one list.")
        for name in ("target", "src_lang", "tgt_lang"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise NoText(f"{name} is a string, not of the type {type(value).__name__}: give a string.")
        if not isinstance(self.add_special_tokens, (bool, np.bool_)):
            kind = type(self.add_special_tokens).__name__
            raise NoText(f"add_special_tokens is True or False, not of the type {kind}: give one of these.")
        if isinstance(self.generate, bool) or not isinstance(self.generate, Integral):
            kind = type(self.generate).__name__
            raise NoText(f"generate is a number of tokens, not of the type {kind}: give a whole number.")
        self._refuse_beside_ids()

    def _refuse_beside_ids(self) -> None:
        if self.text is None or self.read_text().ids is None:
            return
        beside = [name for name in ("text_pair", "src_lang") if getattr(self, name) is not None]
        if beside:
            raise NoText(f"Token ids are read as they are: leave out {' and '.join(beside)}, or give a text.")

    def read_text(self) -> GivenText:
        """Return the text, its words or its ids.

        Raises:
            NoText: it is nothing of these.
        """
        return read_text("" if self.text is None else self.text)

    def read_pair(self) -> GivenText:
        """Return the second text, or its words.

        Raises:
            NoText: it is nothing of these.
        """
        return read_text("" if self.text_pair is None else self.text_pair, "second text")

    def refuse_beside(self, what: str, allowed: Sequence[str] = ()) -> None:
        """Refuse what is given in addition to one input, such as a text beside a picture.

        `what` is the input as a sentence names it, `allowed` are the fields that may be given with it.

        Raises:
            NoText: another input is given.
        """
        names = ("text", "text_pair", "target", "generate", "messages", "image", "audio", "src_lang", "tgt_lang")
        given = {name: getattr(self, name) for name in names if name not in allowed}
        beside = [
            name for name, value in given.items() if value is not None and not (name == "generate" and value == 0)
        ]
        if beside:
            raise NoText(f"{what} is read alone: leave out {' and '.join(beside)}.")


def batch_requests(
    texts: Sequence[Text] | str,
    targets: Sequence[str] | str | None = None,
    ablate: Any = None,
    mask_tokens: Any = None,
) -> list[Request]:
    """Return the request for each text of a batch; `Model.trace_batch` describes the arguments.

    Raises:
        NoText: one string instead of a list, no texts or too many, or not a target or a change for each text.
    """
    if isinstance(texts, str) or isinstance(targets, str):
        what = "texts" if isinstance(texts, str) else "targets"
        raise NoText(f"A batch reads a list, and its {what} came as one string: give [text], or call trace.")
    if not 1 <= len(texts) <= MAX_BATCH or (targets is not None and len(targets) != len(texts)):
        raise NoText(
            f"A batch has 1 to {MAX_BATCH} texts, and a target for each or for none; "
            f"{len(texts)} texts and {len(targets or ())} targets came."
        )
    of_each: dict[str, Sequence[Any]] = {"text": texts, "target": targets or [None] * len(texts)}
    for name, given in (("ablate", ablate), ("mask_tokens", mask_tokens)):
        of_each[name] = [given] * len(texts) if given is None or isinstance(given, Mapping) else given
        if len(of_each[name]) != len(texts):
            raise NoText(f"{name} has {len(given)} entries for {len(texts)} texts: give one for each.")
    return [Request(**dict(zip(of_each, one, strict=True))) for one in zip(*of_each.values(), strict=True)]
