"""A selection is parsed once and fitted once: nothing that a link names leads outside a text."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.selection import Region, Selection, TokenRef, nearest_head
from models import Attention
from models.capture.replay import MaterialisedLayer
from models.errors import BadSelection
from tests.helpers.hand_made import attention, random_weights, source, tokens

N_LAYERS, N_HEADS, N_QUERY, N_KEY = 2, 3, 5, 7
ATT = attention(random_weights(N_LAYERS, N_HEADS, N_QUERY, N_KEY))

spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda ends: range(min(ends), max(ends) + 1))
selections = st.builds(
    Selection,
    layer=st.integers(0, 9),
    heads=st.tuples(st.integers(0, 9)),
    token=st.none() | st.builds(TokenRef, st.sampled_from(["query", "key"]), st.integers(0, 12)),
    region=st.none() | st.builds(Region, spans, spans),
)


@pytest.mark.slow
@given(selections)
def test_a_fitted_selection_is_one_that_the_text_has(selection: Selection) -> None:
    fitted, notices = selection.fit(ATT)
    layer, head = fitted.of_one_head()
    region = fitted.region_in(ATT)
    assert ATT.weights(layer, head, *region.slices).shape == (len(region.queries), len(region.keys))
    assert fitted.token_in(ATT) == fitted.token
    assert fitted.kind == ATT.kind
    # Fitted once, it fits; and a sentence says each change.
    assert fitted.fit(ATT) == (fitted, ())
    changed = [
        (selection.layer, selection.head) != (layer, head),
        selection.token != fitted.token,
        (selection.region or Region.whole(ATT)) != region,
    ]
    assert len(notices) == sum(changed)


@given(selections)
def test_what_is_written_is_what_is_parsed(selection: Selection) -> None:
    for value, kind in ((selection.token, TokenRef), (selection.region, Region)):
        if value is not None:
            assert kind.parse(str(value)) == value
    again = Selection.parse(
        selection.layer, selection.head, token=str(selection.token or ""), region=str(selection.region or "")
    )
    assert again == selection


def test_a_selection_of_another_text_is_refused_where_nothing_fits_it() -> None:
    with pytest.raises(BadSelection, match="There is no region of queries 0 to 5, keys 0 to 6: this text has"):
        Selection.parse(0, 0, region="0-5:0-6").region_in(ATT)
    with pytest.raises(BadSelection, match="There is no key 7 to isolate: this text has key tokens 0 to 6"):
        Selection.parse(0, 0, token="key:7").token_in(ATT)
    with pytest.raises(BadSelection, match="The query 4 to isolate is outside the region of queries 0 to 3"):
        Selection.parse(0, 0, token="query:4", region="0-3:0-6").token_in(ATT)
    with pytest.raises(BadSelection, match="give a layer and a head"):
        Selection(layer=1).of_one_head()


def test_positions_are_fitted_to_their_unit() -> None:
    att = attention(random_weights(1, 1, 5, 5), tokens("a", "##b", "c", "##d", "e"))
    assert att.words().n_query == 3
    selection = Selection.parse(0, 0, token="query:2", region="1-4:0-4")
    assert selection.fit(att)[1] == ()
    fitted, notices = Selection.parse(0, 0, token="query:2", region="1-4:0-4", unit="words").fit(att)
    assert (str(fitted.token), str(fitted.region)) == ("query:2", "1-2:0-2")
    assert notices == (
        "There is no region of queries 1 to 4, keys 0 to 4 here: queries 1 to 2, keys 0 to 2 are shown instead.",
    )
    fitted, _ = Selection.parse(0, 0, token="query:4", unit="words").fit(att)
    # Must not happen: a word that there is not, because there is a piece at its position.
    assert fitted.token is None


def test_the_nearest_head_of_a_layer_with_fewer_heads() -> None:
    layers = [MaterialisedLayer(torch.tensor(random_weights(n, 5, 5))) for n in (4, 2)]
    shown = tokens(*"abcde")
    att = Attention("encoder", layers, shown, shown, source())
    assert nearest_head(att, 0, 3) == (0, 3)
    assert nearest_head(att, 1, 3) == (1, 1)
    assert nearest_head(att, 7, 9) == (1, 1)


def test_a_partner_stays_only_with_its_token() -> None:
    pair = Selection.parse(0, 0, token="query:2", partner="key:1")
    assert pair.fit(ATT)[0].partner == TokenRef("key", 1)
    assert Selection.parse(0, 0, token="query:99", partner="key:1").fit(ATT)[0].partner is None
    assert Selection.parse(0, 0, token="query:2", partner="key:1", region="2-3:2-3").fit(ATT)[0].partner is None
