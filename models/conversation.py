"""Conversations: messages with roles, as the text that the model's own chat template makes of them."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.chat_template import ChatTemplate
from models.errors import NoText
from models.given_text import MAX_CHARACTERS, clean_text, has_visible
from models.message_places import MAX_MESSAGES, Places, find_places
from models.tokens import Token

ASSISTANT = "assistant"
_LONGEST_ROLE = 64
_EXAMPLE = '[{"role": "user", "content": "Hello"}]'


@dataclass(frozen=True)
class Conversation:
    """A conversation as the model reads it.

    `text` is the template's, `messages` are role and content of each message, `replaced` counts the characters that are
    not valid Unicode.
    """

    text: str
    messages: tuple[tuple[str, str], ...]
    places: Places
    replaced: int = 0

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence if a message is not in the text."""
        if not self.places.missing:
            return ()
        first, n_more = self.places.missing[0], len(self.places.missing) - 1
        more = f" and {n_more:,} more" if n_more else ""
        return (
            f"Message {first + 1}{more} of the conversation ({self.messages[first][0]}) is not in the text that the "
            "chat template makes, or the template changes it.",
        )

    def with_roles(self, tokens: Sequence[Token]) -> tuple[Token, ...]:
        """Return the tokens of the text with the role of the message that each is read from."""
        starts = [start for start, _ in self.places.parts]
        roles = [role for _, role in self.places.parts]
        return tuple(
            replace(token, role=roles[bisect_right(starts, at) - 1])
            for token, at in zip(tokens, _first_characters(tokens, self.text), strict=True)
        )


class ConversationReader:
    """Reads conversations for one model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self._tokenizer = tokenizer
        self._name = name
        self._template = ChatTemplate(tokenizer, name)
        self._recent: dict[Any, Conversation] = {}

    def read(self, messages: Any, *, continued: bool = False) -> Conversation:
        """Return the text of messages, and where each message is in it.

        The model is asked to answer (`add_generation_prompt`) unless the last message is the assistant's own. That one
        is read as a whole; if the model continues it (`continued`), its end is left open
        (`continue_final_message`), as in the pipelines of transformers.

        Raises:
            NoText: these are no messages, or the model has no chat template, or the template refuses them.
        """
        pairs, replaced = check_messages(messages)
        own = pairs[-1][0] == ASSISTANT
        options = {"add_generation_prompt": not own}
        if own and continued:
            options["continue_final_message"] = True
        template = getattr(self._tokenizer, "chat_template", None)
        key = (pairs, replaced, tuple(options), own, str(template), str(self._tokenizer.special_tokens_map))
        if key not in self._recent:  # an estimate and the trace after it read the same conversation
            self._recent = {key: self._read(pairs, replaced, options)}
        return self._recent[key]

    def _read(self, pairs: tuple[tuple[str, str], ...], replaced: int, options: dict[str, bool]) -> Conversation:
        messages = [{"role": role, "content": content} for role, content in pairs]
        text = self._template.render(messages, **options)
        if not has_visible(text):
            raise NoText(f"The chat template of {self._name} makes an empty text of these messages: change them.")
        start_token = str(self._tokenizer.bos_token or "")
        places = find_places(text, messages, self._template.further(), options, start_token)
        return Conversation(text, pairs, places, replaced)


def parse_messages(written: str) -> list[tuple[str, str]]:
    """Return role and content of each message of a conversation in JSON: a list of objects or of pairs.

    Raises:
        NoText: it is no JSON, or no conversation.
    """
    if len(written) > 4 * MAX_CHARACTERS:
        raise NoText(f"The conversation has {len(written):,} characters of JSON: inspect a part of it at a time.")
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise NoText(f"The conversation is no JSON: write it as for example {_EXAMPLE}.") from error
    return read_messages(found)


def write_messages(messages: Sequence[tuple[str, str]]) -> str:
    """Return messages as JSON, in pairs of role and content, without spaces between them."""
    return json.dumps([list(each) for each in messages], ensure_ascii=False, separators=(",", ":"))


def read_messages(messages: Any) -> list[tuple[str, str]]:
    """Return role and content of each message. A message is a dict with these two keys, or a pair.

    Raises:
        NoText: it is not a list of such messages, or there are none or too many.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        came = "a text" if isinstance(messages, str) else f"{type(messages).__name__}"
        raise NoText(f"A conversation is a list of messages, and {came} came: give for example {_EXAMPLE}.")
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise NoText(f"A conversation has 1 to {MAX_MESSAGES:,} messages, and {len(messages):,} came.")
    return [_check_message(number, message) for number, message in enumerate(messages, start=1)]


def check_messages(messages: Any) -> tuple[tuple[tuple[str, str], ...], int]:
    """Return role and content of each message, and the number of invalid characters that were replaced in them.

    Raises:
        NoText: as `read_messages`; or nothing is visible in any message, or they are too long.
    """
    pairs = read_messages(messages)
    n_characters = sum(len(content) for _, content in pairs)
    if n_characters > MAX_CHARACTERS:
        raise NoText(
            f"The messages have {n_characters:,} characters, expected {MAX_CHARACTERS:,} at most: inspect a part of "
            "the conversation at a time."
        )
    if not any(has_visible(content) for _, content in pairs):
        raise NoText("There is nothing to inspect: no message has a visible character; type a message.")
    cleaned, replaced = [], 0
    for role, content in pairs:
        # An empty message stays as it is: the template decides what the model reads of it.
        content, more = clean_text(content) if has_visible(content) else (content, 0)
        replaced += more
        cleaned.append((role, content))
    return tuple(cleaned), replaced


def _check_message(number: int, message: Any) -> tuple[str, str]:
    if isinstance(message, Mapping):
        unread = [str(key)[:40] for key in message if key not in ("role", "content")]
        if unread:
            raise NoText(
                f"Message {number} has {unread[0]!r}, and only its role and content are read: leave it out, or give "
                "the text that the template makes."
            )
        pair = message.get("role"), message.get("content")
    elif isinstance(message, tuple | list) and len(message) == 2:
        pair = message[0], message[1]
    else:
        raise NoText(f"Message {number} is {type(message).__name__}, expected a role and a content: {_EXAMPLE}.")
    role, content = pair
    if not isinstance(role, str) or not 1 <= len(role) <= _LONGEST_ROLE or not role.isprintable():
        raise NoText(
            f"Message {number} has the role {str(role)[:40]!r}, expected a word such as system, user or assistant."
        )
    if not isinstance(content, str):
        came = "no content" if content is None else f"{type(content).__name__} as its content"
        raise NoText(f"Message {number} has {came}, expected a text: this model reads only texts.")
    return role, content


def _first_characters(tokens: Sequence[Token], text: str) -> Iterator[int]:
    """Yield the first character of each token; where the tokenizer does not say, its piece is found in the text."""
    at = 0
    known = any(token.start is not None for token in tokens)
    for token in tokens:
        if token.start is not None:
            at = token.start
        elif not known:
            piece = token.text.strip("▁Ġ ")
            found = text.find(piece, at, at + len(piece) + 16) if piece else -1
            if found >= 0:
                yield found
                at = found + len(piece)
                continue
        yield min(at, max(0, len(text) - 1))
