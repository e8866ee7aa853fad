"""A loaded model that traces: a text or a picture in, `AttentionTrace` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import repeat
from typing import Unpack

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.answers import Answers
from models.arguments import checked
from models.capture.borrowed import Borrowed
from models.capture.cost import Budget, Costs, Estimate
from models.capture.forward import (
    Layers,
    image_inputs,
    in_order,
    trim,
)
from models.capture.interface import OnLayerOutput
from models.card import Card
from models.errors import NoText
from models.forward_pass import ForwardPass, GiveWay, Progress
from models.given_text import Text
from models.images import ImageReader, PatchSequence, patch_tokens
from models.input_builder import InputBuilder
from models.model_input import ModelInput
from models.patches import Patches
from models.pictured_input import PicturedInputBuilder
from models.request import Inputs, Request
from models.sound_input import SoundInputs
from models.sound_reader import SoundReader, refuse_short_sounds
from models.text_picture import READ_ALONE, TextPictureReader
from models.trace import Attention, AttentionTrace

MAX_BATCH = 64


class Model:
    """A transformer in eval mode, shared by all visitors and never changed by a trace.

    `load_model` makes it. A module in memory belongs to its owner, who may train and change it between traces: each
    trace reads the weights that it has then. A trace is refused while the module is in training mode or, if it was
    loaded from files, has another attention function. `card.capture` is the way of capture: "replayed" from q and k,
    or "materialised" by the model itself (`output_attentions`) for families that are not on the attention interface.
    """

    def __init__(
        self,
        module: PreTrainedModel,
        card: Card,
        costs: Costs,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        images: ImageReader | None = None,
        pictures: TextPictureReader | None = None,
        sounds: SoundReader | None = None,
        answers: Answers | None = None,
        borrowed: Borrowed | None = None,
    ) -> None:
        self.module = module
        self.card = card
        self.costs = costs
        self._images = images
        self._pass = ForwardPass(module, card, costs, borrowed)
        self._inputs = InputBuilder(module, card, None)
        if pictures is not None:
            self._inputs = PicturedInputBuilder(module, card, None, pictures)
        if tokenizer is not None:
            self._inputs.use_tokenizer(tokenizer)
        self._sounds = SoundInputs(module, card, sounds, self._inputs) if sounds is not None else None
        self._answers = replace(answers or Answers(), show=self._inputs.show_ids if tokenizer is not None else None)

    def __repr__(self) -> str:
        kinds = (f"{kind} {layers} layers x {heads} heads" for kind, (layers, heads) in self.card.sizes.items())
        return f"Model({self.card.name!r}, {', '.join(kinds)})"

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The tokenizer; texts are read as it is at the time. Another one may be set in its place."""
        return self._inputs.tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._inputs.use_tokenizer(tokenizer)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that `src_lang` and `tgt_lang` may be, empty for a model without a choice of languages."""
        return self._inputs.languages

    @property
    def sampling_rate(self) -> int | None:
        """The samples a second of the sounds that the model reads, None if it reads none."""
        return None if self._sounds is None else self._sounds.rate

    @checked
    def estimate(self, text: Text | None = None, **inputs: Unpack[Inputs]) -> Estimate:
        """Return the largest cost of `trace` with the same text and inputs: a model may end its own text sooner.

        Raises:
            HeadlightError: as `trace`, for everything that is known before the pass.
        """
        request = Request(text=text, **inputs)
        if self._sounds is not None or request.audio is not None:
            sounds = self._sound_inputs()
            return self.costs.estimate(sounds.count_tokens(sounds.read(request)))
        if request.image is not None and not self._inputs.reads_pictures:
            rows, columns = self._read_image(request).grid
            return self.costs.estimate(rows * columns)
        self._inputs.check_asked(request)
        return self._inputs.add_cost(request, self.costs.estimate(self._inputs.count_tokens(request)))

    @checked
    def trace(
        self,
        text: Text | None = None,
        *,
        progress: Progress | None = None,
        budget: Budget | None = None,
        on_layer_output: OnLayerOutput | None = None,
        **inputs: Unpack[Inputs],
    ) -> AttentionTrace:
        """Return the attention of one forward pass over a text, or over a picture.

        A text may also be given as its words, `["Hello", "world", "!"]`, which `Attention.words` keeps as they are, or
        as its token ids, `[101, 4937, 102]`, which the model reads exactly as they are. `models.request.Request`
        describes `inputs`: a second text, a target, a continuation, a conversation, languages, a picture, a sound.

        `progress(done, total)` is called in this thread after each layer's attention, and with 0 while tokens are
        generated; an exception of it ends the pass. `budget` refuses a larger cost. `on_layer_output` receives the
        values and the output of each replayed layer (models/capture/head_internals.py).

        Raises:
            NoText: the text has nothing that the model can read, or the model does not read this kind of input: a
                target without a decoder for it, a text with a picture if it does not read both.
            NotEnoughMemory: the trace would not fit; the sentence contains the estimate.
            TooLong: the budget has fewer seconds than the estimate.
            BrokenModel: the tokenizer gives an id that the model has no embedding for, the model cannot generate, or
                its module was set to training mode or to another attention function.
        """
        budget = budget or Budget()
        request = Request(text=text, **inputs)
        if self._sounds is not None or request.audio is not None:
            return self._trace_sound(request, progress, budget, on_layer_output)
        if request.image is not None and not self._inputs.reads_pictures:
            return self._trace_image(self._read_image(request), progress, budget)
        return self._trace_text(request, progress, budget, on_layer_output)

    def _trace_text(
        self, request: Request, progress: Progress | None, budget: Budget, on_layer_output: OnLayerOutput | None
    ) -> AttentionTrace:
        self._inputs.check_asked(request)
        if request.image is not None:  # before its pixels are computed
            budget.admit(self._inputs.add_cost(request, self.costs.estimate(self._inputs.count_tokens(request))))
        given = self._inputs.tokenize(request)
        self._admit([given], budget)
        with self._pass.turn(given.n_tokens, progress) as give_way:
            given = self._inputs.add_continuation(self._inputs.add_decoder_text(given), request.generate)
            self._admit([given], budget)
            return self._run([given], give_way, progress, on_layer_output)[0]

    @checked
    def trace_batch(
        self, texts: Sequence[Text] | str, *, targets: Sequence[str] | str | None = None, budget: Budget | None = None
    ) -> list[AttentionTrace]:
        """Return the traces of several texts from one forward pass, without the padding of the shorter ones.

        Raises:
            NoText: one string instead of a list, no texts or more than `MAX_BATCH`, not a target for each text, a
                target for a model without a decoder for it, or a text with nothing to read.
            HeadlightError: as `trace`.
        """
        if isinstance(texts, str) or isinstance(targets, str):
            what = "texts" if isinstance(texts, str) else "targets"
            raise NoText(f"A batch reads a list, and its {what} came as one string: give [text], or call trace.")
        if not 1 <= len(texts) <= MAX_BATCH or (targets is not None and len(targets) != len(texts)):
            raise NoText(
                f"A batch has 1 to {MAX_BATCH} texts, and a target for each or for none; "
                f"{len(texts)} texts and {len(targets or ())} targets came."
            )
        pairs = zip(texts, targets or repeat(None, len(texts)), strict=True)
        requests = [Request(text=text, target=target) for text, target in pairs]
        for request in requests:
            self._inputs.check_asked(request)
        batch = [self._inputs.tokenize(request) for request in requests]
        budget = budget or Budget()
        self._admit(batch, budget)
        with self._pass.turn(sum(one.n_tokens for one in batch)) as give_way:
            return self._run([self._inputs.add_decoder_text(one) for one in batch], give_way)

    def _admit(self, batch: Sequence[ModelInput], budget: Budget) -> None:
        # A batch is padded to its longest text.
        longest = max(one.n_tokens for one in batch)
        one = self.costs.estimate(longest)
        n_rows = len(batch)
        budget.admit(Estimate(n_rows * longest, n_rows * one.n_bytes, n_rows * one.seconds))

    def _run(
        self,
        batch: list[ModelInput],
        give_way: GiveWay,
        progress: Progress | None = None,
        on_layer_output: OnLayerOutput | None = None,
    ) -> list[AttentionTrace]:
        pad_id = self.tokenizer.pad_token_id if self.tokenizer is not None else None
        inputs = self._inputs.stack(batch, pad_id or 0)
        n_tokens = max(one.n_tokens for one in batch)
        layers_of_rows, given = self._pass.capture(inputs, n_tokens, give_way, progress, on_layer_output)
        traces = [self._make_trace(one, layers) for one, layers in zip(batch, layers_of_rows, strict=True)]
        return [
            replace(
                trace,
                outputs=self._answers.read(
                    given, inputs, one.decoder_tokens or one.sequence.tokens, len(one.sequence.tokens), row
                ),
            )
            for row, (one, trace) in enumerate(zip(batch, traces, strict=True))
        ]

    def _make_trace(self, given: ModelInput, layers: Layers) -> AttentionTrace:
        tokens, decoder = given.sequence.tokens, given.decoder_tokens
        sides = {"encoder": (tokens, tokens), "decoder": (decoder or tokens,) * 2, "cross": (decoder, tokens)}
        found = in_order(trim(layers, len(tokens), len(decoder)))
        annotations = {**({"task": self.card.task} if self.card.task else {}), **given.annotations}
        attentions = {
            kind: Attention(
                kind, of_kind, *sides[kind], given.source, key_patches=given.patches, annotations=annotations
            )
            for kind, of_kind in zip(self.card.kinds, found, strict=True)
        }
        return AttentionTrace(attentions, given.notices, given.source, image=given.seen)

    def _sound_inputs(self) -> SoundInputs:
        if self._sounds is None:
            raise NoText(f"{self.card.name} reads {self.card.modality}s, not sounds: give one.")
        return self._sounds

    def _trace_sound(
        self, request: Request, progress: Progress | None, budget: Budget, on_layer_output: OnLayerOutput | None
    ) -> AttentionTrace:
        sounds = self._sound_inputs()
        given = sounds.read(request)
        budget.admit(self.costs.estimate(sounds.count_tokens(given)))
        with self._pass.turn(given.n_tokens, progress) as give_way, refuse_short_sounds(given.seconds):
            given = sounds.add_decoder_text(given)
            inputs = sounds.tensors(given)
            rows, made = self._pass.capture(inputs, given.n_tokens, give_way, progress, on_layer_output)
            given = sounds.finish(given, rows[0])
            outputs = self._answers.read(made, inputs, given.decoder_tokens, len(given.sequence.tokens))
        return replace(self._make_trace(given, rows[0]), outputs=outputs)

    def _read_image(self, request: Request) -> PatchSequence:
        if self._images is None:
            also = (notice for notice in self.card.notices if READ_ALONE in notice)
            raise NoText(next(also, f"{self.card.name} reads texts, not pictures: give a text."))
        request.refuse_beside("A picture", allowed=("image",))
        return self._images.read(request.image)

    def _trace_image(self, patches: PatchSequence, progress: Progress | None, budget: Budget) -> AttentionTrace:
        n_patches = patches.grid[0] * patches.grid[1]
        budget.admit(self.costs.estimate(n_patches))
        with self._pass.turn(n_patches) as give_way:
            inputs = image_inputs(self.module, patches)
            layers, given = self._pass.capture(inputs, n_patches, give_way, progress)
            outputs = self._answers.read(given, inputs, (), 0)
        (found,) = in_order(layers[0])
        tokens = patch_tokens(patches.grid, found[0].shape[1])
        digest = sha256(patches.seen.tobytes()).hexdigest()[:12]
        source = replace(self._inputs.make_source(Request()), image=f"sha256:{digest}")
        grid = Patches(len(tokens) - n_patches, *patches.grid)
        attention = Attention("encoder", found, tokens, tokens, source, key_patches=(grid,))
        return AttentionTrace({"encoder": attention}, (), source, image=patches.seen, outputs=outputs)
