"""A tokenizer's own chat template, rendered in a child process: a template may loop for ever or take all memory.

transformers renders templates in a sandbox, which protects files and secrets, but neither time nor memory.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.child import Child
from models.errors import NoText, short_message

log = logging.getLogger("headlight.models")

_CHILD = Path(__file__).with_name("template_child.py")
# The longest published templates render a conversation in a few milliseconds.
TIMEOUT_SECONDS, TIMEOUT_SECONDS_PER_CHARACTER = 3.0, 1e-5
# All further renderings of one conversation, which only find where its messages are.
_FURTHER_SECONDS = 6.0
_REMEDY = "change the messages, or give the text itself"


def has_template(tokenizer: PreTrainedTokenizerBase | None) -> bool:
    """Return whether a tokenizer has a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


class ChatTemplate:
    """Renders conversations with the template that one tokenizer has at the time of a call."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, template: str = "") -> None:
        """`name` is the model's name, for the sentences of refusals; `template` is used instead of the tokenizer's."""
        self._tokenizer = tokenizer
        self._name = name
        self._given = template
        self._child = Child(_CHILD)
        self._one_at_a_time = threading.Lock()

    def render(self, messages: list[dict[str, Any]], **options: bool) -> str:
        """Return the text of a conversation; `options` are those of `apply_chat_template`.

        Raises:
            NoText: there is no template, or it fails on the conversation, takes too long or too much memory.
        """
        n_characters = sum(len(str(message["content"])) for message in messages)
        seconds = TIMEOUT_SECONDS + TIMEOUT_SECONDS_PER_CHARACTER * n_characters
        try:
            return self._ask(messages, options, seconds)
        except TimeoutError as error:
            raise NoText(
                f"The chat template of {self._name} does not make a text of these messages within {seconds:.1f} s: "
                f"{_REMEDY}."
            ) from error

    def further(self) -> FurtherRenderings:
        """Return renderings of parts of a conversation, which may fail."""
        return FurtherRenderings(self)

    def _ask(self, messages: list[dict[str, Any]], options: dict[str, bool], seconds: float) -> str:
        asked = {**self._variables(), **options, "chat_template": self._template(), "messages": messages}
        try:
            with self._one_at_a_time:
                answer = json.loads(self._child.ask(json.dumps(asked), seconds))
            problem = answer.get("problem")
        except ChildProcessError:
            problem = "it needs too much memory"
        if problem is not None:
            log.warning("a chat template failed on %d messages: %s", len(messages), problem)
            raise NoText(f"The chat template of {self._name} refuses these messages ({problem[:160]}): {_REMEDY}.")
        return str(answer["text"])

    def _template(self) -> str:
        if self._given:
            return self._given
        if not has_template(self._tokenizer):
            raise NoText(
                f"{self._name} has no chat template, so it reads no messages: give a text, or set "
                "tokenizer.chat_template to the template that the model was trained with."
            )
        try:
            return str(self._tokenizer.get_chat_template())
        except ValueError as error:
            raise NoText(
                f"{self._name} has several chat templates and none is the default ({short_message(error)}): set "
                "tokenizer.chat_template to one of them."
            ) from error

    def _variables(self) -> dict[str, Any]:
        """Return the special tokens, which `apply_chat_template` also gives to a template."""
        given = self._tokenizer.special_tokens_map
        return {name: value if isinstance(value, list) else str(value) for name, value in given.items()}


class FurtherRenderings:
    """Renderings that are tried until their time is over."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._end = monotonic() + _FURTHER_SECONDS

    def __call__(self, messages: list[dict[str, str]], **options: bool) -> str | None:
        """Return the text of a conversation, None if the template fails on it or the time is over."""
        seconds = self._end - monotonic()
        if seconds <= 0 or not messages:
            return None
        try:
            return self._template._ask(messages, options, min(seconds, TIMEOUT_SECONDS))
        except NoText:
            return None
        except TimeoutError:
            self._end = 0.0
            return None
