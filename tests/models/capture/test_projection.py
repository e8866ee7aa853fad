"""The projection of an output is found whoever computes it, and refused where something else reads the output."""

import pytest
import torch
from torch.nn.functional import dropout, layer_norm, linear

from models.capture.projection import Projections

N_QUERY, N_HEADS, D_VALUE, WIDTH = 5, 3, 7, 11
JOINED = N_HEADS * D_VALUE
WEIGHT = torch.randn(JOINED, WIDTH, generator=torch.Generator().manual_seed(1))


def follow(layer) -> tuple[list[torch.Tensor], list[str]]:
    """Run a layer on an output, and return the weights that were found and the reasons why one is not known."""
    weights: list[torch.Tensor] = []
    reasons: list[str] = []
    output = torch.randn(1, N_QUERY, N_HEADS, D_VALUE, generator=torch.Generator().manual_seed(2))
    with Projections() as projections:
        projections.follow(output, weights.append, reasons.append)
        layer(output, output.reshape(1, N_QUERY, JOINED))
    return weights, reasons


FOUND = {
    "linear": lambda _, joined: linear(joined, WEIGHT.T),
    "linear with a bias": lambda _, joined: linear(joined, WEIGHT.T, torch.ones(WIDTH)),
    "Conv1D": lambda _, joined: torch.addmm(torch.ones(WIDTH), joined.view(-1, JOINED), WEIGHT),
    "matmul": lambda _, joined: torch.matmul(joined, WEIGHT),
    "@": lambda _, joined: joined @ WEIGHT,
    "mm": lambda _, joined: joined[0].mm(WEIGHT),
    "another order, and back": lambda output, _: linear(
        output.transpose(1, 2).contiguous().transpose(1, 2).flatten(2), WEIGHT.T
    ),
    "no dropout": lambda _, joined: linear(dropout(joined, 0.5, training=False).clone(), WEIGHT.T),
    "a question about it": lambda _, joined: (torch.isnan(joined).any(), linear(joined, WEIGHT.T)),
    "double": lambda _, joined: linear(joined.double(), WEIGHT.T.double()),
    "a module": lambda _, joined: torch.nn.Linear(JOINED, WIDTH)(joined),
}
REFUSED = {
    "a gate": (lambda _, joined: linear(joined * 0.5, WEIGHT.T), "(mul)"),
    "a gate in place": (lambda _, joined: linear(joined.mul_(0.5), WEIGHT.T), "(linear)"),
    "a gate elsewhere in place": (lambda output, joined: (output.mul_(0.5), linear(joined, WEIGHT.T)), "(linear)"),
    "a norm": (lambda _, joined: linear(layer_norm(joined, (JOINED,)), WEIGHT.T), "(layer_norm)"),
    "heads in another order": (lambda output, _: linear(output.flip(2).flatten(2), WEIGHT.T), "(flip)"),
    "dimensions before heads": (lambda output, _: linear(output.transpose(2, 3).flatten(2), WEIGHT.T), "(linear)"),
    "dropout": (lambda _, joined: linear(dropout(joined, 0.5), WEIGHT.T), "(linear)"),
    "one head alone": (lambda output, _: linear(output[:, :, 0], torch.ones(WIDTH, D_VALUE)), "(linear)"),
    "two products": (lambda _, joined: linear(joined, WEIGHT.T) + linear(joined, WEIGHT.T), "several matrices"),
    "a sum with it": (lambda _, joined: linear(joined, WEIGHT.T).sum() + joined, "(add)"),
    "alpha": (lambda _, joined: torch.addmm(torch.ones(WIDTH), joined[0], WEIGHT, alpha=2.0), "(addmm)"),
    "nothing": (lambda output, joined: output.shape, "no matrix"),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_weight_is_found(name):
    (weight,), reasons = follow(FOUND[name])
    assert reasons == [""]
    assert weight.shape == (JOINED, WIDTH)
    if name != "a module":
        assert torch.equal(weight.float(), WEIGHT)


@pytest.mark.parametrize("name", REFUSED)
def test_whatever_else_reads_the_output_refuses_it(name):
    layer, reason = REFUSED[name]
    _, (found,) = follow(layer)
    assert reason in found


def test_an_output_that_is_no_number_is_still_the_same_output():
    weights, reasons = [], []
    output = torch.full((1, 2, N_HEADS, D_VALUE), torch.nan)
    with Projections() as projections:
        projections.follow(output, weights.append, reasons.append)
        linear(output.flatten(2), WEIGHT.T)
    assert (len(weights), reasons) == (1, [""])


def test_each_output_is_followed_until_the_next_one():
    reasons = []
    with Projections() as projections:
        for number in range(3):
            output = torch.randn(1, 2, N_HEADS, D_VALUE)
            projections.follow(output, lambda _: None, reasons.append)
            if number != 1:
                linear(output.flatten(2), WEIGHT.T)
    assert [bool(reason) for reason in reasons] == [False, True, False]
