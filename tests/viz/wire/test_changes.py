"""What the instrument marks of a changed model: the heads of the shown kind, and the struck tokens of each side."""

from dataclasses import replace

import numpy as np
import pytest

from models import Attention, Source
from viz.wire.changes import describe_changes

ABLATE = (("encoder", 1, 2, "zero"), ("decoder", 0, 3, "previous"), ("cross", 0, 0, "uniform"))
SOURCE = Source("m", "r", "BertModel", "cpu", "float32", "replayed", "a b", ablate=ABLATE, mask_tokens=(0, 2))


def attention(kind: str, source: Source, *, method: str = "attention") -> Attention:
    att = Attention.from_weights(np.full((2, 4, 3, 3), 1 / 3, np.float32), ["a", "##b", "c"])
    return Attention(kind, att._layers, att.query_tokens, att.key_tokens, source, method=method)


@pytest.mark.parametrize(
    ("kind", "more", "heads", "struck"),
    [
        ("encoder", {}, [[1, 2, "switched off"]], [[0, 2], [0, 2]]),
        ("cross", {"target": "x"}, [[0, 0, "forced to attend to all alike"]], [[], [0, 2]]),
        ("decoder", {"target": "x"}, [[0, 3, "forced to the previous token"]], [[], []]),
        ("decoder", {"generated": "x"}, [[0, 3, "forced to the previous token"]], [[], []]),
        ("decoder", {"generated": "x", "generate": 2}, [[0, 3, "forced to the previous token"]], [[0, 2], [0, 2]]),
    ],
)
def test_each_kind_has_its_heads_and_the_tokens_of_the_text(kind, more, heads, struck):
    found = describe_changes(attention(kind, replace(SOURCE, **more)))
    assert found == {"changed": {"heads": heads, "struck": struck}}


def test_an_unchanged_model_a_rollout_and_words():
    assert describe_changes(attention("encoder", replace(SOURCE, ablate=(), mask_tokens=()))) == {}
    assert describe_changes(attention("encoder", SOURCE, method="rollout"))["changed"]["heads"] == []
    words = attention("encoder", SOURCE).words()
    assert words.n_key == 2  # "##b" belongs to "a", and only its first piece is struck
    assert describe_changes(words)["changed"]["struck"] == [[1], [1]]
