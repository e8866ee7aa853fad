"""What a model is asked to read, in one value: `Model.trace` and `Model.estimate` make it from their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from models.errors import NoText
from models.given_text import Text

# A message of a conversation: its "role" and its "content".
Message = Mapping[str, Any]


class Inputs(TypedDict, total=False):
    """The arguments of `Model.trace` and `Model.estimate` in addition to the text; see `Request`."""

    text_pair: Text | None
    target: str | None
    generate: int
    messages: Sequence[Message] | None
    add_special_tokens: bool
    src_lang: str | None
    tgt_lang: str | None
    image: Any
    audio: Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a model is asked to read: a text, a conversation, a picture or a sound.

    `text_pair` is a second segment, `target` what an encoder-decoder's decoder reads, `generate` the number of tokens
    that a decoder continues by. `messages` is a conversation, which the model's own template makes a text.
    `add_special_tokens` is False if the tokenizer must add none. `src_lang` and `tgt_lang` are the languages of a
    translation, as its tokenizer names them. `image` is a picture, `audio` a sound.
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

    def refuse_beside(self, what: str, allowed: Sequence[str] = ()) -> None:
        """Refuse what is given in addition to one input, such as a text beside a picture.

        `what` is the input as a sentence names it, `allowed` are the fields that may be given with it.

        Raises:
            NoText: another input is given.
        """
        names = ("text", "text_pair", "target", "generate", "messages", "image", "audio", "src_lang", "tgt_lang")
        beside = [name for name in names if name not in allowed and getattr(self, name) not in (None, 0)]
        if beside:
            raise NoText(f"{what} is read alone: leave out {' and '.join(beside)}.")
