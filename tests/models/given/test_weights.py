"""Weights that exist already: every form in which libraries return them stays as it came."""

from __future__ import annotations

import json
from collections import UserDict

import numpy as np
import pytest
import torch

from models import Attention, AttentionTrace
from models.errors import BadArgument, BadMatrix, BadSelection
from tests.helpers.forked import run_python
from tests.helpers.given_weights import THREE, TOKENS, TWO_TEXTS, Cache, Foreign, Readable, causal, spoilt, weights

FORMS = {
    "NumPy": lambda: THREE,
    "big endian": lambda: THREE.astype(">f4"),
    "reversed heads": lambda: THREE[:, ::-1].copy()[:, ::-1],
    "Fortran": lambda: np.asfortranarray(THREE),
    "read-only": lambda: np.broadcast_to(THREE, THREE.shape),
    "double": lambda: THREE.astype(np.float64),
    "long double": lambda: THREE.astype(np.longdouble),
    "tensor": lambda: torch.from_numpy(THREE),
    "tensor with gradients": lambda: torch.tensor(THREE, requires_grad=True),
    "nested lists": THREE.tolist,
    "nested tuples of JSON": lambda: tuple(json.loads(json.dumps(THREE.tolist()))),
    "lists of rows": lambda: [[[*head] for head in layer] for layer in THREE],
    "list of layers": lambda: [*THREE],
    "tuple of layers with a batch axis": lambda: tuple(torch.from_numpy(each)[None] for each in THREE),
    "batch axis": lambda: THREE[:, None],
    "foreign": lambda: Foreign(THREE),
    "foreign layers": lambda: [Foreign(each[None]) for each in THREE],
    "readable": lambda: [Readable(each) for each in THREE],
    "hooks": lambda: {f"blocks.{n}.attn.hook_pattern": THREE[n] for n in (1, 0)},
    "hooks with a batch axis": lambda: UserDict({f"blocks.{n}.attn.hook_pattern": THREE[n][None] for n in (1, 0)}),
    "cache": lambda: Cache({"hook_embed": 3, **{f"blocks.{n}.attn.hook_pattern": THREE[n][None] for n in (1, 0)}}),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_every_form_stay_as_they_came_to_the_bit(form):
    found = Attention.from_weights(FORMS[form](), TOKENS)
    assert found.notices == ()
    for layer in range(2):
        assert found.layer(layer).tobytes() == THREE[layer].tobytes()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_exact_and_their_rounding_is_not_reported(dtype):
    half = torch.from_numpy(weights(3, 4, 40, 40)).to(dtype)
    words = [f"t{n}" for n in range(40)]
    found = Attention.from_weights(half, words)
    assert found.layer(2).tobytes() == half[2].float().numpy().tobytes()
    assert Attention.from_weights(half.float().numpy(), words).notices == ()
    assert abs(found.layer(0).sum(-1) - 1).max() > 1e-4


def test_a_trace_does_not_change_with_the_array_that_it_came_from():
    given = THREE.copy()
    found = Attention.from_weights(given, TOKENS)
    given[:] = 0
    assert found.layer(0).tobytes() == THREE[0].tobytes()


@pytest.mark.parametrize("as_given", [lambda x: x, list, lambda x: x.tolist(), torch.from_numpy])
@pytest.mark.parametrize("row", [0, 1])
def test_a_row_chooses_a_text_of_a_batch(as_given, row):
    found = Attention.from_weights(as_given(TWO_TEXTS), TOKENS, row=row)
    assert found.layer(1).tobytes() == TWO_TEXTS[1, row].tobytes()


def test_heads_may_differ_from_layer_to_layer():
    layers = [weights(3, 5, 5), weights(1, 5, 5), weights(4, 5, 5)]
    found = Attention.from_weights(layers, TOKENS)
    assert [found.heads_in(layer) for layer in range(3)] == [3, 1, 4]


def test_eleven_layers_of_a_cache_are_ordered_by_number():
    layers = weights(11, 2, 5, 5)
    names = sorted(range(11), key=str)
    found = Attention.from_weights({f"blocks.{n}.attn.hook_pattern": layers[n] for n in names}, TOKENS)
    assert all(found.layer(n).tobytes() == layers[n].tobytes() for n in range(11))


def test_the_kind_chooses_among_the_hooks_of_an_encoder_decoder():
    sides = {"encoder_blocks.{}.attn": (1, 5, 5), "decoder_blocks.{}.self_attn": (2, 3, 3)}
    sides |= {"decoder_blocks.{}.cross_attn": (2, 3, 5)}
    cache = {f"{name.format(n)}.hook_pattern": weights(1, *shape) for name, shape in sides.items() for n in range(2)}
    short = ["<pad>", "a", "b"]
    assert Attention.from_weights(cache, TOKENS).layer(1).shape == (1, 5, 5)
    assert Attention.from_weights(cache, short, kind="decoder").layer(1).shape == (2, 3, 3)
    assert Attention.from_weights(cache, short, TOKENS, "cross").layer(1).shape == (2, 3, 5)
    with pytest.raises(BadMatrix, match="several kinds of attention"):
        Attention.from_weights({"a.0.hook_pattern": THREE[0], "b.0.hook_pattern": THREE[0]}, TOKENS)


def test_missing_layers_of_a_cache_are_told():
    cache = {f"blocks.{n}.attn.hook_pattern": THREE[0] for n in (7, 3)}
    with pytest.warns(UserWarning, match="^The cache has layers 3, 7 alone: they are counted from 0 here.$"):
        Attention.from_weights(cache, TOKENS)


def test_steps_of_generate_become_one_causal_map():
    whole = causal(2, 3, 5, 5)
    steps = [tuple(layer[None, :, :3, :3] for layer in whole)]
    steps += [tuple(layer[None, :, n : n + 1, : n + 1] for layer in whole) for n in (3, 4)]
    found = Attention.from_weights(tuple(steps), TOKENS, kind="decoder")
    assert found.layer(1).tobytes() == whole[1].tobytes()
    assert found.mask(0, 0).sum() == 15
    with pytest.raises(BadMatrix, match="5 queries, but there are 6 tokens: leave out the last one"):
        Attention.from_weights(steps, [*TOKENS, "more"], kind="decoder")
    with pytest.raises(BadMatrix, match="a window"):
        Attention.from_weights([*steps[:2], tuple(each[..., -3:] for each in steps[2])], TOKENS, kind="decoder")
    with pytest.raises(BadMatrix, match='give kind="decoder"'):
        Attention.from_weights(steps, TOKENS)
    with pytest.raises(BadMatrix, match="Step 1 does not have the 2 layers"):
        Attention.from_weights([steps[0], steps[1][:1], steps[2]], TOKENS, kind="decoder")


def test_steps_of_cross_attention_are_put_below_each_other():
    whole = weights(2, 3, 4, 5)
    steps = [[layer[None, :, n : n + 1] for layer in whole] for n in range(4)]
    found = Attention.from_weights(steps, list("abcd"), TOKENS, "cross")
    assert found.layer(1).tobytes() == whole[1].tobytes()
    assert found.mask(0, 0).all()


def test_a_decoder_is_causal_if_nothing_is_above_the_diagonal():
    assert not Attention.from_weights(causal(1, 2, 5, 5), TOKENS, kind="decoder").mask(0, 1)[0, 1]
    assert Attention.from_weights(causal(1, 2, 5, 5), TOKENS).mask(0, 1)[0, 1]
    assert Attention.from_weights(THREE, TOKENS, kind="decoder").mask(0, 1)[0, 1]


def test_views_and_traces_keep_the_notices():
    with pytest.warns(UserWarning, match="no weight"):
        found = Attention.from_weights(spoilt(_122=0), TOKENS)
    for view in (
        found.words(),
        found.hide(special=True),
        found.combine([(0, 0), (1, 1)], "mean"),
        found.words().hide(),
    ):
        assert view.notices == found.notices
    cross = Attention.from_weights(THREE, TOKENS, TOKENS, "cross")
    trace = AttentionTrace.of(found, cross)
    assert trace.notices == found.notices
    assert trace.kinds == ("encoder", "cross")
    assert trace.source.capture == "given"


def test_a_trace_has_one_attention_of_each_kind():
    found = Attention.from_weights(THREE, TOKENS)
    with pytest.raises(BadSelection, match="one encoder attention, not 2"):
        AttentionTrace.of(found, found)
    with pytest.raises(BadArgument, match="at least one attention"):
        AttentionTrace.of()


@pytest.mark.slow
def test_a_layer_is_copied_once_and_the_warning_is_about_the_line_of_the_caller():
    code = """
import numpy as np, resource, warnings
from models import Attention
weights = np.full((4, 8, 700, 700), 1 / 700, np.float32)
weights[0, 0, 3] = 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    Attention.from_weights(weights, ["a"] * 700)
assert [(each.filename, each.lineno) for each in warned] == [("<string>", 9)], warned
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, weights.nbytes // 1024)
"""
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    more, size = map(int, done.stdout.split())
    assert more < 1.5 * size
