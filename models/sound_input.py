"""A sound as the input of a model: what its own feature extractor makes of it, its frames, and what its decoder reads."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.feature_extraction_utils import FeatureExtractionMixin
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from models.capture.cost import memory_refusal
from models.capture.forward import Layers, accepted_inputs, in_order
from models.capture.generation import shift_right
from models.card import Card
from models.errors import BrokenModel, NoText
from models.model_input import OWN_TEXT_NOTICE, InputBuilder, ModelInput, check_ids
from models.request import Request
from models.sound import Sound, read_sound
from models.tokens import Token, TokenReader, TokenSequence

log = logging.getLogger("headlight.models")

# How many tokens of a transcript a model generates for its own decoder: about thirty words.
GENERATED_TOKENS = 48
# Positions of the sound that the comparison at loading reads: as many as a short text has.
PROBE_POSITIONS = 48
PROBE_TEXT = "The quick brown fox jumps over the lazy dog. "
_DECODER_KEY = "decoder_input_ids"


class SoundReader:
    """Reads sounds with one model's own feature extractor."""

    def __init__(self, extractor: FeatureExtractionMixin, module: PreTrainedModel | None = None) -> None:
        self.extractor: Any = extractor
        self.rate = int(extractor.sampling_rate)

    @property
    def max_seconds(self) -> float | None:
        """The longest sound that the model reads at once, None where nothing limits it."""
        n_samples = getattr(self.extractor, "n_samples", None)
        if isinstance(n_samples, int) and n_samples > 0:
            return n_samples / self.rate
        longest = getattr(self.extractor, "max_length", None)
        hop = self._hop()
        return longest * hop / self.rate if isinstance(longest, int) and hop is not None else None

    def read(self, audio: Any) -> Sound:
        """Return a sound at the model's rate, cut to what it reads.

        Raises:
            NoText: as `models.sound.read_sound`.
        """
        return read_sound(audio, self.rate, self.max_seconds)

    def features(self, module: PreTrainedModel, sound: Sound) -> dict[str, Tensor]:
        """Return what the model's own feature extractor makes of a sound, on the model's device and in its dtype.

        Raises:
            BrokenModel: the feature extractor does not read the sound.
        """
        try:
            found = self.extractor(sound.samples, sampling_rate=self.rate, return_tensors="pt")
        except Exception as error:
            log.exception("features of a sound")
            raise BrokenModel(
                f"{type(self.extractor).__name__} does not read a sound of {sound.seconds:.2f} s: give a longer one, or "
                "save the feature extractor that the model was trained with into its folder."
            ) from error
        tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
        return {
            name: value.to(module.device, module.dtype if value.is_floating_point() else value.dtype)
            for name, value in accepted_inputs(module, tensors).items()
        }

    def seconds_per_position(self, module: PreTrainedModel) -> float:
        """Return how much of the sound one position of the encoder stands for: 0.02 s in Whisper."""
        return (self._hop() or 1) * _downsampling(module) / self.rate

    def _hop(self) -> int | None:
        """Return the samples between two columns of a spectrogram, None if the model reads the samples themselves."""
        names = set(getattr(self.extractor, "model_input_names", ()))
        if "input_features" not in names and not hasattr(self.extractor, "num_mel_bins"):
            return None
        hop = getattr(self.extractor, "hop_length", None)
        if not isinstance(hop, int):
            hop = round(0.01 * self.rate)  # Kaldi's features have no setting for it: 10 ms
        return hop * (getattr(self.extractor, "stride", None) or 1)


def _downsampling(module: PreTrainedModel) -> int:
    """Return how many inputs of the convolutions before the encoder make one of its positions."""
    strides = 1
    for name, part in module.named_modules():
        if (
            isinstance(part, nn.Conv1d) and "adapter" not in name and "decoder" not in name and "layers." not in name
        ) or (isinstance(part, nn.Conv1d) and "conv_layers." in name):
            strides *= part.stride[0]
    return strides


