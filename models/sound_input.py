"""A sound as the input of a model: its features and frames, and what its decoder reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from models.capture.cost import memory_refusal
from models.capture.forward import Layers, in_order
from models.capture.generation import shift_right
from models.card import Card
from models.errors import BrokenModel, NoText
from models.input_builder import OWN_TEXT_NOTICE, InputBuilder
from models.model_input import ModelInput, check_ids
from models.request import Request
from models.sound import Sound
from models.sound_frames import count_columns, find_frames, frame_tokens, padding_notice
from models.sound_reader import SoundReader, refuse_short_sounds
from models.source import Source
from models.tokens import Token, TokenReader, TokenSequence

log = logging.getLogger("headlight.models")

# How many tokens of a transcript a model generates for its own decoder: about thirty words.
GENERATED_TOKENS = 48
_NO_TOKENS = TokenSequence((), {}, 0, 0, None, 0)


@dataclass(frozen=True)
class SoundInput(ModelInput):
    """One sound as the model reads it: `tensors` of its feature extractor, and what its decoder reads."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    sound: Sound | None = None
    n_columns: int = 0

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return 0.0 if self.sound is None else self.sound.seconds

    @property
    def annotations(self) -> dict[str, Any]:
        """What the trace says of its attentions: the sound, over which pictures draw."""
        return {"sound": self.sound}


