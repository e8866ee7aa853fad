"""Whole pages: opened by a hostile link, and given forged values for their widgets."""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs

import streamlit as st
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from benchmarks.fuzzing.checks import Failed
from benchmarks.fuzzing.links import make_link
from benchmarks.fuzzing.mutations import NUMBERS, STRINGS, mutated_json, scalar
from benchmarks.fuzzing.texts import piece_of_text

_ROOT = Path(__file__).parents[2]
PAGES = ("inspect", "steps", "watch")
SECONDS = 60
# What the pictures' own code sends, by the event's name.
_EVENTS = ("picked", "locked", "box", "went", "lacks", "themed")
_SENT = (
    [3, 7, 1],
    "query:3",
    {"x": [0.5, 4.5], "y": [1.5, 3.5]},
    [1, "layer=3&text=Birds"],
    {"edited_rows": {"0": {"q": 0.5, "1": 2}}, "added_rows": [], "deleted_rows": []},
    True,
)
# What a browser sends of what AppTest knows no value of, by the element's type: pictures, popovers, tables to edit.
_OWN = {"bidi_component": "json_trigger_value", "popover": "bool_value", "dataframe": "string_value"}
# A training would outlast its page: whoever runs inputs sets this environment first.
ENVIRONMENT = {"HEADLIGHT_TRAININGS": "0"}


@dataclass(frozen=True)
class Value:
    """A forged value for the widget at a place of the page: one for each field of Streamlit's message.

    `field` is the one that is sent; if it is empty, that which the widget itself sends. `event` is a picture's.
    """

    place: int
    field: str
    event: str
    of: dict[str, Any]


@dataclass(frozen=True)
class Forged:
    """A page, its link, and forged values for its widgets."""

    page: str
    link: str
    values: tuple[Value, ...] = ()


def make_page(dice: Random) -> Forged:
    page = dice.choice(PAGES)
    return Forged(page, make_link(page, dice))


def make_widgets(dice: Random) -> Forged:
    page = dice.choice(("inspect", "inspect", "steps", "watch"))
    link = dice.choice(("", "", "part=head", "example=rows&heads=2")) if page == "steps" else ""
    values = tuple(_forged(dice) for _ in range(dice.choice((1, 1, 2, 5))))
    return Forged(page, link, values)


def _forged(dice: Random) -> Value:
    numbers = [float(number) for number in NUMBERS if abs(number) < 1e300 or number != number]
    sent = dice.choice(_SENT)
    sent_json = json.dumps(scalar(dice) if dice.random() < 0.3 else mutated_json(dice, sent, 1), default=str)
    sent_json = sent_json[:-1] if dice.random() < 0.05 else sent_json
    values: dict[str, Any] = {
        "bool_value": dice.random() < 0.8,
        "trigger_value": dice.random() < 0.8,
        "double_value": dice.choice(numbers),
        "int_value": dice.choice((-(2**52), -1, 0, 1, 7, 10_000, 2**31, 2**52)),
        "int_array_value": [dice.choice((-1, 0, 1, 99, 2**31)) for _ in range(dice.randrange(4))],
        "double_array_value": [dice.choice(numbers) for _ in range(dice.randrange(4))],
        "string_array_value": [_string(dice) for _ in range(dice.randrange(4))],
        "json_value": sent_json,
        "json_trigger_value": sent_json,
        "string_trigger_value": _string(dice),
        "string_value": _string(dice),
        "bytes_value": dice.randbytes(20),
    }
    field = dice.choice(list(values)) if dice.random() < 0.25 else ""
    return Value(dice.randrange(100), field, dice.choice(_EVENTS), values)


def _string(dice: Random) -> str:
    """Return a string that a message can carry: protobuf takes no half characters."""
    text = dice.choice(STRINGS) if dice.random() < 0.6 else piece_of_text(dice)[:20_000]
    return text.encode("utf-8", "replace").decode()


def open_page(forged: Forged) -> list[str]:
    """Open a page by its link, forge its widgets, and see that it goes on with honest ones."""
    st.set_option("client.showErrorDetails", "full")
    app = AppTest.from_file(_ROOT / "ui" / "pages" / f"{forged.page}.py", default_timeout=SECONDS)
    if forged.link:
        app.query_params.update(parse_qs(forged.link, keep_blank_values=True, errors="replace"))
    app.run()
    sentences = read_messages(app)
    if not forged.values:
        return sentences
    widgets = widgets_of(app)
    honest = {state.id: state for state in app._tree.get_widget_states().widgets}
    states, confused = dict(honest), False
    for value in forged.values:
        name, own = widgets[value.place % len(widgets)]
        if name in honest:
            own = honest[name].WhichOneof("value") or own
        if not own:  # a container, which sends nothing
            continue
        field = value.field or own
        confused |= field != own
        state = _state(name, field, value)
        states[state.id] = state
    app._run(WidgetStates(widgets=list(states.values())))
    if confused:
        return sentences
    sentences += read_messages(app, forged=True)
    app._run(WidgetStates(widgets=list(honest.values())))
    return [*sentences, *read_messages(app)]


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _state(name: str, field: str, value: Value) -> WidgetState:
    """Return the message that gives a widget a forged value, or tells a forged event of a picture."""
    given = value.of[field]
    if field == "json_trigger_value":
        name, given = _make_trigger_id(name, "events"), json.dumps([{"event": value.event, "value": _parsed(given)}])
    elif field == "json_value":
        given = json.dumps({value.event: _parsed(given)})
    elif field == "string_value" and value.place % 3 == 0:
        given = value.of["json_value"]  # what a table sends of its edits
    state = WidgetState(id=name)
    if field.endswith("array_value"):
        getattr(state, field).data.extend(given)
    elif field == "string_trigger_value":
        state.string_trigger_value.data = given
    else:
        setattr(state, field, given)
    return state


def widgets_of(app: AppTest) -> list[tuple[str, str]]:
    """Return the ids of the page's widgets in order, and what a browser sends of those that are no plain widgets."""
    found = []
    for node in app._tree:
        proto = getattr(node, "proto", None)
        name = getattr(proto, "id", "") if proto is not None else ""
        if isinstance(name, str) and name.startswith("$$"):
            found.append((name, _OWN.get(node.type, "")))
    return found


def read_messages(app: AppTest, *, forged: bool = False) -> list[str]:
    """Return the sentences of a page; Streamlit itself may refuse a forged value, in a red box without details.

    It does so again in the next run, where it compares what is new with what was forged.

    Raises:
        Failed: the page shows an exception.
    """
    for shown in app.exception:
        frames = [line for line in shown.proto.stack_trace if "File " in line]
        ours = [number for number, line in enumerate(frames) if str(_ROOT) in line and ".venv" not in line]
        after = frames[ours[-1] + 1 :] if ours else frames
        if ours and not (forged and any("site-packages/streamlit" in line for line in after)):
            where = " < ".join(frames[number].strip().replace(str(_ROOT), "")[:120] for number in ours[:-3:-1])
            raise Failed(f"the page shows {shown.proto.type}: {shown.proto.message[:200]} {where}")
    boxes = [element.value.replace("\\", "") for element in (*app.error, *app.warning, *app.info)]
    # Several notices are a list in one box.
    return [line.removeprefix("- ") for box in boxes for line in (box.split("\n") if box.startswith("- ") else [box])]
