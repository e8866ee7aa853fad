"""What several renderers draw and say with has one home, viz/style.py: the browser gets it, and never repeats it."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from models import Attention
from tests.helpers.draw import packed, view_of
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.node import call
from tests.helpers.paths import ROOT
from tests.helpers.read_back import unpack
from viz import DrawOptions, style
from viz.figures.token_graph_view import describe, describe_token

BROWSER = ROOT / "viz" / "browser"
# Halves and a few pixels are everywhere: tests/js changes these constants of the style and sees the picture follow.
COMMON = {0, 0.5, 1, 3}


def values(data: Any) -> Iterator[float | str]:
    """All numbers and sentences of a style."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for value in data:
            yield from values(value)
    else:
        yield data


def without_comments(code: str) -> str:
    return re.sub(r"/\*[\s\S]*?\*/|//.*", "", code)


def numbers(code: str) -> set[float]:
    """The numeric literals of JavaScript."""
    found = re.findall(r"(?<![\w.#$])(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w.%])", code)
    return {float(number.replace("_", "")) for number in found}


def sentences(data: Any) -> set[str]:
    """The fixed words of a style's sentences: what is between the places, if it is more than one word."""
    texts = (value for value in values(data) if isinstance(value, str))
    parts = (part.strip(" ;,()") for text in texts for part in re.split(r"\{\w+\}", text))
    return {part for part in parts if " " in part}


def repeated(code: str, data: Any) -> set[float | str]:
    """What a source repeats of a style."""
    bare = without_comments(code)
    known = {value for value in values(data) if not isinstance(value, str)} - COMMON
    return (numbers(bare) & known) | {text for text in sentences(data) if text in bare}


def modules(pattern: str) -> list[tuple[str, str]]:
    found = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(BROWSER.glob(pattern))]
    assert found
    return found


@pytest.mark.parametrize(
    ("pattern", "data"),
    [
        ("instrument/token_graph*.js", style.token_graph_style()),
        ("instrument/graph*.js", style.token_graph_style()),
        ("instrument/heads*.js", style.grid_style()),
        ("core/chart.js", style.chart_style()),
    ],
)
def test_a_picture_repeats_no_constant_of_its_style(pattern: str, data: dict[str, Any]) -> None:
    for name, code in modules(pattern):
        allowed = {6.0} if name == "token_graph_words.js" else set()  # digits of a threshold
        assert repeated(code, data) - allowed == set(), name


def test_no_module_repeats_a_sentence() -> None:
    texts = [value for value in values([style.token_graph_style(), style.grid_style()]) if isinstance(value, str)]
    for name, code in modules("**/*.js"):
        assert repeated(code, texts) == set(), name


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("context.globalAlpha = 0.06 + 0.94 * x;", {0.06, 0.94}),
        ("const FADED = .35;", {0.35}),
        ("lines.slice(0, 6)", {6}),
        ("const verb = focus ? 'attends to' : 'is attended to by';", {"attends to", "is attended to by"}),
        ("`; ${x} hold ${y} of its attention`", {"of its attention"}),
        ("// 0.06, as before\nconst a = 10.06;", set()),
        ("/* a */ const a = 1; // b\nconst b = 0.06;", {0.06}),
        ("/* attends to */ context.font = `6px ${a6} #6`;", set()),
    ],
)
def test_the_scan_sees_a_repeated_constant(code: str, found: set[float | str]) -> None:
    assert (
        repeated(code, style.token_graph_style())
        | {text for text in ("of its attention",) if text in without_comments(code)}
        == found
    )


def test_the_data_carry_the_style() -> None:
    att = attention(random_weights(1, 1, 3, 5))
    assert unpack(packed("flow", att, 0, 0))[0]["style"]["words"]["nothing"] == style.NOTHING
    sent = json.loads(json.dumps(style.grid_style()))  # JSON has no tuples
    assert {name: unpack(packed("grid", att))[0]["style"].get(name) for name in sent} == sent


# The token graph of a file's bytes in base64.
GRAPH_OF_A_FILE = """
    import { graphOf } from "./viz/browser/instrument/graph_lines.js";
    import { Trace } from "./viz/browser/instrument/trace.js";
    function graph(message, threshold) {
      const trace = new Trace(new Uint8Array(Buffer.from(message, "base64")));
      const [tile] = trace.tiles.values();
      const { scale } = trace.header.defaults;
      const made = graphOf(trace, tile.region, tile, threshold);
      made.header.scale = scale;
      return { ...made, region: tile.region, whole: trace.whole };
    }"""


def hostile_weights() -> Iterator[tuple[str, Attention]]:
    """Heads with repeated and Arabic tokens, a weight that is not a number, queries that give nothing, and sinks."""
    names = tokens("the", "cat", "{token}", "the", "خط"), tokens("the", "$&", "the", "猫", "خط", "b", "خط")
    weights = random_weights(5, 7)
    yield "plain", attention(weights, *names)
    yield "sinks", attention(weights * np.linspace(0.2, 1, 5)[:, None], *names)
    broken = weights.copy()
    broken[3, 6] = np.nan
    yield "broken", attention(broken, *names)
    yield "empty", attention(np.zeros((5, 7)), *names)
    sharp = np.full((5, 7), 1e-4)
    sharp[:, 2] = 1 - 6e-4
    yield "sharp", attention(sharp, *names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "att"), list(hostile_weights()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_browser_says_of_a_token_what_a_file_says(name: str, att: Attention) -> None:
    cases, expected = [], []
    for threshold, region, side in product((0, 0.05, 0.3), ("", "1-3:2-6"), ("query", "key")):
        chosen: dict[str, Any] = {"region": region, "options": DrawOptions(threshold=threshold)}
        message = base64.b64encode(packed("flow", att, 0, 0, **chosen)).decode()
        span = view_of("flow", att, 0, 0, **chosen).side(side)[1]
        for position in span:
            expected.append(describe_token(view_of("flow", att, 0, 0, token=f"{side}:{position}", **chosen)))
            cases.append([message, threshold, {"side": int(side == "key"), "row": position - span.start}])
    code = f"""{GRAPH_OF_A_FILE}
    import {{ describeToken }} from "./viz/browser/instrument/token_graph_words.js";
    const result = data.map(([message, threshold, token]) => describeToken(graph(message, threshold), token, false));"""
    assert call(code, cases) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "att"), list(hostile_weights()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_browser_draws_the_lines_of_a_file_and_says_the_same_of_them(name: str, att: Attention) -> None:
    cases, expected = [], []
    for threshold, region, scale in product((0, 0.05, 0.3, 0.123456, 1), ("", "1-3:2-6"), ("linear", "root")):
        chosen: dict[str, Any] = {"region": region, "options": DrawOptions(threshold=threshold, scale=scale)}
        view = view_of("flow", att, 0, 0, **chosen)
        query, key = view.rows
        expected.append([query.tolist(), key.tolist(), describe(view, chosen["options"])])
        cases.append([base64.b64encode(packed("flow", att, 0, 0, **chosen)).decode(), threshold])
    code = f"""{GRAPH_OF_A_FILE}
    import {{ describeLines }} from "./viz/browser/instrument/token_graph_words.js";
    const result = data.map(([message, threshold]) => {{
      const made = graph(message, threshold);
      const part = made.region.join() === made.whole.join() ? null : made.region;
      return [[...made.lines.query], [...made.lines.key], describeLines(made, threshold, part)];
    }});"""
    assert call(code, cases) == expected
