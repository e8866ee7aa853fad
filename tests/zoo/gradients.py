"""The gradients of a family's weights, in our pass and in eager attention."""

from __future__ import annotations

import torch
from torch import Tensor

from models.capture.forward import body, replayed_batch
from models.capture.gradient_calls import WithGradients, computing_gradients
from models.capture.head import last_hidden
from tests.zoo.compare import Pair

FIELDS = {
    "self": "attentions",
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


def goal(output) -> Tensor:
    """A linear function of the last hidden states. Their length is nearly constant after a norm."""
    hidden = last_hidden(output).float()
    return (hidden * torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))).sum()


def difference(pair: Pair) -> float:
    """The largest difference of gradient times weight, of the largest product in its layer."""
    outputs, taken = [], WithGradients(None, pair.family)
    inputs = {name: values.clone() for name, values in pair.inputs.items()}
    with torch.inference_mode(), computing_gradients():
        replayed_batch(body(pair.ours), inputs, on_output=outputs.append, intervention=taken)
        ours = torch.autograd.grad(goal(outputs[0]), list(taken.weights.values()))
    plain = body(pair.plain).requires_grad_(True)
    try:
        output = plain(**inputs, output_attentions=True)
        given = {
            role: [one for one in output.get(field) or () if isinstance(one, Tensor)] for role, field in FIELDS.items()
        }
        weights = [given[place.role][place.layer] for place in taken.weights]
        expected = torch.autograd.grad(goal(output), weights)
    finally:
        plain.requires_grad_(False)
    worst = 0.0
    for mine, gradient, its, wanted in zip(taken.weights.values(), ours, weights, expected, strict=True):
        product = its * wanted
        assert product.abs().max() > 0.01
        worst = max(worst, float((mine * gradient - product[..., : mine.shape[-1]]).abs().max() / product.abs().max()))
    return worst
