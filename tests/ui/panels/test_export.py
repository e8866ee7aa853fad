"""The export popover says what a download holds before it is made."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from analysis.selection import Selection
from tests.helpers.draw import INSTRUMENTS
from tests.helpers.hand_made import attention, random_weights
from tests.helpers.inspect_page import instrument, messages, run, select
from tests.helpers.page_elements import widget
from ui.services.attention_cache import maps_of, request_maps
from ui.services.instrument_traces import find
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.registry import FIGURES
from viz.files.export import describe_file
from viz.files.page import describe_lack

ATT = attention(random_weights(2, 3, 5, 7))
LONG = attention(random_weights(1, 2, 283, 307))


@pytest.mark.parametrize(
    ("figure", "place", "region", "said"),
    [
        (
            "table",
            (None, None),
            "2-4:0-3",
            "queries 2 to 4, keys 0 to 3 alone: 3 x 4 pairs of all 6 heads.",
        ),
        ("table", (None, None), "", "every pair: 5 x 7 pairs of all 6 heads."),
        ("table", (1, 2), "", "every pair: 5 x 7 pairs of layer 1, head 2."),
        (
            "heatmap",
            (1, 2),
            "2-4:0-3",
            "queries 2 to 4, keys 0 to 3 alone: 3 x 4 pairs of layer 1, head 2.",
        ),
        ("grid", (1, 2), "2-4:0-3", "all 6 heads, each with the whole text."),
        ("signal", (1, 2), "", "one query of layer 1, head 2."),
    ],
)
def test_what_a_download_holds(figure: str, place: tuple[int | None, int | None], region: str, said: str) -> None:
    selection = Selection.parse(*place, region=region)
    assert FIGURES[figure].contents(Subject(ATT), selection, DrawOptions()) == f"It contains {said}"


def test_a_long_flow_holds_the_window_that_it_shows() -> None:
    said = "It contains queries 0 to 127, keys 0 to 127 alone: 128 x 128 pairs of layer 0, head 1."
    assert FIGURES["flow"].contents(Subject(LONG), Selection.parse(0, 1), DrawOptions()) == said


@pytest.mark.parametrize("figure", INSTRUMENTS)
def test_an_html_file_holds_all_heads_whatever_the_figure(figure: str) -> None:
    selection = Selection.parse(0, 1, region="2-4:0-3")
    said = describe_file(FIGURES[figure], "html", Subject(ATT), selection, DrawOptions())
    assert said == "It contains the whole text and every weight of all 6 heads."
    said = describe_file(FIGURES[figure], "html", Subject(LONG), selection, DrawOptions())
    assert said == "It contains the whole text, small maps of all 2 heads, and weights of layer 0, head 1."
    if figure != "view":
        assert describe_file(FIGURES[figure], "svg", Subject(ATT), selection, DrawOptions()) != said


def test_maps_of_layers_are_called_layers() -> None:
    short = attention(random_weights(3, 1, 5, 5))._copy(method="rollout")
    long = attention(random_weights(3, 1, 283, 307))._copy(method="rollout")
    titles = [offer.title_of(short) for figure in FIGURES.values() for offer in figure.offers]
    assert {"Heatmap of the chosen layer", "All layers", "Weights of all layers"} <= set(titles)
    assert not [title for title in titles if "head" in title]
    place, options = Selection.parse(1, 0), DrawOptions()
    assert describe_file(FIGURES["grid"], "png", Subject(short), place, options) == (
        "It contains all 3 layers, each with the whole text."
    )
    assert describe_file(FIGURES["table"], "csv", Subject(short), Selection.parse(), options).endswith("all 3 layers.")
    assert describe_file(FIGURES["view"], "html", Subject(long), place, options) == (
        "It contains the whole text, small maps of all 3 layers, and weights of rollout down from layer 1."
    )
    assert "exact weights of rollout down from layer 1 alone" in describe_lack(Subject(long), place)


def opened(**parameters: str) -> AppTest:
    app = run(**parameters)
    app.session_state["export"] = True
    return app.run()


def buttons(app: AppTest) -> dict[str, str]:
    """The identity of each button by its label."""
    return {button.proto.label: button.proto.id for button in app.get("download_button")}


@pytest.mark.slow
def test_a_button_says_which_figure_it_gives_and_is_another_one_for_another_figure() -> None:
    app = opened(layer="3", head="7")
    seen = buttons(app)
    for figure in ("Token graph of the chosen head", "All heads", "Weights of the chosen head", "Weights of all heads"):
        app.radio(key="export figure").set_value(figure).run()
        seen |= buttons(app)
    # The browser's selection reaches the exports, and is not sent back to the browser.
    select(app, head=2)
    app.radio(key="export figure").set_value("Heatmap of the chosen head").run()
    seen |= buttons(app)
    assert list(seen) == [
        "Download heatmap of layer 3, head 7 as PNG",
        "Download token graph of layer 3, head 7 as PNG",
        "Download all heads as PNG",
        "Download weights of layer 3, head 7 as CSV",
        "Download its origin (JSON)",
        "Download weights of all heads as CSV",
        "Download heatmap of layer 3, head 2 as PNG",
    ]
    assert len({*seen.values()}) == len(seen)


@pytest.mark.slow
def test_a_button_names_the_chosen_layer_of_a_map_of_layers() -> None:
    app = opened(layer="3", head="7", show="rollout")
    assert list(buttons(app)) == ["Download heatmap of rollout down from layer 3 as PNG"]
    app.radio(key="export figure").set_value("Weights of all layers").run()
    assert list(buttons(app)) == ["Download weights of all layers as CSV", "Download its origin (JSON)"]
    widget(app, "show").set_value("attention").run()
    assert list(buttons(app)) == ["Download heatmap of layer 3, head 7 as PNG"]


@pytest.mark.slow
def test_a_table_too_large_for_a_page_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(layer="5", head="11")
    app.radio(key="export figure").set_value("Weights of all heads").run()
    assert "Download weights of all heads as CSV" in buttons(app)
    # 13 x 13 pairs of 72 heads: 4 bytes a weight, some 41 a line.
    monkeypatch.setenv("HEADLIGHT_FILE_BYTES", "50000")
    app.run()
    (message,) = messages(app)
    # The last digits of a weight, and so the length of its line, depend on the processor.
    assert re.fullmatch(
        r"This table takes about 50\d kB, and this page makes files up to 50\.0 kB: "
        r"choose NPZ, one head, a region, or write it with python -m headlight export table\.",
        message,
    )
    assert not buttons(app)
    app.segmented_control(key="export format csv").set_value("npz").run()
    assert list(buttons(app)) == ["Download weights of all heads as NPZ"]
    monkeypatch.setenv("HEADLIGHT_FILE_BYTES", "40000")
    app.run()
    assert messages(app) == [
        "This table takes about 48.7 kB, and this page makes files up to 40.0 kB: "
        "choose one head, a region, or write it with python -m headlight export table."
    ]
    app.radio(key="export figure").set_value("Weights of the chosen head").run()
    assert messages(app) == []
    assert list(buttons(app)) == ["Download weights of layer 5, head 11 as NPZ"]


@pytest.mark.slow
def test_all_heads_of_a_long_text_wait_for_their_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(text="the cat sat on the mat and " * 20)
    att = find(instrument(app)[0]["trace"])
    assert att is not None
    app.radio(key="export figure").set_value("All heads").run()
    request_maps(att, "test").wait(60)
    app.run()
    assert list(buttons(app)) == ["Download all heads as PNG"]
    monkeypatch.setattr(maps_of(att), "n_done", 3)
    app.run()
    assert messages(app) == ["The maps of all heads are not complete yet: wait until they are, or let them go on."]
    assert not buttons(app)
