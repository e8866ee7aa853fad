"""What a notebook gets of a trace: one isolated frame that holds the page of a file."""

import html
import re
import sys

import numpy as np
import pytest

import models
import viz
from models import AttentionTrace
from models.errors import BadSelection
from tests.helpers.hand_made import attention, causal_attention, random_weights
from tests.helpers.read_back import data_of_page, unpack
from viz import DrawOptions, notebook

pytestmark = pytest.mark.slow

ATT = attention(random_weights(2, 3, 5, 7))
CAUSAL = causal_attention(11)
TRACE = AttentionTrace({ATT.kind: ATT, CAUSAL.kind: CAUSAL}, (), ATT.source)


def page_in(shown: str) -> str:
    """The page in the frame, as a browser reads the attribute."""
    (page,) = re.findall(r'srcdoc="([^"]*)"', shown)
    return html.unescape(page)


def message_in(shown: str) -> tuple[dict, dict[str, np.ndarray]]:
    return unpack(data_of_page(page_in(shown)))


def test_the_frame_is_isolated_and_asks_nobody() -> None:
    shown = viz.show(ATT, 1, 2)._repr_html_()
    (sandbox,) = re.findall(r'sandbox="([^"]*)"', shown)
    # Must not happen: with allow-same-origin, a token could reach the notebook.
    assert sandbox.split() == ["allow-scripts", "allow-downloads"]
    assert " src=" not in shown
    assert "Content-Security-Policy\" content=\"default-src 'none'" in page_in(shown)


def test_it_opens_on_what_is_chosen_and_carries_all_weights() -> None:
    look = DrawOptions(palette="viridis", threshold=0.5)
    shown = viz.show(TRACE, 1, 2, token="key:3", region="1-4:2-6", options=look, height=555)
    header, arrays = message_in(shown._repr_html_())
    assert header["opening"]["selection"].startswith(
        "layer=1&head=2&token=key:3&region=1-4:2-6&threshold=0.5&palette=viridis&"
    )
    np.testing.assert_allclose(arrays["weights"], random_weights(2, 3, 5, 7).ravel(), rtol=0, atol=1e-5)
    assert "height:555px" in shown._repr_html_()
    assert "palette=automatic" in message_in(viz.show(TRACE)._repr_html_())[0]["opening"]["selection"]


def test_a_trace_and_an_attention_show_themselves() -> None:
    assert ATT.kind != CAUSAL.kind
    assert message_in(TRACE._repr_html_())[0]["kind"] == ATT.kind
    assert message_in(ATT._repr_html_())[0]["opening"]["selection"].startswith("layer=0&head=0&")
    assert message_in(viz.show(TRACE, kind=CAUSAL.kind)._repr_html_())[0]["kind"] == CAUSAL.kind
    bundle = viz.show(TRACE)._repr_mimebundle_()
    assert bundle["text/html"] == TRACE._repr_html_()
    assert len(bundle["text/plain"]) < 200


def test_without_viz_a_trace_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viz.notebook", None)
    assert TRACE._repr_html_() is None


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"layer": 1}, "give a layer and a head"),
        ({"layer": 2, "head": 0}, "There is no layer 2"),
        ({"kind": "mixed"}, "There is no 'mixed' attention here"),
        ({"token": "query:9"}, "There is no query 9"),
    ],
)
def test_what_is_not_there_is_refused(chosen: dict, said: str) -> None:
    for trace in (TRACE, ATT):
        with pytest.raises(BadSelection, match=said):
            viz.show(trace, **chosen)


def test_a_long_text_does_not_hold_the_notebook_up(monkeypatch: pytest.MonkeyPatch) -> None:
    att = causal_attention(150)
    att._layers = att._layers * 5
    monkeypatch.setattr(notebook, "MAPS_SECONDS", -1.0)
    shown = viz.show(att, 0, 1)._repr_html_()
    assert message_in(shown)[0]["done"] == 1
    assert "other heads of the first 1 of 5 layers" in page_in(shown)


def test_an_output_is_about_as_large_as_a_file(minilm: models.Model) -> None:
    trace = minilm.trace("The cat sat on the mat because it was tired.")
    file = viz.export(trace["encoder"], "view", "html").data
    assert len(trace._repr_html_()) < 1.15 * len(file)
