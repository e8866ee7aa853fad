"""Where a trace comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a trace comes from: everything needed to make it again.

    `generate` is the number of tokens that the model generated after the text; `generated` the text that it generated,
    after the text or for its own decoder if there is no target. `image` is the hash of the picture that it read.
    `words` and `words_pair` are the words of the texts if these were given as words, `ids` the token ids if these were
    given. `messages` are the role and the content of each message of a conversation, whose text is `text`. `audio` is
    the hash of the sound that it read. `ablate` has the kind, the layer and the number of each changed head, and how it
    was changed; `mask_tokens` the positions that no other token could attend to (decision 28).
    """

    model: str
    revision: str
    architecture: str
    device: str
    dtype: str
    capture: str
    text: str
    text_pair: str | None = None
    target: str | None = None
    generate: int = 0
    image: str | None = None
    generated: str | None = None
    words: tuple[str, ...] | None = None
    words_pair: tuple[str, ...] | None = None
    ids: tuple[int, ...] | None = None
    messages: tuple[tuple[str, str], ...] | None = None
    add_special_tokens: bool = True
    src_lang: str | None = None
    tgt_lang: str | None = None
    audio: str | None = None
    ablate: tuple[tuple[str, int, int, str], ...] = ()
    mask_tokens: tuple[int, ...] = ()
