"""A loaded model that traces: a text or a picture in, `AttentionTrace` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import repeat
from time import perf_counter
from typing import cast

import torch
from PIL import Image
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.capture.cost import Budget, Costs, Estimate, memory_refusal
from models.capture.forward import (
    Layers,
    check_unchanged,
    implementations,
    in_order,
    materialised_batch,
    model_inputs,
    replayed_batch,
    trim,
)
from models.capture.generation import GENERATED_TOKENS, check_asked, generate_ids, shift_right, shortfall_notice
from models.capture.interface import OnLayerOutput
from models.capture.turns import Turns, announce_layers, calling_between_layers
from models.card import Card, Reading
from models.errors import BrokenModel, NoText
from models.images import ImageReader, PatchSequence, patch_tokens
from models.tokens import Token, TokenReader, TokenSequence
from models.trace import Attention, AttentionTrace, Source

MOST_GENERATED = 256
MOST_IN_BATCH = 64
READS_ITS_OWN = "The decoder reads what the model itself generates, greedily; give a target text."
Progress = Callable[[int, int], None]
GiveWay = Callable[[], None]
_TURNS = Turns()


class Model:
    """A transformer in eval mode, shared by all visitors and never changed by a trace.

    Made by `load_model`; a trace is refused while somebody has set it to training, or to another attention function.
    `card.capture` says how weights are had: "replayed" from q and k, or "materialised" by the model itself
    (`output_attentions`) for families that are not on the attention interface.
    """

    def __init__(
        self,
        module: PreTrainedModel,
        card: Card,
        costs: Costs,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        images: ImageReader | None = None,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.card = card
        self.costs = costs
        self._images = images
        self._implementations = implementations(module)
        self._reader = TokenReader(tokenizer, card.max_tokens) if tokenizer is not None else None
        if card.capture == "materialised":
            announce_layers(body(module))

    def __repr__(self) -> str:
        kinds = (f"{kind} {layers} layers x {heads} heads" for kind, (layers, heads) in self.card.sizes.items())
        return f"Model({self.card.name!r}, {', '.join(kinds)})"

    def estimate(
        self, text: str, *, text_pair: str | None = None, target: str | None = None, generate: int = 0
    ) -> Estimate:
        """Return what `trace` with the same arguments would take at most: a model may end its own text sooner.

        Raises:
            HeadlightError: as `trace`, for what is known before the pass.
        """
        self._check_asked(target, generate)
        sequence = self._read(text, text_pair, target).sequence
        n_tokens = len(sequence.tokens) + max(0, min(generate, MOST_GENERATED, self._room(sequence)))
        if target is not None:
            n_tokens += len(self._text_reader().tokenize(target, as_target=True).tokens)
        elif self.module.config.is_encoder_decoder:
            n_tokens += self._most_written()
        return self.costs.estimate(n_tokens)

    def trace(
        self,
        text: str | None = None,
        *,
        text_pair: str | None = None,
        target: str | None = None,
        generate: int = 0,
        image: Image.Image | None = None,
        progress: Progress | None = None,
        budget: Budget | None = None,
        on_layer_output: OnLayerOutput | None = None,
    ) -> AttentionTrace:
        """Return the attention of one forward pass over a text, or over a picture.

        `text_pair` is a second segment (BERT's sentence pairs). `target` is the text that an encoder-decoder's
        decoder reads; without it the decoder reads its own short greedy generation. `generate` lets a decoder
        continue the text by so many tokens first, and traces both. `progress(done, total)` is called in this thread
        after each layer's attention, and with 0 while tokens are generated. What it raises ends the pass. `budget`
        refuses what would cost more. `on_layer_output` receives the values and the output of each replayed layer
        (models/capture/head_internals.py).

        Raises:
            NoText: nothing in the text that the model can read, or the model does not read that kind of input: a
                target without a decoder for it, a text beside a picture.
            NotEnoughMemory: the trace would not fit; the sentence holds the estimate.
            TooLong: the budget has fewer seconds than the estimate.
            BrokenModel: the tokenizer gives an id that the model has no embedding for, the model cannot generate, or
                somebody set it to training or to another attention function.
        """
        budget = budget or Budget()
        if image is not None:
            if any(given is not None for given in (text, text_pair, target)) or generate:
                raise NoText("A picture is read alone: leave out the text, its pair, its target and its continuation.")
            return self._trace_image(image, progress, budget)
        self._check_asked(target, generate)
        reading = self._read(text or "", text_pair, target)
        self._admit([reading], budget)
        with self._one_pass(reading.n_tokens, progress) as give_way:
            reading = self._continued(self._with_decoder(reading), generate)
            self._admit([reading], budget)
            return self._run([reading], give_way, progress, on_layer_output)[0]

    def trace_batch(
        self, texts: Sequence[str], *, targets: Sequence[str] | None = None, budget: Budget | None = None
    ) -> list[AttentionTrace]:
        """Return the traces of many texts from one forward pass; the padding between their lengths is trimmed.

        Raises:
            NoText: one string where a list is wanted, no texts or more than `MOST_IN_BATCH`, not a target for each, a
                target that nothing reads, or nothing to read in one of them.
            HeadlightError: as `trace`.
        """
        if isinstance(texts, str) or isinstance(targets, str):
            what = "texts" if isinstance(texts, str) else "targets"
            raise NoText(f"A batch reads a list, and its {what} came as one string: give [text], or call trace.")
        for target in targets or ():
            self._check_asked(target)
        if not 1 <= len(texts) <= MOST_IN_BATCH or (targets is not None and len(targets) != len(texts)):
            raise NoText(
                f"A batch has 1 to {MOST_IN_BATCH} texts, and a target for each or for none; "
                f"{len(texts)} texts and {len(targets or ())} targets came."
            )
        readings = [
            self._read(text, None, target)
            for text, target in zip(texts, targets or repeat(None, len(texts)), strict=True)
        ]
        budget = budget or Budget()
        self._admit(readings, budget)
        with self._one_pass(sum(one.n_tokens for one in readings)) as give_way:
            readings = [self._with_decoder(reading) for reading in readings]
            return self._run(readings, give_way)

    def _text_reader(self) -> TokenReader:
        if self._reader is None:
            raise NoText(f"{self.card.name} reads pictures, not texts: give an image.")
        return self._reader

    def _check_asked(self, target: str | None, generate: int = 0) -> None:
        check_asked(self.card.name, self.module.config.is_encoder_decoder, self.card.writes, target, generate)

    def _room(self, sequence: TokenSequence) -> int:
        return (self.card.max_tokens or 10**9) - len(sequence.tokens)

    def _most_written(self) -> int:
        """Return how many tokens an encoder-decoder writes for its own decoder, beside the one that it starts with."""
        return min(GENERATED_TOKENS, (self.card.max_tokens or GENERATED_TOKENS + 1) - 1)

    def _read(self, text: str, text_pair: str | None, target: str | None) -> Reading:
        sequence = self._text_reader().tokenize(text, text_pair)
        self._check_ids(sequence.tokens)
        return Reading(self._source(text, text_pair, target), sequence, sequence.notices)

    def _source(self, text: str, text_pair: str | None = None, target: str | None = None) -> Source:
        card = self.card
        # As it is now: who holds the module may have moved it, or made its weights half as wide, since it was loaded.
        device, dtype = str(self.module.device), str(self.module.dtype).removeprefix("torch.")
        made = (card.name, card.revision, card.architecture, device, dtype, card.capture)
        return Source(*made, text, text_pair, target)

    def _admit(self, readings: Sequence[Reading], budget: Budget) -> None:
        # A batch is padded to its longest text.
        longest = max(reading.n_tokens for reading in readings)
        one = self.costs.estimate(longest)
        n_rows = len(readings)
        budget.admit(Estimate(n_rows * longest, n_rows * one.n_bytes, n_rows * one.seconds))

    def _check_ids(self, tokens: tuple[Token, ...]) -> None:
        check_ids(self.module, tokens, self.card.name)

    def _with_decoder(self, reading: Reading) -> Reading:
        """Return the reading with what an encoder-decoder's decoder reads: the target, or its own generation."""
        if not self.module.config.is_encoder_decoder:
            return reading
        target = reading.source.target
        if target is not None:
            ids, tokens, notices = shift_right(self.module, self._text_reader(), target, self.card.name)
            self._check_ids(tokens)
        else:
            inputs = model_inputs(self.module, reading.sequence.inputs)
            ids = generate_ids(self.module, inputs, self._most_written(), self.card.name)
            ids = ids[:-1] if len(ids) > 2 else ids
            start, *more = self._text_reader().from_ids(ids)
            tokens = (start, *(replace(token, generated=True) for token in more))
            notices = (READS_ITS_OWN,)
            reading = replace(reading, source=replace(reading.source, generated=self._text_reader().decode(ids[1:])))
        return replace(reading, decoder_ids=tuple(ids), decoder_tokens=tokens, notices=(*reading.notices, *notices))

    def _continued(self, reading: Reading, n_tokens: int) -> Reading:
        """Return the reading with the tokens that a decoder writes after the text."""
        if not n_tokens or self.module.config.is_encoder_decoder:
            return reading
        sequence = reading.sequence
        room = self._room(sequence)
        most = min(n_tokens, MOST_GENERATED, room)
        if most < 1:
            notice = "There is no room for a continuation: the text alone is the most the model can read at once."
            return replace(reading, notices=(*reading.notices, notice))
        ids = generate_ids(self.module, model_inputs(self.module, sequence.inputs), most, self.card.name)
        written_ids, segment = ids[len(sequence.tokens) :], sequence.tokens[-1].segment  # it goes on with the last text
        new = [replace(one, generated=True, segment=segment) for one in self._text_reader().from_ids(written_ids)]
        # Token types, where a decoder has them, go on as the last one, as they did while it wrote.
        inputs = {name: [*given, *[given[-1]] * len(new)] for name, given in sequence.inputs.items()}
        inputs["input_ids"] = ids
        notices = [f"The last {len(new)} of {len(ids)} tokens are the model's own continuation, greedily chosen."]
        if len(new) < n_tokens:
            notices.insert(0, shortfall_notice(len(new), n_tokens, MOST_GENERATED, room))
        sequence = replace(sequence, tokens=(*sequence.tokens, *new), inputs=inputs)
        own = self._text_reader().decode([token.id for token in new])
        source = replace(reading.source, generate=len(new), generated=own)
        return replace(reading, source=source, sequence=sequence, notices=(*reading.notices, *notices))

    @contextmanager
    def _one_pass(self, n_tokens: int, progress: Progress | None = None) -> Iterator[GiveWay]:
        """Let one thread at a time compute, with the model as it was loaded; between layers a shorter pass goes first.

        `progress` can end what is computed before the traced pass itself. Gives what lets shorter passes go first.
        """
        with _TURNS.turn(self.costs.estimate(n_tokens).seconds) as give_way:

            def between() -> None:
                give_way()
                if progress is not None:
                    progress(0, self.costs.n_layers)

            with calling_between_layers(between), torch.inference_mode(), memory_refusal(n_tokens):
                check_unchanged(self.module, self._implementations, self.card.name)
                yield give_way

    def _run(
        self,
        readings: Sequence[Reading],
        give_way: GiveWay,
        progress: Progress | None = None,
        on_layer_output: OnLayerOutput | None = None,
    ) -> list[AttentionTrace]:
        pad_id = self.tokenizer.pad_token_id if self.tokenizer is not None else None
        inputs = model_inputs(self.module, *(reading.sequence.inputs for reading in readings), pad_id=pad_id or 0)
        if self.module.config.is_encoder_decoder:
            longest = max(len(reading.decoder_ids) for reading in readings)
            rows = [[*one.decoder_ids, *[pad_id or 0] * (longest - len(one.decoder_ids))] for one in readings]
            inputs["decoder_input_ids"] = torch.tensor(rows, device=self.module.device)
        n_tokens = max(reading.n_tokens for reading in readings)
        batch = self._captured(inputs, n_tokens, give_way, progress, on_layer_output)
        return [self._trace_of(reading, layers) for reading, layers in zip(readings, batch, strict=True)]

    def _captured(
        self,
        inputs: dict[str, torch.Tensor],
        n_tokens: int,
        give_way: GiveWay,
        progress: Progress | None,
        on_layer_output: OnLayerOutput | None = None,
    ) -> list[Layers]:
        total, begun = self.costs.n_layers, 0
        start = perf_counter()

        def between() -> None:
            nonlocal begun
            give_way()
            if progress is not None and begun:
                progress(min(begun, total - 1), total)
            begun += 1

        if self.card.capture == "replayed":
            on_call = None if progress is None else lambda done: progress(min(done, total), total)
            with calling_between_layers(give_way):
                batch = replayed_batch(body(self.module), inputs, on_call=on_call, on_layer_output=on_layer_output)
        else:
            with calling_between_layers(between):
                batch = materialised_batch(body(self.module), inputs)
            if progress is not None:
                progress(total, total)
        self.costs.learn(n_tokens, (perf_counter() - start) / len(batch))
        return batch

    def _trace_of(self, reading: Reading, layers: Layers) -> AttentionTrace:
        tokens, decoder = reading.sequence.tokens, reading.decoder_tokens
        sides = {"encoder": (tokens, tokens), "decoder": (decoder or tokens,) * 2, "cross": (decoder, tokens)}
        found = in_order(trim(layers, len(tokens), len(decoder)))
        annotations = {"task": self.card.task} if self.card.task else None
        attentions = {
            kind: Attention(kind, of_kind, *sides[kind], reading.source, annotations=annotations)
            for kind, of_kind in zip(self.card.kinds, found, strict=True)
        }
        return AttentionTrace(attentions, reading.notices, reading.source)

    def _trace_image(self, image: Image.Image, progress: Progress | None, budget: Budget) -> AttentionTrace:
        if self._images is None:
            raise NoText(f"{self.card.name} reads texts, not pictures: give a text.")
        patches = self._images.read(image)
        n_patches = patches.grid[0] * patches.grid[1]
        budget.admit(self.costs.estimate(n_patches))
        with self._one_pass(n_patches) as give_way:
            layers = self._captured(image_inputs(self.module, patches), n_patches, give_way, progress)[0]
        (found,) = in_order(layers)
        tokens = patch_tokens(patches.grid, found[0].shape[1])
        source = replace(self._source(""), image="sha256:" + sha256(patches.seen.tobytes()).hexdigest()[:12])
        attention = Attention("encoder", found, tokens, tokens, source, key_grid=patches.grid)
        return AttentionTrace({"encoder": attention}, (), source, image=patches.seen)


def body(module: PreTrainedModel) -> PreTrainedModel:
    """Return the part of a model that has the attention: without the head that makes a logit for every word."""
    writes = not module.config.is_encoder_decoder and module.can_generate()
    return cast(PreTrainedModel, module.base_model) if writes else module


def image_inputs(module: PreTrainedModel, patches: PatchSequence) -> dict[str, torch.Tensor]:
    """Return a picture's pixel values where the model is, in its dtype."""
    return {name: values.to(module.device, module.dtype) for name, values in patches.inputs.items()}


def check_ids(module: PreTrainedModel, tokens: tuple[Token, ...], name: str) -> None:
    """Let tokens through that the model has embeddings for.

    Raises:
        BrokenModel: the tokenizer counts further than the model.
    """
    n_embeddings = getattr(module.get_input_embeddings(), "num_embeddings", None)
    largest = max(tokens, key=lambda token: token.id)
    if n_embeddings is not None and largest.id >= n_embeddings:
        raise BrokenModel(
            f"The tokenizer gives {largest.display!r} the id {largest.id:,}, but {name} has only "
            f"{n_embeddings:,} embeddings: save the tokenizer it was trained with into its folder."
        )
