"""The gradient of a model's answer with respect to the attention weights of all its layers, in one pass.

The pass computes the output of each attention call from weights that have a gradient
(models/capture/interventions.py). The gradient of one number of the answer is then taken with respect to these weights
alone, so the weights of the shared model get none, and nothing on it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from transformers.utils import ModelOutput

from models.answers import Passed
from models.capture.cost import Budget, Costs, Estimate
from models.capture.forward import Layers, body, replayed_batch
from models.capture.goals import Answering, Goal
from models.capture.gradient_calls import WithGradients, computing_gradients
from models.capture.gradient_layer import GradientLayer
from models.capture.head import last_hidden, read_states
from models.capture.replay import Replay
from models.capture.turns import calling_between_layers
from models.errors import NoAnswer, NoAttention
from models.followed import Read, followed
from models.forward_pass import ForwardPass, PassCall, Progress
from models.given_text import Text
from models.model import Model
from models.outputs import NO_EMBEDDING, Outputs, run_head
from models.token_names import TokenNames
from models.trace import AttentionTrace

# The bytes of a weight: it, its gradient, and what is computed of both. Measured: 12 at 512 tokens (SmolLM2).
BYTES_PER_WEIGHT = 16
# How many vectors of a token each layer keeps for the pass back, and how much longer than a pass both ways take.
VECTORS_KEPT, TIMES_LONGER = 16, 4


@dataclass(frozen=True)
class GradientTrace:
    """A trace of weights times their gradients.

    `title` is what the gradient is of, as it follows "The gradient is of". `reads` are the positions whose last hidden
    states the answer is computed from, of the decoder of an encoder-decoder if `by_decoder`, else of the text.
    `unused` are the kinds of attention that the answer does not depend on.
    """

    trace: AttentionTrace
    title: str
    reads: tuple[int, ...]
    by_decoder: bool
    unused: frozenset[str]


def trace_gradient(
    model: Model,
    text: Text | None = None,
    *,
    goal: str | None = None,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Any,
) -> GradientTrace:
    """Return a trace whose weights are multiplied by their gradients, with 0 where the product is negative.

    `goal` is a target of `analysis.gradient_attention`. The other arguments are those of `Model.trace`.
    `progress(done, total)` counts the layers twice, on the way there and back.

    Raises:
        NoAttention: the model returns its weights itself, or was made in inference mode.
        NoAnswer, BadSelection: it has no such answer.
        HeadlightError: as `Model.trace`.
    """
    card = model.card
    if card.capture != "replayed":
        raise NoAttention(
            f"{card.name} returns its weights but not its queries and keys ({card.architecture} is not on "
            "transformers' attention interface), so they have no gradient: choose another model, such as minilm."
        )
    if any(weight.is_inference() for weight in model.module.parameters()):
        raise NoAttention(
            f"The weights of {card.name} were made in torch.inference_mode, in which PyTorch computes no gradients: "
            "load the model outside of it."
        )
    both_ways = _BothWays(model, goal)
    trace = both_ways.model.trace(text, progress=progress, budget=budget, **inputs)
    return GradientTrace(trace, both_ways.title, both_ways.reads, both_ways.by_decoder, both_ways.unused)


class GradientCosts(Costs):
    """The costs of a pass there and back."""

    def __init__(self, model: Model) -> None:
        self.__dict__.update(vars(model.costs))
        self._n_weights = sum(layers * heads for layers, heads in model.card.sizes.values())

    def estimate(self, n_tokens: int) -> Estimate:
        """Return the cost of a pass over `n_tokens` tokens and back."""
        there = super().estimate(n_tokens)
        kept = 4 * n_tokens * self._width * VECTORS_KEPT * self.n_layers
        n_bytes = there.n_bytes + kept + BYTES_PER_WEIGHT * self._n_weights * n_tokens**2
        return Estimate(n_tokens, n_bytes, TIMES_LONGER * there.seconds)


class _BothWays:
    """One pass there and back. Its `model` is a shallow copy with another pass, which shares all else."""

    def __init__(self, model: Model, goal: str | None) -> None:
        self.title, self.reads, self.by_decoder, self.unused = "", tuple[int, ...](), False, frozenset[str]()
        self._of, self._goal = model, goal
        self._weights: list[Tensor] = []
        self._roles: list[str] = []
        self._layers: list[GradientLayer] = []
        self._step: Callable[[], None] = lambda: None
        self.model = followed(model, self, GradientCosts(model))

    def capture(self, own: ForwardPass, call: PassCall) -> tuple[list[Layers], ModelOutput]:
        """Run the pass; the weights of the layers that it returns become those of the gradient on the way back."""
        del own  # it would compute without gradients
        progress, give_way = call.progress, call.give_way
        total, given = 2 * self.model.costs.n_layers, list[ModelOutput]()
        changed = WithGradients(call.intervention, self._of.card.name)

        def count(done: int) -> None:
            if progress is not None:
                progress(min(done, total), total)

        with computing_gradients(), calling_between_layers(give_way):
            (replays,) = replayed_batch(
                body(self._of.module),
                {name: values.clone() for name, values in call.inputs.items()},
                on_call=count,
                on_output=given.append,
                intervention=changed,
            )
        self._weights = list(changed.weights.values())
        self._roles = [place.role for place in changed.weights]
        self._layers = [
            GradientLayer.of(weights, cast(Replay, replays[place.role][place.layer]))
            for place, weights in changed.weights.items()
        ]
        layers: Layers = {role: [] for role in replays}
        for place, layer in zip(changed.weights, self._layers, strict=True):
            layers[place.role].append(layer)
        n_done = len(self._weights)

        def step() -> None:
            nonlocal n_done
            n_done += 1
            count(n_done)
            give_way()

        self._step = step
        return [layers], given[0]

    def answer(self, read: Read, passed: Passed) -> Outputs:
        """Return the answers, which are known before the way back begins, because the goal may be one of them."""
        values = {name: tree_map_only(Tensor, Tensor.detach, value) for name, value in passed.given.items()}
        outputs = read(replace(passed, given=type(passed.given)(**values)))
        self._go_back(outputs, passed)
        return outputs

    def _go_back(self, outputs: Outputs, passed: Passed) -> None:
        """Compute the gradients, and multiply the weights by them."""
        with computing_gradients():
            states = read_states(passed.given)
            found = self._find_goal(outputs, passed)
            if not found.value.requires_grad:
                raise NoAnswer(f"{self._of.card.name} computes its answer without gradients: choose another target.")
            for weights in self._weights:
                weights.register_hook(lambda _: self._step())
            # The decoder's states come first, if there is one. Of other models both are the same tensor.
            ends = {
                id(one): one for one in (last_hidden(passed.given), states) if one is not None and one.requires_grad
            }
            wanted = [*self._weights, *ends.values()]
            # In this thread also on an accelerator, because `progress` and the turn belong to it.
            with torch.autograd.set_multithreading_enabled(False):
                gradients = torch.autograd.grad(found.value, wanted, allow_unused=True)
        self.title = found.title
        self._keep(gradients[: len(self._weights)], gradients[len(self._weights) :])

    def _keep(self, of_weights: Sequence[Tensor | None], of_states: Sequence[Tensor | None]) -> None:
        """Multiply the weights by their gradients, and note what the answer depends on."""
        used = {role for role, gradient in zip(self._roles, of_weights, strict=True) if gradient is not None}
        if not used:
            raise NoAnswer(
                f"The answer of {self._of.card.name} does not depend on its attention: choose another target."
            )
        self.unused = frozenset(self._roles) - used
        for layer, gradient in zip(self._layers, of_weights, strict=True):
            layer.multiply(gradient)
        for place, gradient in enumerate(of_states):
            if gradient is not None and not self.reads:
                self.reads = tuple((gradient[0] != 0).any(-1).nonzero().flatten().tolist())
                self.by_decoder = self._of.module.config.is_encoder_decoder and place == 0
        self._weights = []

    def _find_goal(self, outputs: Outputs, passed: Passed) -> Goal:
        answers, given = self._of._answers, passed.of_row
        head, hidden = answers.head, last_hidden(given)

        def labels() -> Tensor:
            assert head is not None
            return run_head(lambda one: one.labels(given, passed.read_inputs), head)

        def words(position: int) -> Tensor:
            assert head is not None
            assert hidden is not None  # `Answers.read` gives no words without hidden states
            return run_head(lambda one: one.words(hidden[0, position : position + 1])[0], head)

        def embedding() -> Tensor:
            if passed.states is None:
                raise NoAnswer(NO_EMBEDDING)
            return answers.pooling.join(passed.states, passed.masked)

        names = TokenNames(self._of._inputs)
        return Answering(outputs, answers.names, labels, words, embedding, names).goal(self._goal)
