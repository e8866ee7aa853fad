"""What the browser finds in a tile is what Python finds in the head: the strongest pairs, and the readable part."""

import base64
from typing import Any

import numpy as np
import pytest

from analysis import strongest_pairs
from analysis.selection import Region, TokenRef
from models import Attention
from tests.helpers.hand_made import attention, causal_attention, random_weights
from tests.helpers.node import call
from viz import style
from viz.wire.instrument import Opening, trace_message

MOST = 40


def heads() -> dict[str, Attention]:
    """Heads with equal weights, with weights that are not a number, and with masked pairs."""
    weights = random_weights(9, 11)
    broken, equal = weights.copy(), np.round(weights * 8).astype(np.float32) / 8
    broken[2:5, 3] = np.nan
    small = random_weights(2, 3)
    small[1, 1] = np.nan
    return {
        "plain": attention(weights),
        "equal": attention(equal),
        "broken": attention(broken),
        "small": attention(small),
        "causal": causal_attention(12),
    }


def pairs_of_the_browser(att: Attention, region: Region, only: list[Any] | None) -> list[list[Any]]:
    message = trace_message(att, Opening("", ""))
    code = """
    import { strongestPairs } from "./viz/browser/instrument/pairs_ranked.js";
    import { Trace } from "./viz/browser/instrument/trace.js";
    const trace = new Trace(new Uint8Array(Buffer.from(data.message, "base64")));
    const tile = trace.tile([0, 0], data.region);
    const only = data.only && { side: data.only[0], position: data.only[1] };
    const result = strongestPairs(tile, data.most, only);"""
    cells = [region.queries.start, region.queries[-1], region.keys.start, region.keys[-1]]
    return call(code, {"region": cells, "message": base64.b64encode(message).decode(), "most": MOST, "only": only})


@pytest.mark.slow
@pytest.mark.parametrize("name", heads())
@pytest.mark.parametrize("region", ["", "1-6:2-8"])
def test_the_strongest_pairs_are_those_of_analysis(name: str, region: str) -> None:
    att = heads()[name]
    chosen = (Region.parse(region).clamp(att) if region else None) or Region.whole(att)
    table = strongest_pairs(att, 0, 0, att.n_query * att.n_key, queries=chosen.queries, keys=chosen.keys)
    visible = att.mask(0, 0)
    for only in (None, ["query", chosen.queries[-1]], ["key", chosen.keys[0]]):
        wanted = [
            [row.query, row.key, None if np.isnan(row.weight) else pytest.approx(row.weight, rel=1e-5)]
            for row in table.itertuples()
            if visible[row.query, row.key] and (only is None or getattr(row, only[0]) == only[1])
        ]
        assert pairs_of_the_browser(att, chosen, only) == wanted[:MOST]


@pytest.mark.parametrize("kind", ["encoder", "cross"])
def test_the_readable_part_is_that_of_an_export(kind: str) -> None:
    """The browser keeps to `Region.readable_part`, for one locked token."""
    regions = [Region(range(500), range(700)), Region(range(100, 180), range(3, 400)), Region(range(9), range(130))]
    tokens = [None, *(TokenRef(side, at) for side in ("query", "key") for at in (0, 3, 64, 150, 320, 499))]

    class Text:  # All that `readable_part` reads of an attention.
        def __init__(self) -> None:
            self.kind, self.key_patches, self.n_key = kind, (), 4000

    cases, wanted = [], []
    for region in regions:
        for token in tokens:
            if token is None or token in region:
                part = region.readable_part(Text(), token)  # type: ignore[arg-type]
                wanted.append([part.queries[0], part.queries[-1], part.keys[0], part.keys[-1]])
                locked = {side: token.position if token and token.side == side else None for side in ("query", "key")}
                cases.append([[region.queries[0], region.queries[-1], region.keys[0], region.keys[-1]], locked])
    code = f"""
    import {{ readablePart }} from "./viz/browser/instrument/part.js";
    const limits = {{ readable: 128, cross: {str(kind == "cross").lower()} }};
    const result = data.map(([region, locked]) => readablePart(region, locked, limits));"""
    assert call(code, cases) == wanted
    assert len({tuple(each) for each in wanted}) > 6


def test_a_part_is_called_the_same_everywhere() -> None:
    part = Region(range(1000, 1010), range(20, 31))
    places = {"first_query": "1,000", "last_query": "1,009", "first_key": "20", "last_key": "30"}
    assert style.PART.format(**places) == part.describe()
    code = """
    import { describePart } from "./viz/browser/instrument/token_graph_words.js";
    const result = describePart([1000, 1009, 20, 30], data);"""
    assert call(code, style.token_graph_style()) == part.describe()
