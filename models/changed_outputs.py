"""What a model answers to one input if it is changed in many ways, one at a time: rows of a batch, a change in each.

The untouched pass is a usual trace. Its shallow copy of the model runs the changed batches in the same turn, records no
queries and keys, and gives each batch's answers away before the next one runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from models import memory
from models.answers import Passed
from models.capture.ablation import Ablation, Change
from models.capture.cost import Budget, Costs, Estimate
from models.capture.forward import Layers, body, forward_options, role_of, text_part
from models.capture.growing import growing, grows
from models.capture.interface import recording
from models.capture.interventions import Intervention
from models.capture.turns import calling_between_layers
from models.followed import Read, followed
from models.forward_pass import ForwardPass, GiveWay, PassCall, Progress
from models.given_text import Text
from models.model import Model
from models.outputs import Outputs
from models.terms import Answered, rows_of
from models.trace import AttentionTrace

# More rows make a batch no faster: the processor is busy with this many tokens.
MOST_ROWS, MOST_TOKENS = 128, 2048
# The share of the free memory that a batch may take.
SHARE_OF_FREE = 0.4
NO_CHANGE = Change({})


# Returns the changes of each row, given the layers of the untouched pass.
Plan = Callable[[Layers], Sequence[Change]]
# Called with the answers of the untouched pass first, then with those of each batch in the order of the plan.
OnAnswers = Callable[[Answered], None]


def answer_changes(
    model: Model,
    text: Text | None,
    plan: Plan,
    on_answers: OnAnswers,
    *,
    n_changes: int | None = None,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Any,
) -> AttentionTrace:
    """Run the changes of `plan` and return the trace of the untouched pass.

    `n_changes` is about how many changes there are, by default one for each token. `inputs` are those of `Model.trace`;
    an `ablate` or `mask_tokens` among them is a part of every row. `progress(done, total)` counts the attention calls
    of all batches. `budget` refuses a larger cost of all of them together.

    Raises:
        HeadlightError: as `Model.trace`.
    """
    budget = budget or Budget()
    return _ChangedModel(model, plan, on_answers, n_changes, budget, progress).model.trace(
        text, progress=progress, budget=budget, **inputs
    )


class _Costs(Costs):
    """The costs of a pass and of its changes."""

    def __init__(self, costs: Costs, n_changes: int | None, budget: Budget) -> None:
        self.__dict__.update(vars(costs))
        self._own, self._n_changes, self._budget = costs, n_changes, budget

    def estimate(self, n_tokens: int) -> Estimate:
        """Return the cost of all passes over `n_tokens` tokens."""
        one = self._own.estimate(n_tokens)
        n_changes = n_tokens if self._n_changes is None else self._n_changes
        n_rows = min(self.count_rows(n_tokens), n_changes)
        return Estimate(n_tokens, (1 + n_rows) * one.n_bytes, (1 + n_changes) * one.seconds)

    def count_rows(self, n_tokens: int) -> int:
        """Return how many rows a batch has: as many as are of use, and fit into the memory and the budget."""
        n_bytes, most = max(1, self._own.estimate(n_tokens).n_bytes), SHARE_OF_FREE * memory.free_bytes()
        if self._budget.n_bytes is not None:
            most = min(most, self._budget.n_bytes - n_bytes)
        return max(1, min(MOST_ROWS, MOST_TOKENS // max(1, n_tokens), int(most // n_bytes)))


class _ChangedModel:
    """Runs the changes. Its `model` is a shallow copy with another pass, which shares all else."""

    def __init__(
        self,
        model: Model,
        plan: Plan,
        on_answers: OnAnswers,
        n_changes: int | None,
        budget: Budget,
        progress: Progress | None,
    ) -> None:
        self._plan, self._on_answers, self._progress = plan, on_answers, progress
        self._body = body(model.module)
        self._causal, self._changes, self._base = frozenset[str](), list[Change](), NO_CHANGE
        self._give_way: GiveWay = lambda: None
        self._n_tokens = 1
        self._costs = _Costs(model.costs, n_changes, budget)
        self._of, self.model = model, followed(model, self, self._costs)

    def capture(self, own: ForwardPass, call: PassCall) -> tuple[list[Layers], ModelOutput]:
        """Run the untouched pass, and plan the changes when it has its layers."""
        rows, given = own.capture(replace(call, progress=None))
        self._changes, self._n_tokens, self._give_way = list(self._plan(rows[0])), call.n_tokens, call.give_way
        self._causal = self._of._changes.causal
        self._base = call.intervention.rows[0] if isinstance(call.intervention, Ablation) else NO_CHANGE
        return rows, given

    def answer(self, read: Read, passed: Passed) -> Outputs:
        """Return the answers of the untouched pass; those of the changed ones are given away, batch by batch."""
        untouched = read(passed)
        self._on_answers(Answered([untouched], passed.given))
        self._run(read, passed)
        return untouched

    def _run(self, read: Read, passed: Passed) -> None:
        inputs = passed.inputs
        # A picture beside a text is not one row of each tensor.
        apart = any(len(values) != 1 for values in inputs.values())
        n_rows = 1 if apart else self._costs.count_rows(self._n_tokens)
        n_layers, n_batches = self._costs.n_layers, -(-len(self._changes) // n_rows)
        begins = None if apart or n_rows == 1 else self._first_layers(inputs, passed.given)
        for number, start in enumerate(range(0, len(self._changes), n_rows)):
            rows = [self._joined(change) for change in self._changes[start : start + n_rows]]
            done = (number + 1) * n_layers

            def count(n_calls: int, done: int = done) -> None:
                if self._progress is not None:
                    self._progress(min(done + min(n_calls, n_layers), done + n_layers), (1 + n_batches) * n_layers)

            batch = {name: values if apart else _repeated(values, len(rows)) for name, values in inputs.items()}
            with calling_between_layers(self._give_way):
                if begins is None:
                    given = _answer(self._body, batch, Ablation(rows, self._causal), count)
                else:
                    given = self._grown(inputs, rows, begins[start : start + n_rows], count)
            made = replace(passed, given=given, inputs=batch)
            outputs = [read(replace(made, row=row, masked=change.masked)) for row, change in enumerate(rows)]
            self._on_answers(Answered(outputs, given))

    def _first_layers(self, inputs: Mapping[str, Tensor], untouched: ModelOutput) -> list[int] | None:
        """Return the first layer that each change changes, in order, if the rows can share the layers before it."""
        places = [min(change.heads) for change in self._changes if change.heads and not change.masked]
        layers = [layer for _, layer, _ in places]
        usable = len(places) == len(self._changes) > 1 and self._base == NO_CHANGE and layers == sorted(layers)
        if not usable or any(role != "self" for role, _, _ in places):
            return None
        return layers if grows(self._body, inputs, untouched, self._costs.n_layers) else None

    def _grown(
        self,
        inputs: Mapping[str, Tensor],
        rows: Sequence[Change],
        begins: Sequence[int],
        on_call: Callable[[int], None],
    ) -> ModelOutput:
        """Return what the body gives for some rows, each of which begins in its first changed layer."""
        n_added = [begins.count(layer) for layer in range(self._costs.n_layers)]
        module = growing(self._body, n_added)
        assert module is not None  # `grows` has tried it
        given = _answer(module, inputs, Ablation([self._base, *rows], self._causal), on_call)
        return rows_of(given, 1, len(rows))

    def _joined(self, change: Change) -> Change:
        masked = tuple(sorted({*self._base.masked, *change.masked}))
        return Change({**self._base.heads, **change.heads}, masked)


def _repeated(values: Tensor, n_rows: int) -> Tensor:
    return values.expand(n_rows, *values.shape[1:]).contiguous()


def _answer(
    module: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    intervention: Intervention,
    on_call: Callable[[int], None] | None = None,
) -> ModelOutput:
    """Run one forward pass that an intervention changes and return what the module gives; no layer is kept."""
    part = text_part(module)
    own = None if part is module else frozenset(map(id, part.modules()))
    with recording(
        on_call=on_call, modules=own, intervention=intervention, role_of=partial(role_of, module), keeps=False
    ):
        given: ModelOutput = module(**inputs, **forward_options(module))
    return given