@dataclass(frozen=True)
class SoundInput(ModelInput):
    """One sound as the model reads it: `tensors` of its feature extractor, and what its decoder reads."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    sound: Sound | None = None
    seconds_per_position: float = 0.0

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
        allowed = ("audio", "target", "src_lang") if self._module.config.is_encoder_decoder else ("audio",)
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
        step = self._sounds.seconds_per_position(self._module)
        tokens = frame_tokens(self._count_positions(tensors, sound, step), step, sound)
        sequence = TokenSequence(tokens, {}, len(tokens), 0, None, 0)
        source = replace(self._builder.make_source(request), audio=f"sha256:{sound.digest}", src_lang=request.src_lang)
        return SoundInput(source, sequence, sound.notices, tensors=tensors, sound=sound, seconds_per_position=step)

    def tensors(self, given: SoundInput) -> dict[str, Tensor]:
        """Return the inputs of the pass: what the encoder reads, and the ids that the decoder reads."""
        inputs = dict(given.tensors)
        if given.decoder_ids:
            inputs[_DECODER_KEY] = torch.tensor([given.decoder_ids], device=self._module.device)
        return inputs

    def finish(self, given: SoundInput, layers: Layers) -> SoundInput:
        """Return the input with a token for each position that the encoder really has."""
        assert given.sound is not None
        found = layers["cross"][0].shape[2] if layers.get("cross") else in_order(layers)[0][0].shape[1]
        tokens = given.sequence.tokens
        if found != len(tokens):
            tokens = frame_tokens(found, given.seconds_per_position, given.sound)
        notice = padding_notice(tokens, given.sound)
        notices = given.notices if notice is None else (*given.notices, notice)
        return replace(given, sequence=replace(given.sequence, tokens=tokens, n_total=found), notices=notices)

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
        if target is None:
            prompt, ids = self._generate(given, GENERATED_TOKENS)
            tokens = self._reader.from_ids(ids)
            tokens = (*tokens[: len(prompt)], *(replace(one, generated=True) for one in tokens[len(prompt) :]))
            source = replace(given.source, generated=self._reader.decode(ids[1:]))
            given, notices = replace(given, source=source), (OWN_TEXT_NOTICE,)
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
            with memory_refusal(given.n_tokens + n_tokens):
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
            names = ", ".join(sorted(name.strip("<|>") for name in known)[:12]) or "one language only"
            raise NoText(
                f"{self._card.name} does not know the language {str(wanted)[:40]!r}: leave src_lang out, or give one that it "
                f"knows ({names})."
            )
        if wanted is None and known and getattr(config, "language", None) is None and self._reader is not None:
            wanted = code = getattr(self._reader.tokenizer, "language", None)  # a language that it was fine-tuned for
        task = getattr(config, "task", None) or ("transcribe" if getattr(config, "task_to_id", None) else None)
        options = {"language": None if wanted is None else code, "task": task}
        return {name: value for name, value in options.items() if value is not None}

    def _count_positions(self, tensors: Mapping[str, Tensor], sound: Sound, step: float) -> int:
        """Return how many positions the encoder makes of these inputs."""
        stated = getattr(self._module.config, "max_source_positions", None)
        if writes_after_prompt(self._module) and isinstance(stated, int):
            return stated
        values = next(iter(tensors.values()))
        count = getattr(self._module, "_get_feat_extract_output_lengths", None)
        length = values.shape[-1] if values.dim() == 2 else values.shape[1]
        if count is not None:
            return max(1, int(count(torch.tensor(length))))
        return max(1, math.ceil(sound.seconds / step))


def writes_after_prompt(module: PreTrainedModel) -> bool:
    """Return whether the decoder starts with a prompt of language and task, as Whisper's."""
    return module.config.model_type == "whisper" and module.config.is_encoder_decoder


def _end_ids(module: PreTrainedModel) -> set[int]:
    end = module.generation_config.eos_token_id
    return set(end) if isinstance(end, (list, tuple)) else set() if end is None else {int(end)}


def frame_tokens(n_positions: int, step: float, sound: Sound | None) -> tuple[Token, ...]:
    """Return a token for each frame: its time is where it begins; frames after the end of the sound are special."""
    decimals = 2 if abs(step * 100 - round(step * 100)) < 1e-6 else 3
    end = math.inf if sound is None else sound.seconds
    return tuple(
        Token(
            text=f"frame {number}",
            id=number,
            start=None,
            end=None,
            special=number * step >= end - 1e-9,
            display=f"{number * step:.{decimals}f} s",
            seconds=round(number * step, 6),
        )
        for number in range(n_positions)
    )


def padding_notice(tokens: tuple[Token, ...], sound: Sound) -> str | None:
    """Return the sentence on the frames after the end of a sound, None if there are none."""
    n_padding = sum(token.special for token in tokens)
    if not n_padding:
        return None
    return (
        f"The sound ends at {sound.seconds:.2f} s. The other {n_padding:,} of {len(tokens):,} frames are padding, which "
        "this model reads and attends to as well; pictures mark them as special tokens."
    )


@contextmanager
def short_encoder(module: PreTrainedModel, n_positions: int) -> Iterator[int]:
    """Let Whisper's encoder read a short spectrogram meanwhile, since it otherwise reads 30 seconds only.

    Gives the number of positions. The weights of all layers of 30 seconds would take gigabytes.
    """
    encoder = getattr(getattr(module, "model", module), "encoder", None)
    table = getattr(encoder, "embed_positions", None)
    if not isinstance(table, nn.Embedding) or not hasattr(encoder.config, "max_source_positions"):
        yield 0
        return
    n_short = min(n_positions, table.num_embeddings)
    whole = encoder.config.max_source_positions
    try:
        encoder.config.max_source_positions = n_short
        encoder.embed_positions = nn.Embedding.from_pretrained(table.weight[:n_short])
        yield n_short
    finally:
        encoder.config.max_source_positions, encoder.embed_positions = whole, table


@contextmanager
def probe_of_sound(
    module: PreTrainedModel, sounds: SoundReader, tokenizer: PreTrainedTokenizerBase | None
) -> Iterator[dict[str, Tensor]]:
    """Give a short sound as the inputs of a model, with five tokens for its decoder."""
    with short_encoder(module, PROBE_POSITIONS) as n_short:
        step = sounds.seconds_per_position(module)
        inputs = sounds.features(module, probe_sound(sounds.rate, max(0.5, PROBE_POSITIONS * step)))
        if n_short:
            inputs = {name: values[..., : 2 * n_short] for name, values in inputs.items()}
        if module.config.is_encoder_decoder and tokenizer is not None:
            # Not special tokens alone: in a random model these may all be alike.
            ids = tokenizer(PROBE_TEXT, add_special_tokens=False)["input_ids"][:4]
            start = module.config.decoder_start_token_id or 0
            inputs[_DECODER_KEY] = torch.tensor([[start, *ids]], device=module.device)
        yield inputs


def probe_sound(rate: int, seconds: float) -> Sound:
    """Return a sound whose pitch rises, which the verification at loading reads."""
    time = np.arange(round(rate * seconds)) / rate
    samples = 0.5 * np.sin(2 * np.pi * (200 + 400 * time) * time) + 0.1 * np.sin(2 * np.pi * 1_330 * time)
    return Sound(samples.astype(np.float32), rate)
