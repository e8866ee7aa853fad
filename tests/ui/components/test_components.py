"""What the pictures' own code sends is heard; a message of another shape, which can only be forged, is not."""

from types import SimpleNamespace

import pytest
import streamlit

from ui import components
from ui.components import instrument as instrument_component

NAN = float("nan")


@pytest.fixture
def said(monkeypatch):
    """Return a function that lets a component send an event, and returns what the page hears."""

    def say(name: str, key: str, event: str, sent: object, show) -> list:
        heard: list = []
        monkeypatch.setattr(streamlit, "session_state", {key: SimpleNamespace(**{event: sent})})
        module = instrument_component if name == "_instrument" else components
        monkeypatch.setattr(module, name, lambda **given: given[f"on_{event}_change"]())
        monkeypatch.setattr(components, "pack_chart", lambda *given, **options: b"")
        show(lambda *told: heard.append(told))
        return heard

    return say


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"text": "layer=3&head=1", "number": 7}, [("layer=3&head=1", 7)]),
        ({"text": "", "number": 0, "more": 1}, [("", 0)]),
        # Whatever stands for a text is one: ui/state/page_state.py reads what it can of it.
        ({"text": None, "number": 1.0}, [("None", 1)]),
        ({"text": ["layer=3"], "number": "4"}, [("['layer=3']", 4)]),
        *(
            (odd, [])
            for odd in (
                None,
                True,
                5,
                "ab",
                [],
                [1, 2],
                {},
                {"text": "layer=3"},
                {"number": 1},
                {"text": "", "number": []},
            )
        ),
        ({"text": "", "number": None}, []),
        ({"text": "", "number": "x"}, []),
        ({"text": "", "number": NAN}, []),
        ({"text": "", "number": float("inf")}, []),
        ({"text": "", "number": "9" * 5000}, []),
    ],
)
def test_a_selection_of_the_instrument(sent, expected, said):
    found = said(
        "_instrument", "instrument", "selection", sent, lambda hear: instrument_component.instrument(b"", hear)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x": [0.5, 4], "y": [1, 3]}, [([0.5, 4.0], [1.0, 3.0])]),
        *((odd, []) for odd in (None, True, [], {}, {"x": [1, 2]}, {"x": 1, "y": 2}, {"x": [1], "y": [2]})),
        ({"x": [1, NAN], "y": [1, 2]}, []),
        ({"x": [1, float("inf")], "y": [1, 2]}, []),
        ({"x": ["a", 1], "y": [1, 2]}, []),
    ],
)
def test_a_box_in_a_chart(sent, expected, said):
    found = said("_chart", "heatmap", "box", sent, lambda hear: components.chart(None, "heatmap", "alt", on_box=hear))
    assert found == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([3, 11], [(3, 11)]),
        ([3.0, "11"], [(3, 11)]),
        *(
            (odd, [])
            for odd in (None, True, 5, [], [1], [1, 2, 3], ["a", 1], [None, 1], {}, [NAN, 1], {"x": 1, "y": 2})
        ),
    ],
)
def test_a_point_in_a_chart(sent, expected, said):
    found = said("_chart", "heads", "point", sent, lambda hear: components.chart(None, "heads", "alt", on_point=hear))
    assert found == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([4, "layer=3", 7], [("layer=3", 4, 7)]),
        *((odd, []) for odd in (None, True, [], [1], [1, "", "a"], ["a", "b", 1], [None, "", 1], {}, [NAN, "", 1])),
    ],
)
def test_back_and_forward(sent, expected, said):
    found = said("_address", "address", "went", sent, lambda hear: components.address_bar("", "", 0, hear))
    assert found == expected
