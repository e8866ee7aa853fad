"""The forward passes of one model: one at a time, watched, and with the attention of every layer captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from models.capture.borrowed import Borrowed
from models.capture.cost import Costs, memory_refusal
from models.capture.forward import (
    Layers,
    body,
    check_unchanged,
    implementations,
    materialised_batch,
    replayed_batch,
)
from models.capture.interface import OnLayerOutput
from models.capture.interventions import Intervention
from models.capture.turns import TURNS, announce_layers, calling_between_layers
from models.card import Card

Progress = Callable[[int, int], None]
GiveWay = Callable[[], None]


@dataclass(frozen=True)
class PassCall:
    """What one pass is asked: the inputs of all rows, and who watches and changes it."""

    inputs: dict[str, torch.Tensor]
    n_tokens: int
    give_way: GiveWay
    intervention: Intervention | None
    progress: Progress | None = None
    on_layer_output: OnLayerOutput | None = None


class ForwardPass:
    """Runs one model; `borrowed` is given for a module that belongs to the caller."""

    def __init__(self, module: PreTrainedModel, card: Card, costs: Costs, borrowed: Borrowed | None) -> None:
        self._module, self._card, self._costs = module, card, costs
        self._implementations = implementations(module)
        self._computing = borrowed.computing if borrowed else torch.inference_mode
        if card.capture == "materialised":
            (borrowed.announce_layers if borrowed else announce_layers)(body(module))

    @contextmanager
    def turn(self, n_tokens: int, progress: Progress | None = None) -> Iterator[GiveWay]:
        """Let one thread at a time compute with the unchanged model; between layers a shorter pass may run first.

        `progress` can end the work before the traced pass. Gives the function that lets shorter passes run first.
        """
        with TURNS.turn(self._costs.estimate(n_tokens).seconds) as give_way:

            def between() -> None:
                give_way()
                if progress is not None:
                    progress(0, self._costs.n_layers)

            with calling_between_layers(between), self._computing(), memory_refusal(n_tokens):
                check_unchanged(self._module, self._implementations, self._card.name)
                yield give_way

    def capture(self, call: PassCall) -> tuple[list[Layers], ModelOutput]:
        """Return each row's layers, and what the body of the model gave."""
        give_way, progress = call.give_way, call.progress
        total, n_started = self._costs.n_layers, 0
        outputs: list[ModelOutput] = []
        start = perf_counter()

        def between() -> None:
            nonlocal n_started
            give_way()
            if progress is not None and n_started:
                progress(min(n_started, total - 1), total)
            n_started += 1

        if self._card.capture == "replayed":
            on_call = None if progress is None else lambda done: progress(min(done, total), total)
            with calling_between_layers(give_way):
                batch = replayed_batch(
                    body(self._module),
                    call.inputs,
                    on_call=on_call,
                    on_layer_output=call.on_layer_output,
                    on_output=outputs.append,
                    intervention=call.intervention,
                )
        else:
            with calling_between_layers(between):
                batch = materialised_batch(body(self._module), call.inputs, outputs.append)
            if progress is not None:
                progress(total, total)
        self._costs.learn(call.n_tokens, (perf_counter() - start) / len(batch))
        return batch, outputs[0]