class SoundInputs:
    """Builds the inputs of one model that reads sounds."""

    def __init__(
        self,
        module: PreTrainedModel,
        card: Card,
        sounds: SoundReader,
        builder: InputBuilder,
    ) -> None:
        self._module, self._card, self._sounds = module, card, sounds
        self._builder = builder

    @property
    def _reader(self) -> TokenReader | None:
        """The reader of what its decoder reads, if it has one."""
        return self._builder.target_reader

    @property
    def rate(self) -> int:
        """The samples a second that the model reads."""
        return self._sounds.rate

    def check_asked(self, request: Request) -> None:
        """Let a request through that this model can read.

        Raises:
            NoText: something besides the sound that it does not read.
        """
        if request.audio is None:
            given = [name for name in ("text", "messages", "image") if getattr(request, name) is not None]
            raise NoText(f"{self._card.name} reads sounds{f', not {given[0]}' if given else ''}: give audio.")
        allowed = ("audio", "target") if self._module.config.is_encoder_decoder else ("audio",)
        allowed = (*allowed, "src_lang") if writes_after_prompt(self._module) else allowed
        request.refuse_beside("A sound", allowed=allowed)
        for name in ("target", "src_lang"):
            value = getattr(request, name)
            if not isinstance(value, str | None):
                raise NoText(f"The {name} is a text, not {str(type(value).__name__)[:40]}: give a string.")

    def read(self, request: Request) -> SoundInput:
        """Return a sound as the model reads it, still without what its decoder reads.

        Raises:
            NoText: it cannot be read as a sound, or the target has nothing to read.
        """
        self.check_asked(request)
        sound = self._sounds.read(request.audio)
        tensors = self._sounds.features(self._module, sound)
        n_columns = self._sounds.count_columns(tensors)
        source = self._source(request, sound)
        given = SoundInput(source, _NO_TOKENS, sound.notices, tensors=tensors, sound=sound, n_columns=n_columns)
        return self._with_frames(given, self._count_positions(n_columns))

    def _source(self, request: Request, sound: Sound) -> Source:
        made = self._builder.make_source(request)
        return replace(made, audio=f"sha256:{sound.digest}", src_lang=request.src_lang)

    def _with_frames(self, given: SoundInput, n_positions: int) -> SoundInput:
        assert given.sound is not None
        frames = find_frames(self._module, given.n_columns, self._sounds.seconds_per_column(given.tensors), n_positions)
        tokens = frame_tokens(n_positions, frames, given.sound)
        return replace(given, sequence=TokenSequence(tokens, {}, len(tokens), 0, None, 0))

    def tensors(self, given: SoundInput) -> dict[str, Tensor]:
        """Return the inputs of the pass: what the encoder reads, and the ids that the decoder reads."""
        inputs = dict(given.tensors)
        if given.decoder_ids:
            inputs["decoder_input_ids"] = torch.tensor([given.decoder_ids], device=self._module.device)
        return inputs

    def finish(self, given: SoundInput, layers: Layers) -> SoundInput:
        """Return the input with a token for each position that the encoder really has."""
        assert given.sound is not None
        n_found = layers["cross"][0].shape[2] if layers.get("cross") else in_order(layers)[0][0].shape[1]
        if n_found != len(given.sequence.tokens):
            given = self._with_frames(given, n_found)
        assert given.sound is not None
        notice = padding_notice(given.sequence.tokens, given.sound)
        return given if notice is None else replace(given, notices=(*given.notices, notice))

    def count_tokens(self, given: SoundInput) -> int:
        """Return the largest number of positions of an input, also those that its decoder has yet to generate."""
        n_decoder, target = 0, given.source.target
        if self._module.config.is_encoder_decoder:
            n_decoder = GENERATED_TOKENS
            if target is not None and self._reader is not None:
                n_decoder = len(self._reader.tokenize(target, as_target=True).tokens)
        return len(given.sequence.tokens) + n_decoder

    def add_decoder_text(self, given: SoundInput) -> SoundInput:
        """Return the input with what the decoder reads: a transcript after the model's own prompt, or its own text."""
        if not self._module.config.is_encoder_decoder or self._reader is None:
            return given
        target, name = given.source.target, self._card.name
        notices: tuple[str, ...] = (OWN_TEXT_NOTICE,)
        if target is None:
            prompt, ids = self._generate(given, GENERATED_TOKENS)
            tokens = self._reader.from_ids(ids)
            tokens = (*tokens[: len(prompt)], *(replace(one, generated=True) for one in tokens[len(prompt) :]))
            source = replace(given.source, generated=self._reader.decode(ids[1:]))
            given = replace(given, source=source)
        elif writes_after_prompt(self._module):
            ids, tokens, notices = self._after_prompt(given, target)
        else:
            ids, tokens, notices = shift_right(self._module, self._reader, target, name)
        check_ids(self._module, tokens, name)
        return replace(given, decoder_ids=tuple(ids), decoder_tokens=tokens, notices=(*given.notices, *notices))

    def _after_prompt(self, given: SoundInput, target: str) -> tuple[list[int], tuple[Token, ...], tuple[str, ...]]:
        """Return what Whisper's decoder reads for a transcript: its prompt and the transcript without the end token."""
        assert self._reader is not None
        prompt, _ = self._generate(given, 1)
        sequence = self._reader.tokenize(target, as_target=True)
        text = tuple(token for token in sequence.tokens if not token.special)
        room = (self._card.max_tokens or len(prompt) + len(text)) - len(prompt)
        tokens = (*self._reader.from_ids(prompt), *text[:room])
        notices = [f"Target: {notice}" for notice in sequence.notices]
        if given.source.src_lang is None and len(prompt) > 2:
            shown = " ".join(token.display for token in tokens[: len(prompt)])
            notices.append(f"The decoder starts with the model's own prompt for this sound ({shown}).")
        return [token.id for token in tokens], tokens, tuple(notices)

    def _generate(self, given: SoundInput, n_tokens: int) -> tuple[list[int], list[int]]:
        """Return the model's own prompt for a sound, and the prompt with at most `n_tokens` that follow, greedily.

        Raises:
            NoText: the model does not know the language.
            BrokenModel: the model cannot generate.
        """
        options: dict[str, Any] = {}
        if writes_after_prompt(self._module):
            options = {"return_timestamps": False, "return_dict_in_generate": True, **self._language(given)}
        generate: Any = self._module.generate
        try:
            with memory_refusal(given.n_tokens + n_tokens), refuse_short_sounds(given.seconds):
                made = generate(**given.tensors, max_new_tokens=n_tokens, do_sample=False, num_beams=1, **options)
        except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
            log.exception("generating with %s", self._card.name)
            raise BrokenModel(
                f"{self._card.name} cannot generate a text for its decoder to read: its generation_config.json may be "
                "missing, so save it with the model (model.generation_config.save_pretrained)."
            ) from error
        ids = (made.sequences if hasattr(made, "sequences") else made)[0].tolist()
        n_prompt = self._count_prompt(ids)
        if len(ids) > n_prompt + 1 and ids[-1] in _end_ids(self._module):
            ids = ids[:-1]
        return ids[:n_prompt], ids

    def _count_prompt(self, ids: list[int]) -> int:
        """Return how many ids at the start the model was given rather than wrote: special ones that are not its end."""
        if not writes_after_prompt(self._module):
            return 1
        special, ends = set(self._reader.tokenizer.all_special_ids if self._reader else ()), _end_ids(self._module)
        config = self._module.generation_config
        last = getattr(config, "no_timestamps_token_id", None)
        if last in ids:
            return ids.index(last) + 1
        return next((at for at, one in enumerate(ids) if at and (one not in special or one in ends)), len(ids))

    def _language(self, given: SoundInput) -> dict[str, Any]:
        """Return the language and the task as Whisper's `generate` takes them.

        Raises:
            NoText: the model knows one language only, or not this one.
        """
        config, wanted = self._module.generation_config, given.source.src_lang
        known = getattr(config, "lang_to_id", None) or {}
        code = TO_LANGUAGE_CODE.get(str(wanted).lower(), str(wanted).lower())
        if wanted is not None and f"<|{code}|>" not in known:
            languages = ", ".join(sorted(name.strip("<|>") for name in known)[:12]) or "one language only"
            raise NoText(
                f"{self._card.name} does not know the language {str(wanted)[:40]!r}: leave src_lang out, or give one "
                f"that it knows ({languages})."
            )
        if wanted is None and getattr(config, "language", None) is None and self._reader is not None:
            # A language that it was fine-tuned for is saved with the tokenizer.
            saved = str(getattr(self._reader.tokenizer, "language", None)).lower()
            code = TO_LANGUAGE_CODE.get(saved, saved)
            wanted = code if f"<|{code}|>" in known else None
        task = getattr(config, "task", None) or ("transcribe" if getattr(config, "task_to_id", None) else None)
        options = {"language": None if wanted is None else code, "task": task}
        return {name: value for name, value in options.items() if value is not None}

    def _count_positions(self, n_columns: int) -> int:
        """Return about how many positions the encoder makes of its input."""
        stated = getattr(self._module.config, "max_source_positions", None)
        if writes_after_prompt(self._module) and isinstance(stated, int):
            return stated
        return count_columns(self._module, n_columns)


def writes_after_prompt(module: PreTrainedModel) -> bool:
    """Return whether the decoder starts with a prompt of language and task, as Whisper's."""
    return module.config.model_type == "whisper" and module.config.is_encoder_decoder


def _end_ids(module: PreTrainedModel) -> set[int]:
    end = module.generation_config.eos_token_id
    return set(end) if isinstance(end, (list, tuple)) else set() if end is None else {int(end)}
