"""Whether two traces are the same to the bit: every field, every tensor, every weight."""

import numpy as np
import torch

from models import Attention, AttentionTrace
from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer


def bits(value):
    """A value that is equal to another one's only if both are the same to the bit."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return value.dtype, tuple(value.shape), raw.numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, Spans) or hasattr(value, "__dataclass_fields__"):
        return type(value), {name: bits(each) for name, each in vars(value).items()}
    return value


def assert_same_attention(one: Attention, other: Attention, *, views: bool = False) -> None:
    for name in ("kind", "query_tokens", "key_tokens", "source", "key_patches", "notices", "method", "n_layers"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.annotations.keys() == other.annotations.keys()
    assert all(bits(one.annotations[name]) == bits(other.annotations[name]) for name in one.annotations)
    for number, (layer, read) in enumerate(zip(one._layers, other._layers, strict=True)):
        assert isinstance(read, MaterialisedLayer) if views else bits(layer) == bits(read), number
        assert bits(one.layer(number)) == bits(other.layer(number)), number
        for head in range(0 if views else one.heads_in(number)):
            assert bits(one.mask(number, head)) == bits(other.mask(number, head))


def assert_same_trace(one: AttentionTrace, other: AttentionTrace) -> None:
    assert (one.kinds, one.notices, one.source) == (other.kinds, other.notices, other.source)
    assert bits(one.image) == bits(other.image)
    _, (*of_one, _) = one.outputs.__reduce__()
    _, (*of_other, _) = other.outputs.__reduce__()
    assert [bits(each) for each in of_one] == [bits(each) for each in of_other]
    for kind in one:
        assert_same_attention(one[kind], other[kind])
