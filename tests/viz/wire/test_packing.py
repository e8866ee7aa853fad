"""The bytes for the browser, read back by a reader that knows only what viz/browser/core/unpack.js knows."""

import base64

import numpy as np
import pytest

from tests.helpers.draw import packed, view_of
from tests.helpers.hand_made import (
    HOSTILE,
    N_HEADS,
    N_KEY,
    N_LAYERS,
    N_QUERY,
    attention,
    causal_attention,
    random_weights,
    tokens,
)
from tests.helpers.node import call
from tests.helpers.read_back import unpack
from viz import DrawOptions
from viz.colours import NOT_A_NUMBER, SCALES, colour_numbers, masked, table, table_numbers
from viz.wire.packing import pack

# What a file opens with where no tokens are dimmed or hidden.
PLAIN = "&special=show&sink=show&renormalise=False"
WEIGHTS = random_weights(N_LAYERS, N_HEADS, N_QUERY, N_KEY)


@pytest.mark.parametrize("sizes", [(0, 1, 2), (3, 5, 7), (1, 1, 1), (13, 0, 11)])
def test_what_goes_in_comes_out(sizes: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "bytes": random.integers(0, 256, sizes[0]).astype(np.uint8),
        "shorts": random.integers(0, 65536, sizes[1]).astype(np.uint16),
        "floats": random.normal(size=sizes[2]).astype(np.float32),
    }
    raw = pack({"title": "x" * sizes[0], "odd": list(HOSTILE)}, arrays)
    header, found = unpack(raw)
    assert header["odd"] == list(HOSTILE)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_arrays_are_written_row_by_row_whatever_their_order_in_memory() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for same in (array, np.asfortranarray(array), array.astype(">f4")):
        np.testing.assert_array_equal(unpack(pack({}, {"a": same}))[1]["a"], [0, 1, 2, 3, 4, 5])


def test_a_type_that_the_browser_cannot_view_is_an_error() -> None:
    with pytest.raises(KeyError):
        pack({}, {"a": np.zeros(2, dtype=np.float16)})


def test_coded_weights_are_as_near_as_16_bits_allow() -> None:
    weights = random_weights(3, 5, 7)
    weights[0, 0, :4] = [np.nan, -1, 0, 1 + 1e-7]
    raw = pack({}, {"odd": np.zeros(3, np.uint8), "w": weights, "after": np.arange(3, dtype=np.float32)}, coded=["w"])
    header, arrays = unpack(raw)
    assert header["arrays"]["w"][0] == "Weights"
    np.testing.assert_allclose(arrays["w"], weights.ravel(), rtol=0, atol=8e-6)
    np.testing.assert_array_equal(arrays["after"], [0, 1, 2])
    code = """import { unpack } from "./viz/browser/core/unpack.js";
    const { arrays } = unpack(new Uint8Array(Buffer.from(data, "base64")));
    const result = [[...arrays.w].map((weight) => Number.isNaN(weight) ? null : weight), [...arrays.after]];"""
    found, after = call(code, base64.b64encode(raw).decode())
    np.testing.assert_allclose(np.array(found, float), weights.ravel(), rtol=0, atol=8e-6)
    assert after == [0, 1, 2]


@pytest.mark.parametrize("odd", [1.5, -0.5, np.inf])
def test_numbers_that_are_no_weights_keep_all_their_digits(odd: float) -> None:
    raw = pack({}, {"w": np.array([0.25, odd, -1], np.float32)}, coded=["w"])
    np.testing.assert_array_equal(unpack(raw)[1]["w"], np.array([0.25, odd, -1], np.float32))


def test_flow_data_are_the_weights_and_the_tokens() -> None:
    texts = ["[CLS]", *HOSTILE[:4]]
    att = attention(WEIGHTS, tokens(*texts, special=[0]), tokens(*HOSTILE[4:11]))
    header, arrays = unpack(packed("flow", att, 1, 2, options=DrawOptions(threshold=0.1, scale="root")))
    assert header["queries"] == [[text, position == 0] for position, text in enumerate(texts)]
    assert [text for text, _ in header["keys"]] == list(HOSTILE[4:11])
    assert header["defaults"]["scale"] == "root"
    assert header["defaults"]["bad"] == NOT_A_NUMBER
    np.testing.assert_array_equal(arrays["cells0"].reshape(WEIGHTS[1, 2].shape), WEIGHTS[1, 2])
    np.testing.assert_allclose(arrays["given0"], WEIGHTS[1, 2].sum(axis=1))


def test_flow_data_keep_what_is_no_number() -> None:
    weights = WEIGHTS[0, 0].copy()
    weights[4, 6] = np.nan
    _, arrays = unpack(packed("flow", attention(weights), 0, 0, options=DrawOptions(threshold=1.0)))
    assert np.argwhere(np.isnan(arrays["cells0"].reshape(weights.shape))).tolist() == [[4, 6]]


def test_grid_data_of_a_short_text_are_its_weights_and_what_is_chosen() -> None:
    header, arrays = unpack(packed("grid", attention(WEIGHTS), 1, 2, options=DrawOptions(palette="viridis")))
    assert header["heads"] == [N_HEADS] * N_LAYERS
    assert header["parts"] == ["heads"]
    assert (
        header["opening"]["selection"]
        == f"layer=1&head=2&threshold=0.05&palette=viridis&scale=linear&truth=True{PLAIN}"
    )
    np.testing.assert_array_equal(arrays["weights"], WEIGHTS.ravel())
    number = list(header["palettes"]).index("viridis")
    found = arrays["colours"].reshape(-1, 256, 3)[number]
    np.testing.assert_array_equal(found[:255], table("viridis", n_colours=255))
    assert bytes(found[255]).hex() == masked("blues")[1].lstrip("#")


def test_grid_data_of_a_long_text_are_its_maps() -> None:
    weights = random_weights(2, 3, 67, 71)
    weights[1, 0, 2, 3] = np.nan
    att = attention(weights)
    header, arrays = unpack(packed("grid", att))
    maps, view = arrays["maps"].reshape(header["maps"]), view_of("grid", att)
    # A 254th is what eight bits of the square root can lose.
    np.testing.assert_allclose((maps / 254) ** 2, np.nan_to_num(view.maps), rtol=0, atol=1 / 254)
    np.testing.assert_array_equal(arrays["broken"], [0, 0, 0, 1, 0, 0])


def test_a_causal_mask_has_a_colour_of_its_own_in_the_maps() -> None:
    att = causal_attention(97)
    header, arrays = unpack(packed("grid", att))
    maps = arrays["maps"].reshape(header["maps"])
    above = np.triu(np.ones(maps.shape[2:], dtype=bool), 1)
    assert (maps[0, 0][above] == 255).all()
    assert (maps[0, 0][~above] < 255).all()


def test_every_scale_begins_and_ends_with_the_palettes_ends() -> None:
    for scale in SCALES:
        np.testing.assert_array_equal(table_numbers(np.array([0, 1.0]), scale), [0, 255])
    # The root shows 1/4 as the linear scale shows 1/2, and the logarithm 1/100 so.
    shown = [
        table_numbers(np.array([weight]), scale)[0]
        for weight, scale in ((0.25, "root"), (0.5, "linear"), (0.01, "log"))
    ]
    assert len(set(shown)) == 1
    np.testing.assert_array_equal(colour_numbers(np.array([0, 0.25, 1, np.nan])), [0, 127, 254, 0])
