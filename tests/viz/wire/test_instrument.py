"""The message of a trace and its tiles, read back as the browser reads them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from analysis.measures import FIGURES, head_table
from analysis.selection import Region
from analysis.truth import truth_scores_of_text
from models import Attention
from models.capture.replay import MaterialisedLayer, Replay
from models.errors import BadSelection
from tests.helpers.hand_made import HOSTILE, attention, causal_attention, random_weights, source, tokens
from tests.helpers.read_back import unpack
from viz import DrawOptions
from viz.head_maps import HeadMaps
from viz.style import MASKED, STRONGEST
from viz.wire.instrument import PARTS, Opening, is_small, pack_maps, trace_message
from viz.wire.tiles import make_tile, pack_tile

OPENING = Opening("first", "layer=1&head=2", after=3)


def message(att: Attention, **options: object) -> tuple[dict, dict[str, np.ndarray]]:
    return unpack(trace_message(att, OPENING, **options))  # type: ignore[arg-type]


def as_sent(att: Attention, layer: int, head: int) -> np.ndarray:
    return np.where(att.mask(layer, head), att.weights(layer, head), np.float32(-1))


def ragged() -> Attention:
    layers = [MaterialisedLayer(torch.tensor(random_weights(n, 7, 11, seed=n))) for n in (2, 5, 3)]
    return Attention("cross", layers, tokens(*"abcdefg"), tokens(*"hijklmnopqr"), source())


def with_nan() -> Attention:
    weights = random_weights(2, 3, 7, 7)
    weights[1, 0, 4] = np.nan
    return attention(weights, causal=True)


def all_masked() -> Attention:
    """A query that may attend to no key: eager attention gives equal weights to all."""
    random = torch.Generator().manual_seed(0)
    query, key = torch.randn(3, 7, 5, generator=random), torch.randn(3, 7, 5, generator=random)
    mask = torch.ones(1, 7, 7, dtype=torch.bool)
    mask[0, 2] = mask[0, 4, 1:4] = False
    return Attention("encoder", [Replay(query, key, 0.5, mask=mask)], tokens(*"abcdefg"), tokens(*"abcdefg"), source())


CASES = {
    "encoder": attention(random_weights(2, 3, 5, 5)),
    "cross": attention(random_weights(2, 3, 5, 7)),
    "decoder": causal_attention(13),
    "ragged": ragged(),
    "not a number": with_nan(),
    "nothing to attend to": all_masked(),
    "one token": attention(np.ones((1, 1, 1, 1))),
}


@pytest.mark.parametrize("name", CASES)
def test_all_weights_and_measures_of_a_small_trace(name: str) -> None:
    att = CASES[name]
    header, arrays = message(att)
    assert header["heads"] == [att.heads_in(layer) for layer in range(att.n_layers)]
    weights = arrays["weights"].reshape(att.n_layers, att.n_heads, att.n_query, att.n_key)
    table, figures = head_table(att)[list(FIGURES)], arrays["measures"].reshape(att.n_layers, att.n_heads, len(FIGURES))
    assert [entry[0] for entry in header["measures"]] == list(FIGURES)
    for layer in range(att.n_layers):
        n_heads = att.heads_in(layer)
        for head in range(n_heads):
            np.testing.assert_array_equal(weights[layer, head], as_sent(att, layer, head))
            np.testing.assert_array_equal(figures[layer, head], table.loc[(layer, head)].to_numpy(np.float32))
        assert (weights[layer, n_heads:] == -1).all()
        assert np.isnan(figures[layer, n_heads:]).all()
    assert not {"maps", "block", "done"} & set(header) | {"maps", "broken"} & set(arrays)


def test_weights_of_the_real_model_are_exact(minilm: models.Model) -> None:
    att = minilm.trace("The cat sat on the mat because it was tired.")["encoder"]
    weights = message(att)[1]["weights"].reshape(6, 12, att.n_query, att.n_key)
    for layer in range(6):
        for head in range(12):
            np.testing.assert_array_equal(weights[layer, head], att.weights(layer, head))


@pytest.mark.parametrize("name", CASES)
def test_a_tile_has_the_weights_and_what_each_query_gives(name: str) -> None:
    att = CASES[name]
    region = Region(range(att.n_query // 2, att.n_query), range(att.n_key // 3, att.n_key))
    queries, keys = region.slices
    for layer in range(att.n_layers):
        for head in range(att.heads_in(layer)):
            header, arrays = unpack(pack_tile(make_tile(att, layer, head, region)))
            wanted = as_sent(att, layer, head)[queries]
            found = arrays["cells"].reshape(header["shape"])
            np.testing.assert_array_equal(found == -1, wanted[:, keys] == -1)
            # Some processors round a part of a matrix product unlike the whole: 9e-7 of a weight seen.
            np.testing.assert_allclose(found, wanted[:, keys], rtol=1e-5)
            # The browser sums what is not masked of a small trace, and gets the same.
            given_by = [sum(float(weight) for weight in row if weight != -1) for row in wanted]
            np.testing.assert_allclose(arrays["given"], given_by, rtol=1e-6)
            assert (header["shown"], header["block"]) == ([layer, head], [1, 1])
            assert header["region"] == [queries.start, att.n_query - 1, keys.start, att.n_key - 1]


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 300), st.integers(1, 300))
def test_a_tile_of_a_long_region_is_the_largest_of_each_block(query: int, key: int, high: int, wide: int) -> None:
    region = Region(range(query, min(query + high, 307)), range(key, min(key + wide, 307)))
    tile = make_tile(LONG, 0, 1, region)
    part = as_sent(LONG, 0, 1)[region.slices]
    step_down, step_right = (-(-len(side) // 128) for side in (region.queries, region.keys))
    wanted = [
        [
            np.max(part[row : row + step_down, column : column + step_right])
            for column in range(0, part.shape[1], step_right)
        ]
        for row in range(0, part.shape[0], step_down)
    ]
    np.testing.assert_allclose(tile.cells, wanted, rtol=1e-5)
    assert tile.facts["block"] == [step_down, step_right]
    assert len(tile.given) == (len(region.queries) if step_down == step_right == 1 else 0)


LONG = causal_attention(307)


def test_a_tile_of_a_region_that_a_text_does_not_have_is_refused() -> None:
    with pytest.raises(BadSelection, match="There is no region"):
        make_tile(CASES["encoder"], 0, 0, Region(range(0, 6), range(0, 5)))
    with pytest.raises(BadSelection):
        make_tile(CASES["encoder"], 2, 0, Region(range(0, 5), range(0, 5)))


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((1, 1, 64, 64), True),
        ((1, 1, 65, 3), False),
        ((1, 1, 3, 65), False),
        ((10, 15, 2, 2), True),
        ((1, 151, 2, 2), False),
    ],
)
def test_up_to_64_tokens_and_150_heads_are_sent_whole(shape: tuple[int, ...], small: bool) -> None:
    att = attention(random_weights(*shape))
    assert is_small(att) == small
    header, arrays = message(att)
    assert ("weights" in arrays, "measures" in arrays, "maps" in arrays, "maps" in header) == (
        small,
        small,
        not small,
        not small,
    )
    # Maps that were computed for something else do not replace exact weights.
    assert ("weights" in message(att, maps=HeadMaps.empty(att).fill(att))[1]) == small


def test_a_large_trace_sends_the_thumbnails_that_there_are() -> None:
    att = attention(random_weights(3, 2, 70, 67))
    header, arrays = message(att)
    assert (header["done"], len(arrays["maps"]), len(arrays["broken"])) == (0, 0, 0)
    assert header["maps"] == [3, 2, 35, 34]
    assert header["block"] == [2, 2]
    maps = HeadMaps.empty(att).fill(att)
    maps.n_done = 2
    header, arrays = message(att, maps=maps)
    assert (header["done"], len(arrays["broken"])) == (2, 4)
    found = arrays["maps"].reshape(2, 2, 35, 34)
    weights = np.pad(att.weights(1, 0), ((0, 0), (0, 1)), constant_values=0)
    wanted = weights.reshape(35, 2, 34, 2).max((1, 3))
    np.testing.assert_array_equal(found[1, 0], np.round(np.sqrt(wanted) * STRONGEST).astype(np.uint8))


def test_thumbnails_mark_masked_broken_and_absent_heads() -> None:
    maps = HeadMaps.empty(with_nan()).fill(with_nan())
    arrays = pack_maps(maps)
    np.testing.assert_array_equal(arrays["broken"], [[0, 0, 0], [1, 0, 0]])
    assert (arrays["maps"][..., np.triu(np.ones((7, 7), bool), 1)] == MASKED).all()
    assert (arrays["maps"][..., np.tril(np.ones((7, 7), bool))] <= STRONGEST).all()
    arrays = pack_maps(HeadMaps.empty(ragged()).fill(ragged()), first=1)
    assert arrays["maps"].shape == (2, 5, 7, 11)
    assert (arrays["maps"][1, 3:] == MASKED).all()
    assert (arrays["maps"][0] <= STRONGEST).all()
    assert not arrays["broken"].any()


def test_the_same_arguments_give_the_same_bytes() -> None:
    for att in CASES.values():
        tile = make_tile(att, 0, 0, Region.whole(att))
        one, other = (
            trace_message(att, dataclasses.replace(OPENING), trace="name", tiles=[tile], options=DrawOptions())
            for _ in "12"
        )
        assert one == other
    changed = trace_message(att, dataclasses.replace(OPENING, id="second"), trace="name", tiles=[tile])
    assert changed != one


def test_tokens_are_data_whatever_they_say() -> None:
    odd = [*HOSTILE, "\ud800", "\u2028", "\0", '"', "\\"]
    att = attention(random_weights(1, 2, len(odd), 3), tokens(*odd, special=[0]), tokens("a", "b", "c"), kind="cross")
    raw = trace_message(att, OPENING)
    header, _ = unpack(raw)
    assert [special for _, special in header["queries"]] == [True] + [False] * (len(odd) - 1)
    assert [text for text, _ in header["queries"]][:2] == list(HOSTILE[:2])
    assert [text for text, _ in header["keys"]] == ["a", "b", "c"]
    length = int.from_bytes(raw[:4], "little")
    assert raw[4 : 4 + length].isascii()


def test_one_side_is_named_once_if_both_are_the_same() -> None:
    assert message(CASES["encoder"])[0]["keys"] is None
    assert message(CASES["cross"])[0]["keys"] is not None


def test_what_the_header_tells() -> None:
    att = CASES["cross"]
    tiles = [make_tile(att, 1, 2, Region.whole(att)), make_tile(att, 0, 1, Region(range(1, 3), range(2, 5)))]
    header, arrays = message(att, trace="name", tiles=tiles, options=DrawOptions(threshold=0.2, scale="root"))
    assert header["opening"] == {"id": "first", "selection": "layer=1&head=2", "after": 3}
    assert (header["trace"], header["kind"], header["parts"]) == ("name", "cross", list(PARTS))
    assert header["source"] == json.loads(json.dumps({**dataclasses.asdict(att.source), "load": att.source.model}))
    assert message(att, model="/a/folder")[0]["source"]["load"] == "/a/folder"
    assert (header["defaults"]["threshold"], header["defaults"]["scale"]) == (0.2, "root")
    assert [facts["region"] for facts in header["tiles"]] == [[0, 4, 0, 6], [1, 2, 2, 4]]
    np.testing.assert_array_equal(arrays["cells1"].reshape(2, 3), att.weights(0, 1)[1:3, 2:5])
    assert len(arrays["colours"]) == 256 * 3 * len(header["palettes"])
    assert (header["truth"], header["scores"]) == (None, None)


def test_the_truth_of_a_trained_model() -> None:
    att = models.load_model("scratch:brackets").trace("([])")["encoder"]
    header, _ = message(att)
    assert header["truth"] == [[1, 4], [2, 3], [3, 2], [4, 1]]
    wanted = truth_scores_of_text(att)
    assert wanted is not None
    found = [np.nan if score is None else score for score in header["scores"]]
    np.testing.assert_allclose(found, wanted.ravel(), atol=5e-5)


def test_the_message_has_the_role_of_each_token_of_a_conversation() -> None:
    plain, said, written = tokens("a", "b", "c")
    roles = (plain, dataclasses.replace(said, role="user"), dataclasses.replace(written, role="tool", generated=True))
    header, _ = message(attention(random_weights(3, 3), roles, roles, causal=False))
    assert header["queries"] == [["a", False], ["b", False, False, "user"], ["c", False, True, "tool"]]
    assert header["cuts"] == [[1, 2], [1, 2]]
