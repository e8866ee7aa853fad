"""Texts as the input of a model: their tokens, what its decoder reads, and the continuation that it generates first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.capture.cost import Estimate
from models.capture.forward import model_inputs
from models.capture.generation import GENERATED_TOKENS, check_asked, generate_ids, shift_right, shortfall_notice
from models.capture.head import own_decoder_ids, reads_its_text_twice
from models.card import Card
from models.changes import read_ablate, read_masked
from models.conversation import ASSISTANT, ConversationReader
from models.errors import NoText, NoTokenizer
from models.languages import check_language, language_token, languages_of
from models.model_input import ModelInput, check_given_ids, check_ids
from models.request import Request
from models.tokens import Token, TokenReader, TokenSequence
from models.trace import Source

MAX_CONTINUATION = 256
OWN_TEXT_NOTICE = (
    "The decoder reads the text that the model itself generates, greedily; give a target text to choose it."
)
SAME_TEXT_NOTICE = "The decoder reads the text too, moved one token to the right, as the model does to label it."


class InputBuilder:
    """Builds the inputs of one model; `reader` is None for a model that reads pictures."""

    reads_pictures = False  # together with a text

    def __init__(self, module: PreTrainedModel, card: Card, reader: TokenReader | None) -> None:
        self._module = module
        self._card = card
        self._reader = reader
        self._conversations: ConversationReader | None = None

    @property
    def reader(self) -> TokenReader:
        """The reader of texts.

        Raises:
            NoText: the model reads pictures.
        """
        if self._reader is None or self._card.modality == "sound":
            what = {"sound": "sounds, not texts: give audio"}.get(
                self._card.modality, "pictures, not texts: give an image"
            )
            raise NoText(f"{self._card.name} reads {what}.")
        return self._reader

    @property
    def target_reader(self) -> TokenReader | None:
        """The reader of what a decoder reads, also that of a model that reads sounds."""
        return self._reader

    def show_ids(self, ids: list[int]) -> tuple[Token, ...]:
        """Return ids of the vocabulary as tokens, for a model with a tokenizer."""
        assert self._reader is not None
        return self._reader.from_ids(ids)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The tokenizer that texts are read with, None for a model that reads pictures."""
        return None if self._reader is None else self._reader.tokenizer

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Read texts with another tokenizer from now on.

        Raises:
            NoTokenizer: it is no tokenizer of transformers.
        """
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise NoTokenizer(
                f"A tokenizer is one of transformers, not of the type {type(tokenizer).__name__}: give such one."
            )
        self._reader = TokenReader(tokenizer, self._card.max_tokens)
        self._conversations = ConversationReader(tokenizer, self._card.name)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that texts can be read in, empty for a tokenizer without languages."""
        return () if self._reader is None else languages_of(self._reader.tokenizer)

    def check_asked(self, request: Request) -> None:
        """Let a request through if the model's decoder can read the target or generate the continuation.

        Raises:
            HeadlightError: as `models.capture.generation.check_asked`.
        """
        is_encoder_decoder = self._module.config.is_encoder_decoder
        if self._reader is not None:
            for name in ("src_lang", "tgt_lang"):
                check_language(self._reader.tokenizer, name, getattr(request, name), self._card.name)
        if request.tgt_lang is not None and not is_encoder_decoder:
            raise NoText(
                f"{self._card.name} is not an encoder-decoder, so it writes no translation: leave tgt_lang out."
            )
        if request.target is not None and reads_its_text_twice(self._module):
            raise NoText(f"{self._card.name} labels a text, which its decoder reads too: leave the target out.")
        check_asked(self._card.name, is_encoder_decoder, self._card.writes, request.target, request.generate)

    def tokenize(self, request: Request) -> ModelInput:
        """Return the tokens of a text, of a pair or of a conversation, still without what the decoder reads."""
        if request.messages is not None:
            return self._tokenize_conversation(request)
        given = request.read_text()
        if given.ids is not None:
            check_given_ids(self._module, given.ids, self._card.name, len(self.reader.tokenizer))
        text = "" if request.text is None else request.text
        sequence = self.reader.tokenize(text, request.text_pair, **_how_of(request))
        check_ids(self._module, sequence.tokens, self._card.name)
        return ModelInput(self.make_source(request), sequence, sequence.notices)

    def _tokenize_conversation(self, request: Request) -> ModelInput:
        request.refuse_beside("A conversation", allowed=("messages", "generate", "target"))
        reader = self.reader
        assert self._conversations is not None
        conversation = self._conversations.read(request.messages, continued=request.generate > 0)
        read = reader.tokenize(conversation.text, add_special_tokens=False)
        sequence = replace(read, tokens=conversation.with_roles(read.tokens), replaced=conversation.replaced)
        check_ids(self._module, sequence.tokens, self._card.name)
        source = self.make_source(replace(request, text=conversation.text))
        notices = (*conversation.notices, *sequence.notices)
        return ModelInput(replace(source, messages=conversation.messages), sequence, notices)

    def make_source(self, request: Request) -> Source:
        """Return where a trace comes from."""
        card = self._card
        # Read now: the caller may have moved the module, or changed its dtype, since it was loaded.
        device, dtype = str(self._module.device), str(self._module.dtype).removeprefix("torch.")
        model = (card.name, card.revision, card.architecture, device, dtype, card.capture)
        first, second = request.read_text(), request.read_pair()
        text = first.text if first.ids is None else self.reader.decode(list(first.ids))
        pair = None if request.text_pair is None else second.text
        return Source(
            *model,
            text,
            pair,
            request.target,
            words=first.words,
            words_pair=second.words,
            ids=first.ids,
            **_how_of(request),
            ablate=read_ablate(card, request.ablate),
            mask_tokens=read_masked(card, request.mask_tokens),
        )

    def count_tokens(self, request: Request) -> int:
        """Return the largest number of positions of a request: the model may end its own text sooner."""
        sequence, target = self.tokenize(request).sequence, request.target
        n_tokens = len(sequence.tokens) + max(0, min(request.generate, MAX_CONTINUATION, self._room(sequence)))
        if target is not None:
            n_tokens += len(self.reader.tokenize(target, as_target=True, **_how_of(request)).tokens)
        elif reads_its_text_twice(self._module):
            n_tokens *= 2
        elif self._module.config.is_encoder_decoder:
            n_tokens += self._max_own_tokens()
        return n_tokens

    def add_cost(self, request: Request, estimate: Estimate) -> Estimate:
        """Return an estimate with what is computed in addition to the tokens: nothing for a text."""
        return estimate

    def add_decoder_text(self, given: ModelInput) -> ModelInput:
        """Return the input with what an encoder-decoder's decoder reads: the target, or a text that it generates."""
        if not self._module.config.is_encoder_decoder:
            return given
        if reads_its_text_twice(self._module):
            return self._add_same_text(given)
        source = given.source
        if source.target is not None:
            ids, tokens, notices = shift_right(
                self._module, self.reader, source.target, self._card.name, **_how_of(source)
            )
            check_ids(self._module, tokens, self._card.name)
        else:
            inputs = model_inputs(self._module, given.sequence.inputs)
            language = None if source.tgt_lang is None else language_token(self.reader.tokenizer, source.tgt_lang)
            ids = generate_ids(self._module, inputs, self._max_own_tokens(), self._card.name, first=language)
            ids = ids[:-1] if len(ids) > 2 else ids
            start, *more = self._written(self.reader.from_ids(ids), given)
            tokens = (start, *(replace(token, generated=True) for token in more))
            notices = (OWN_TEXT_NOTICE,)
            given = replace(given, source=replace(source, generated=self.reader.decode(ids[1:])))
        return replace(given, decoder_ids=tuple(ids), decoder_tokens=tokens, notices=(*given.notices, *notices))

    def _add_same_text(self, given: ModelInput) -> ModelInput:
        """Return the input with what a classifier's decoder reads: the text again, as the model itself shifts it."""
        inputs = model_inputs(self._module, given.sequence.inputs)
        ids = own_decoder_ids(self._module, inputs)[0].tolist()
        read, shifted = self.reader.from_ids(ids), (None, *given.sequence.tokens)
        tokens = tuple(
            before if before is not None and before.id == token.id else token
            for token, before in zip(read, shifted, strict=False)
        )
        return replace(given, decoder_ids=tuple(ids), decoder_tokens=tokens, notices=(*given.notices, SAME_TEXT_NOTICE))

    def add_continuation(self, given: ModelInput, n_tokens: int) -> ModelInput:
        """Return the input with the tokens that a decoder generates after the text, at most `n_tokens`."""
        if not n_tokens or self._module.config.is_encoder_decoder:
            return given
        sequence = given.sequence
        room = self._room(sequence)
        maximum = min(n_tokens, MAX_CONTINUATION, room)
        if maximum < 1:
            notice = "There is no room for a continuation: the text alone is the maximum that the model reads at once."
            return replace(given, notices=(*given.notices, notice))
        ids = self.end_continuation(generate_ids(self._module, self.stack([given]), maximum, self._card.name), given)
        if len(ids) == len(sequence.tokens):
            return replace(given, notices=(*given.notices, shortfall_notice(0, n_tokens, MAX_CONTINUATION, room)))
        new_ids, segment = ids[len(sequence.tokens) :], sequence.tokens[-1].segment  # it continues the last text
        new = self._written(self.reader.from_ids(new_ids, sequence.tokens), given)
        new = [replace(one, generated=True, segment=segment) for one in new]
        # Other inputs of a decoder (token types) repeat their last value, as they did during the generation.
        inputs = {name: [*values, *[values[-1]] * len(new)] for name, values in sequence.inputs.items()}
        inputs["input_ids"] = ids
        notices = [f"The last {len(new)} of {len(ids)} tokens are the model's own continuation, greedily chosen."]
        if len(new) < n_tokens:
            notices.insert(0, shortfall_notice(len(new), n_tokens, MAX_CONTINUATION, room))
        sequence = replace(sequence, tokens=(*sequence.tokens, *new), inputs=inputs)
        own = self.reader.decode([token.id for token in new])
        source = replace(given.source, generate=len(new), generated=own)
        return replace(given, source=source, sequence=sequence, notices=(*given.notices, *notices))

    def end_continuation(self, ids: list[int], given: ModelInput) -> list[int]:
        """Return generated ids as far as one pass can read them: for a text, all."""
        return ids

    def stack(self, given: list[ModelInput]) -> dict[str, torch.Tensor]:
        """Return the inputs as tensors `[row, token]`, padded on the right to the longest one."""
        pad_id = (None if self.tokenizer is None else self.tokenizer.pad_token_id) or 0
        inputs = model_inputs(self._module, *(one.sequence.inputs for one in given), pad_id=pad_id)
        inputs.update(given[0].tensors)  # a picture is read alone, not in a batch
        if self._module.config.is_encoder_decoder:
            longest = max(len(one.decoder_ids) for one in given)
            rows = [[*one.decoder_ids, *[pad_id] * (longest - len(one.decoder_ids))] for one in given]
            inputs["decoder_input_ids"] = torch.tensor(rows, device=self._module.device)
        return inputs

    @staticmethod
    def _written(tokens: tuple[Token, ...], given: ModelInput) -> list[Token]:
        """Return tokens that the model wrote with their role, if what it read is a conversation."""
        role = ASSISTANT if given.source.messages else ""
        return [replace(token, role=role) for token in tokens]

    def _room(self, sequence: TokenSequence) -> int:
        return (self._card.max_tokens or 10**9) - len(sequence.tokens)

    def _max_own_tokens(self) -> int:
        """Return how many tokens an encoder-decoder generates for its own decoder, in addition to the start token."""
        return min(GENERATED_TOKENS, (self._card.max_tokens or GENERATED_TOKENS + 1) - 1)


def _how_of(asked: Request | Source) -> dict[str, Any]:
    """Return how the tokenizer reads a text and its target."""
    return {name: getattr(asked, name) for name in ("add_special_tokens", "src_lang", "tgt_lang")}
