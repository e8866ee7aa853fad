"""A loaded model that traces: a text or a picture in, `AttentionTrace` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Unpack

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.answers import Answers, Passed
from models.arguments import checked
from models.capture.ablation import check_masked
from models.capture.borrowed import Borrowed
from models.capture.cost import Budget, Costs, Estimate
from models.capture.forward import Layers, image_inputs, in_order, trim
from models.capture.interface import OnLayerOutput
from models.card import Card
from models.changed_pass import ChangedPass, change_notices
from models.errors import NoText
from models.forward_pass import ForwardPass, GiveWay, PassCall, Progress
from models.given_text import Text
from models.images import ImageReader, PatchSequence
from models.input_builder import InputBuilder
from models.model_input import ModelInput
from models.padded import PaddedAttention
from models.picture_trace import make_picture_trace
from models.pictured_input import PicturedInputBuilder
from models.request import Inputs, Request, batch_requests
from models.sound_input import SoundInputs
from models.sound_reader import SoundReader, refuse_short_sounds
from models.text_picture import READ_ALONE, TextPictureReader
from models.trace import Attention, AttentionTrace


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
        self._changes = ChangedPass(card, of_two_sides=module.config.is_encoder_decoder)
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

    @checked
    def role_of(self, kind: str) -> str:
        """Return the role of a kind of attention in a pass (models/capture/forward.py)."""
        return self._changes.role_of(kind)

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
            return self._trace_image(request, progress, budget, on_layer_output)
        return self._trace_text(request, progress, budget, on_layer_output)

    def _trace_text(
        self, request: Request, progress: Progress | None, budget: Budget, on_layer_output: OnLayerOutput | None
    ) -> AttentionTrace:
        if request.image is not None:  # before its pixels are computed
            self._inputs.check_asked(request)
            budget.admit(self._inputs.add_cost(request, self.costs.estimate(self._inputs.count_tokens(request))))
        given = self._read(request)
        budget.admit(self.costs.estimate(given.n_tokens))
        with self._pass.turn(given.n_tokens, progress) as give_way:
            given = self._inputs.add_continuation(self._inputs.add_decoder_text(given), request.generate)
            budget.admit(self.costs.estimate(given.n_tokens))
            return self._run([given], give_way, progress, on_layer_output)[0]

    @checked
    def trace_batch(
        self,
        texts: Sequence[Text] | str,
        *,
        targets: Sequence[str] | str | None = None,
        ablate: Mapping[Any, Any] | Sequence[Mapping[Any, Any] | None] | None = None,
        mask_tokens: Sequence[Sequence[int] | None] | None = None,
        budget: Budget | None = None,
    ) -> list[AttentionTrace]:
        """Return the traces of several texts from one forward pass, without the padding of the shorter ones.

        `ablate` has the heads to change in all texts, or a list of them for each text; `mask_tokens` the positions to
        mask in each text (`models.request.Request`).

        Raises:
            NoText: one string instead of a list, no texts or more than `MAX_BATCH`, not a target for each text, a
                target for a model without a decoder for it, or a text with nothing to read.
            HeadlightError: as `trace`.
        """
        batch = self._read_batch(batch_requests(texts, targets, ablate, mask_tokens), budget)
        with self._pass.turn(sum(one.n_tokens for one in batch)) as give_way:
            return self._run([self._inputs.add_decoder_text(one) for one in batch], give_way)

    @checked
    def attend_batch(self, texts: Sequence[Text] | str, kind: str = "") -> PaddedAttention:
        """Return one kind of attention over several texts, by default the first, from one forward pass.

        It is that of `trace_batch`, still with the padding: for what reads all texts at once, such as measures.

        Raises:
            BadSelection: the model has no attention of that kind.
            HeadlightError: as `trace_batch`.
        """
        kind = self.card.kind(kind)
        batch = self._read_batch(batch_requests(texts))
        with self._pass.turn(sum(one.n_tokens for one in batch)) as give_way:
            batch = [self._inputs.add_decoder_text(one) for one in batch]
            rows, _ = self._pass.capture(self._call_of(batch, give_way))
        return PaddedAttention.of(kind, batch, [in_order(layers)[self.card.kinds.index(kind)] for layers in rows])

    def _read(self, request: Request) -> ModelInput:
        self._inputs.check_asked(request)
        given = self._inputs.tokenize(request)
        check_masked(given.source.mask_tokens, len(given.sequence.tokens))
        return given

    def _read_batch(self, requests: list[Request], budget: Budget | None = None) -> list[ModelInput]:
        batch = [self._read(request) for request in requests]
        longest = max(one.n_tokens for one in batch)  # which all of them are padded to
        (budget or Budget()).admit(self.costs.estimate(longest).times(len(batch)))
        return batch

    def _run(
        self,
        batch: list[ModelInput],
        give_way: GiveWay,
        progress: Progress | None = None,
        on_layer_output: OnLayerOutput | None = None,
    ) -> list[AttentionTrace]:
        call = replace(self._call_of(batch, give_way), progress=progress, on_layer_output=on_layer_output)
        rows, given = self._pass.capture(call)
        traces = []
        for row, (one, layers) in enumerate(zip(batch, rows, strict=True)):
            read = one.sequence.tokens
            passed = Passed(given, call.inputs, one.decoder_tokens or read, len(read), row, one.source.mask_tokens)
            traces.append(replace(self._make_trace(one, layers), outputs=self._answers.read(passed)))
        return traces

    def _call_of(self, batch: list[ModelInput], give_way: GiveWay) -> PassCall:
        n_tokens, changes = max(one.n_tokens for one in batch), self._changes.of_batch(batch)
        return PassCall(self._inputs.stack(batch), n_tokens, give_way, changes)

    def _make_trace(self, given: ModelInput, layers: Layers) -> AttentionTrace:
        tokens, decoder = given.sequence.tokens, given.decoder_tokens
        found = in_order(self._changes.shown(trim(layers, len(tokens), len(decoder)), given.source))
        known = {**({"task": self.card.task} if self.card.task else {}), **given.annotations}
        # Each attention has these too, since a picture of one kind must say that the model was changed.
        changes = change_notices(given.source, tokens)
        more: dict[str, Any] = {"key_patches": given.patches, "annotations": known, "notices": changes}
        attentions = {
            kind: Attention(kind, of_kind, *given.sides(kind), given.source, **more)
            for kind, of_kind in zip(self.card.kinds, found, strict=True)
        }
        return AttentionTrace(attentions, (*given.notices, *changes), given.source, image=given.seen)

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
            changes = self._changes.of_batch([given])
            rows, made = self._pass.capture(
                PassCall(inputs, given.n_tokens, give_way, changes, progress, on_layer_output)
            )
            given = sounds.finish(given, rows[0])
            n_read, masked = len(given.sequence.tokens), given.source.mask_tokens
            outputs = self._answers.read(Passed(made, inputs, given.decoder_tokens, n_read, masked=masked))
        return replace(self._make_trace(given, rows[0]), outputs=outputs)

    def _read_image(self, request: Request) -> PatchSequence:
        if self._images is None:
            also = (notice for notice in self.card.notices if READ_ALONE in notice)
            raise NoText(next(also, f"{self.card.name} reads texts, not pictures: give a text."))
        request.refuse_beside("A picture", allowed=("image",))
        return self._images.read(request.image)

    def _trace_image(
        self, request: Request, progress: Progress | None, budget: Budget, on_layer_output: OnLayerOutput | None
    ) -> AttentionTrace:
        patches = self._read_image(request)
        digest = sha256(patches.seen.tobytes()).hexdigest()[:12]
        only_changes = Request(ablate=request.ablate, mask_tokens=request.mask_tokens)
        source = replace(self._inputs.make_source(only_changes), image=f"sha256:{digest}")
        n_patches = patches.grid[0] * patches.grid[1]
        budget.admit(self.costs.estimate(n_patches))
        with self._pass.turn(n_patches) as give_way:
            inputs = image_inputs(self.module, patches)
            changes = self._changes.of_rows([self._changes.change_of(source)])
            layers, given = self._pass.capture(
                PassCall(inputs, n_patches, give_way, changes, progress, on_layer_output)
            )
            outputs = self._answers.read(Passed(given, inputs, masked=source.mask_tokens))
        (found,) = in_order(self._changes.shown(layers[0], source))
        return make_picture_trace(found, patches, source, outputs)
