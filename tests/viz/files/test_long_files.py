"""Files of long texts, which have no weights of all heads: they contain the view that they open, with its tiles."""

import base64

import numpy as np
import pytest

from analysis.selection import Selection
from models import Attention
from tests.helpers.hand_made import long_text
from tests.helpers.node import call
from tests.helpers.read_back import unpack
from viz import DrawOptions
from viz.figures.base import Subject
from viz.files.page import instrument_message
from viz.views import view_of

pytestmark = pytest.mark.slow

ATT = long_text()
OPTIONS = DrawOptions(special="hide", renormalise=True)
# What the instrument shows of a file, and what it lacks.
SHOWN = """
import { Trace } from "./viz/browser/instrument/trace.js";
import { parseSelection } from "./viz/browser/instrument/link.js";
import { shownHead } from "./viz/browser/instrument/shown.js";
import { Views } from "./viz/browser/instrument/views.js";
const trace = new Trace(new Uint8Array(Buffer.from(data, "base64")));
const state = parseSelection(trace.header.opening.selection, trace.header.defaults);
const views = new Views(trace, null, () => {});
const view = views.of(state);
const tile = view.trace.tile(shownHead(state), state.region);
const pieces = { ...state, unit: "pieces" };
const result = {
  is_base: view.trace === trace, cells: Array.from(tile.cells), pieces: views.of(pieces), lacks: views.lacks(pieces),
};
"""


def message(**chosen: object) -> bytes:
    selection = Selection.parse(1, 2, unit="words", region="3-40:0-89", **chosen)  # type: ignore[arg-type]
    return instrument_message(Subject(ATT), selection, OPTIONS)


def shown(**chosen: object) -> tuple[Attention, Selection]:
    return view_of(ATT, Selection.parse(1, 2, unit="words", **chosen), OPTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize("chosen", [{}, {"heads": "0", "combine": "mean"}, {"heads": "all", "combine": "maximum"}])
def test_a_file_opens_the_view_that_was_exported(chosen: dict[str, str]) -> None:
    found = call(SHOWN, base64.b64encode(message(**chosen)).decode())
    att, selection = shown(**chosen)
    layer, head = selection.of_one_head()
    wanted = np.where(att.mask(layer, head), att.weights(layer, head), -1)[3:41, :90]
    np.testing.assert_allclose(np.reshape(found["cells"], wanted.shape), wanted, atol=1e-6)
    assert found["is_base"]
    assert found["pieces"] is None
    assert found["lacks"]


def test_a_file_has_the_tiles_of_all_heads_that_are_overlaid() -> None:
    header, _ = unpack(message(heads="0.1,1"))
    assert header["view"] == "unit=words&special=hide&renormalise=True"
    assert {tuple(tile["shown"]) for tile in header["tiles"]} == {(1, 2), (0, 1), (1, 0), (1, 1)}
    assert len(header["queries"]) == ATT.words().n_query


def test_a_file_opens_with_the_locked_pair() -> None:
    selection = Selection.parse(1, 2, token="query:4", partner="key:3")
    header, _ = unpack(instrument_message(Subject(ATT), selection, DrawOptions()))
    assert "token=query:4&partner=key:3" in header["opening"]["selection"]
