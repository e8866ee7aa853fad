"""The captured arrays: what is handed out, blocks, and refusals of positions that are not there."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Attention, AttentionTrace, Source, Token
from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer, Replay
from models.errors import BadSelection

# A strip's matrix product may round unlike the whole one: 1.7e-7 seen.
CLOSE = 2e-6
SOURCE = Source("small", "sha256:0", "Small", "cpu", "float32", "replayed", "a text")


def tokens(n_tokens: int) -> tuple[Token, ...]:
    return tuple(Token(f"t{number}", number, None, None, False, f"t{number}") for number in range(n_tokens))


def attention(*layers: Replay | MaterialisedLayer, kind: str = "cross") -> Attention:
    _, n_query, n_key = layers[0].shape
    return Attention(kind, layers, tokens(n_query), tokens(n_key), SOURCE)


def replay(n_heads: int = 3, n_query: int = 7, n_key: int = 11, d_head: int = 5, **more) -> Replay:
    generator = torch.Generator().manual_seed(n_query)
    query = torch.randn(n_heads, n_query, d_head, generator=generator)
    return Replay(query=query, key=torch.randn(n_heads, n_key, d_head, generator=generator), scaling=0.7, **more)


@pytest.fixture
def cross() -> Attention:
    """Two replayed layers and a held one, 3 heads (the last 2), 7 queries, 11 keys."""
    held = MaterialisedLayer(torch.rand(2, 7, 11, generator=torch.Generator().manual_seed(1)).softmax(-1))
    return attention(replay(), replay(d_head=13), held)


def handed_out(cross: Attention) -> dict[str, np.ndarray]:
    return {
        "replayed": cross.weights(0, 1),
        "held": cross.weights(2, 1),
        "held layer": cross.layer(2),
        "block": cross.weights(2, 0, queries=slice(2, 5), keys=slice(1, 4)),
        "mask": cross.mask(0, 1),
        "pooled": cross.pooled(2, 1, size=64),
        "pooled layer": cross.pooled_layer(2, size=3),
        "pooled mask": cross.pooled_mask(2, size=3),
    }


def test_arrays_are_read_only(cross):
    for name, array in handed_out(cross).items():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        assert array.dtype == (bool if "mask" in name else np.float32)


def test_what_was_handed_out_reaches_no_held_tensor(cross):
    before = {name: array.copy() for name, array in handed_out(cross).items()}
    for array in handed_out(cross).values():
        # Somebody who insists finds a copy of their own at the bottom, or is refused.
        with contextlib.suppress(ValueError):
            owner = array if array.base is None else array.base
            owner.flags.writeable = True
            owner[...] = 0
    for name, array in handed_out(cross).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("queries", "keys"),
    [
        (slice(0, 3), slice(None)),
        (slice(None), slice(4, 9)),
        (slice(1, None, 2), slice(-3, None)),
        (slice(None, None, -1), slice(None, None, -2)),
        (slice(5, 5), slice(0, 2)),
        ([6, 0, 0], [10, 1]),
        ([-1], [0]),
        ([], slice(None)),
        (np.array([2, 3]), np.arange(11) % 2 == 0),
        (range(1, 6, 2), (0, 3)),
    ],
)
def test_a_block_equals_the_same_part_of_the_whole(cross, queries, keys):
    rows, columns = np.arange(7)[_array(queries)], np.arange(11)[_array(keys)]
    for layer in range(3):
        for head in range(cross.heads_in(layer)):
            whole = cross.weights(layer, head)
            block = cross.weights(layer, head, queries=queries, keys=keys)
            np.testing.assert_allclose(block, whole[np.ix_(rows, columns)], atol=CLOSE)
            np.testing.assert_array_equal(
                cross.mask(layer, head, queries, keys), cross.mask(layer, head)[np.ix_(rows, columns)]
            )
        np.testing.assert_allclose(
            cross.layer(layer, queries, keys), cross.layer(layer)[:, rows][:, :, columns], atol=CLOSE
        )


def _array(positions):
    return positions if isinstance(positions, slice | np.ndarray) else np.array(positions, dtype=np.int64)


@pytest.mark.parametrize("queries", [slice(None), slice(1, 7), slice(0, 7, 2), [6, 0, 3, 3], slice(None, None, -1)])
def test_a_block_of_more_rows_than_a_strip_holds(cross, queries, monkeypatch):
    at_once = [(cross.weights(layer, 1, queries), cross.layer(layer, queries)) for layer in range(3)]
    monkeypatch.setattr("models.capture.blocks.STRIP_WEIGHTS", 2 * 11)
    for layer, (head, heads) in enumerate(at_once):
        np.testing.assert_allclose(cross.weights(layer, 1, queries), head, atol=CLOSE)
        np.testing.assert_allclose(cross.layer(layer, queries), heads, atol=CLOSE)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_torch_s_default_dtype_changes_nothing_that_is_handed_out(cross, dtype):
    expected, runs = handed_out(cross), Spans.causal(601, 601, torch.device("cpu"))
    torch.set_default_dtype(dtype)
    try:
        found, blocks = handed_out(cross), runs.blocks(601, 307, 601)
    finally:
        torch.set_default_dtype(torch.float32)
    for name, array in found.items():
        assert array.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert blocks.tolist() == [[[True, True]]]  # more queries than bfloat16 can count


def test_torch_s_default_device_changes_nothing_that_is_handed_out(cross):
    expected = handed_out(cross)
    with torch.device("meta"):
        found = handed_out(cross)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_all_heads_of_a_layer_are_the_single_heads(cross):
    for layer in range(cross.n_layers):
        single = np.stack([cross.weights(layer, head) for head in range(cross.heads_in(layer))])
        np.testing.assert_allclose(cross.layer(layer), single, atol=CLOSE)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    n_query=st.integers(1, 47), n_key=st.integers(1, 47), size=st.integers(1, 53), causal=st.booleans(), data=st.data()
)
def test_pooled_equals_the_maxima_of_blocks(n_query, n_key, size, causal, data):
    layer = replay(2, n_query, n_key, 3, causal=causal)
    if data.draw(st.booleans(), label="held"):
        layer = MaterialisedLayer(layer.rows(slice(None), slice(None)), causal)
    found = attention(layer)
    pooled = found.pooled(0, 1, size=size)
    high, wide = math.ceil(n_query / size), math.ceil(n_key / size)
    whole = found.weights(0, 1)
    expected = np.array(
        [
            [whole[row : row + high, column : column + wide].max() for column in range(0, n_key, wide)]
            for row in range(0, n_query, high)
        ]
    )
    assert max(pooled.shape) <= size
    np.testing.assert_allclose(pooled, expected, atol=CLOSE)
    np.testing.assert_allclose(found.pooled_layer(0, size=size)[1], expected, atol=CLOSE)


@settings(max_examples=150)
@given(
    reach=st.integers(0, 9),
    rows=st.integers(1, 9),
    size=st.integers(1, 29),
    queries=st.tuples(st.integers(0, 46), st.integers(0, 46)).map(sorted),
    keys=st.tuples(st.integers(0, 52), st.integers(0, 52)).map(sorted),
)
@pytest.mark.slow
def test_pooled_parts_of_a_window_equal_the_maxima_of_blocks(reach, rows, size, queries, keys):
    """A layer that sees a window, pooled in strips of few rows: bands begin and end inside blocks and parts."""
    query, key = torch.arange(47)[:, None], torch.arange(53)
    spans = Spans((query[:, 0] - reach).clamp(min=0), (query[:, 0] + reach + 1).clamp(max=53))
    assert torch.equal(spans.allowed(slice(None), 0, 53)[0], (key - query).abs() <= reach)
    found = attention(replay(2, 47, 53, 3, mask=spans))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.capture.blocks.POOL_ROWS", rows)
        pooled = found.pooled(0, 1, size, queries=slice(*queries), keys=slice(*keys))
        whole = found.weights(0, 1)
        part = whole[slice(*queries), slice(*keys)]
        high, wide = (max(1, math.ceil(length / size)) for length in part.shape)
        starts = (range(0, part.shape[0], high), range(0, part.shape[1], wide))
        expected = [[part[row : row + high, column : column + wide].max() for column in starts[1]] for row in starts[0]]
        assert pooled.shape == (len(starts[0]), len(starts[1]))
        np.testing.assert_allclose(pooled, np.array(expected).reshape(pooled.shape), atol=CLOSE)
        np.testing.assert_array_equal(found.pooled_layer(0, size)[1], found.pooled(0, 1, size))


def test_a_pooled_map_is_of_a_run_of_positions(cross):
    with pytest.raises(BadSelection, match=r"^A pooled map needs a run of key positions, not steps of 2\.$"):
        cross.pooled(0, 0, keys=slice(0, 9, 2))


def test_pooling_more_rows_than_a_strip_holds(monkeypatch):
    monkeypatch.setattr("models.capture.blocks.POOL_ROWS", 5)
    found = attention(replay(1, 101, 13))
    whole = found.weights(0, 0)
    # 101 rows in blocks of 15, 13 keys in blocks of 2; a strip is never less than one block.
    expected = [[whole[row : row + 15, key : key + 2].max() for key in range(0, 13, 2)] for row in range(0, 101, 15)]
    np.testing.assert_allclose(found.pooled(0, 0, size=7), expected, atol=CLOSE)


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        (lambda a: a.weights(3, 0), "There is no layer 3: this cross attention has layers 0 to 2."),
        (lambda a: a.weights(-1, 0), "There is no layer -1: this cross attention has layers 0 to 2."),
        (lambda a: a.layer(3), "There is no layer 3: this cross attention has layers 0 to 2."),
        (lambda a: a.heads_in(9), "There is no layer 9: this cross attention has layers 0 to 2."),
        (lambda a: a.pooled_mask(5), "There is no layer 5: this cross attention has layers 0 to 2."),
        (lambda a: a.pooled_layer(5), "There is no layer 5: this cross attention has layers 0 to 2."),
        (lambda a: a.weights(0, 3), "There is no head 3: layer 0 has heads 0 to 2."),
        (lambda a: a.weights(2, 2), "There is no head 2: layer 2 has heads 0 to 1."),
        (lambda a: a.mask(1, -1), "There is no head -1: layer 1 has heads 0 to 2."),
        (lambda a: a.pooled(0, 7), "There is no head 7: layer 0 has heads 0 to 2."),
        (lambda a: a.pooled(0, 0, size=0), "A pooled map needs a size of at least 1, not 0."),
        (lambda a: a.weights(0, 0, queries=[7]), r"A query position is wrong \(.*\): the positions are 0 to 6."),
        (lambda a: a.weights(0, 0, keys=[0, 11]), r"A key position is wrong \(.*\): the positions are 0 to 10."),
        (lambda a: a.layer(0, keys=np.array([-12])), r"A key position is wrong \(.*\): the positions are 0 to 10."),
        (lambda a: a.mask(0, 0, queries=[99]), r"A query position is wrong \(.*\): the positions are 0 to 6."),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(cross, look, sentence):
    with pytest.raises(BadSelection, match=f"^{sentence}$"):
        look(cross)


def test_a_kind_that_the_model_lacks(cross):
    trace = AttentionTrace({"encoder": attention(replay(n_key=7)), "cross": cross}, (), SOURCE)
    with pytest.raises(
        BadSelection, match=r"^There is no 'decoder' attention here: this model has encoder and cross.$"
    ):
        trace["decoder"]
    assert trace.kinds == ("encoder", "cross")
    assert list(trace) == ["encoder", "cross"]


def test_a_trace_cannot_be_changed(cross):
    given_to_it = {"cross": cross}
    trace = AttentionTrace(given_to_it, (), SOURCE)
    given_to_it.clear()
    assert trace.kinds == ("cross",)
    with pytest.raises(TypeError):
        trace.attentions["other"] = cross
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.notices = ("other",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cross.query_tokens[0].text = "other"


@pytest.mark.parametrize("copied", [lambda trace: pickle.loads(pickle.dumps(trace)), copy.deepcopy, copy.copy])
def test_a_copy_of_a_trace_has_the_same_weights_and_is_as_read_only(cross, copied):
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    trace = AttentionTrace({"encoder": attention(replay(n_key=7)), "cross": cross}, ("cut",), SOURCE, picture)
    found = copied(trace)
    assert (found.kinds, found.notices, found.source) == (trace.kinds, trace.notices, trace.source)
    for name, array in handed_out(found["cross"]).items():
        np.testing.assert_array_equal(array, handed_out(cross)[name], err_msg=name)
        assert not array.flags.writeable, name
    np.testing.assert_array_equal(found.image, picture)
    assert not found.image.flags.writeable
    with pytest.raises(TypeError):
        found.attentions["other"] = cross
    assert len({trace, trace, found}) == 2


def test_layers_that_do_not_fit_the_tokens_are_refused():
    with pytest.raises(ValueError, match="Layer 1 has 11 queries and 7 keys, but there are 7 query tokens and 11 key"):
        Attention("cross", [replay(), replay(n_query=11, n_key=7)], tokens(7), tokens(11), SOURCE)
