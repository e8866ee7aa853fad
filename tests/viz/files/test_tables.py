"""CSV and NPZ read back: the published weights, every head, tokens as they are, and no formula for a spreadsheet."""

import csv
import io
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
import viz
from analysis.pairs import COLUMNS
from tests.helpers.draw import view_of
from tests.helpers.hand_made import HOSTILE, attention, random_weights, source, tokens
from tests.helpers.paths import ROOT, golden
from tests.helpers.read_back import read_csv
from viz import CannotExport
from viz.files.tables import DISPLAY_COLUMNS, MAX_ROWS, spreadsheet_text, table_bytes
from viz.labels import label

GOLDEN = golden("minilm_heads")
FORMULA = "=+-@\t\r\n＝＋－＠"


@pytest.fixture(scope="module", params=GOLDEN["cases"], ids=lambda case: case["text"][:10])
def saved(
    request: pytest.FixtureRequest, minilm: models.Model, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict, Path]:
    """A golden case, and the CSV of all its heads."""
    path = tmp_path_factory.mktemp("table") / "weights.csv"
    viz.save(minilm.trace(request.param["text"])["encoder"], "table", path)
    return request.param, path


def test_the_published_weights_are_in_the_csv(saved: tuple[dict, Path]) -> None:
    case, path = saved
    table = read_csv(path.read_bytes())
    assert tuple(table.columns) == (*COLUMNS, *DISPLAY_COLUMNS)
    n = len(case["tokens"])
    assert len(table) == 6 * 12 * n * n
    rows = table.set_index(["layer", "head", "query", "key"])
    for wanted in case["argmax"]:
        place = tuple(wanted[name] for name in ("layer", "head", "query", "key"))
        row = rows.loc[place]
        assert (row["query_token"], row["key_token"]) == (wanted["query_token"], wanted["key_token"])
        # Golden figures have 5 digits; the issue asks for 1e-4.
        assert row["weight"] == pytest.approx(wanted["weight"], abs=1e-4)
        # And it is what the name says: the key that this query attends to most.
        assert rows.loc[place[:3], "weight"].idxmax() == place[3]


def test_the_published_masses_follow_from_the_csv(saved: tuple[dict, Path]) -> None:
    case, path = saved
    table = read_csv(path.read_bytes())
    n = len(case["tokens"])
    by_head = table.groupby(["layer", "head"])
    first = by_head.apply(lambda rows: rows.loc[rows["key"] == 0, "weight"].sum() / n, include_groups=False)
    before = by_head.apply(
        lambda rows: rows.loc[rows["key"] == rows["query"] - 1, "weight"].sum() / (n - 1), include_groups=False
    )
    np.testing.assert_allclose(first.to_numpy().reshape(6, 12), case["first_token_mass"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(before.to_numpy().reshape(6, 12), case["previous_token_mass"], rtol=0, atol=1e-4)


def test_a_csv_has_its_origin_beside_it(saved: tuple[dict, Path]) -> None:
    case, path = saved
    origin = json.loads(path.with_name("weights.csv.json").read_text(encoding="ascii"))
    assert origin["source"]["text"] == case["text"]
    assert (origin["figure"], origin["layer"], origin["head"]) == ("table", None, None)


def test_weights_survive_to_the_last_bit() -> None:
    weights = random_weights(5, 7, sharpness=9)
    weights[0, 0] = np.nan
    table = read_csv(viz.export(attention(weights), "table", "csv", layer=0, head=0).data)
    found = table["weight"].astype(np.float32).to_numpy().reshape(5, 7)
    np.testing.assert_array_equal(found, weights)


def test_one_head_one_layer_or_all() -> None:
    att = attention(random_weights(2, 3, 5, 7))
    for selection, heads in (
        ({"layer": 1, "head": 2}, [(1, 2)]),
        ({"layer": 1}, [(1, 0), (1, 1), (1, 2)]),
        ({}, [(layer, head) for layer in range(2) for head in range(3)]),
    ):
        table = read_csv(viz.export(att, "table", "csv", **selection).data)
        assert list(table.groupby(["layer", "head"]).groups) == heads
        assert len(table) == len(heads) * 35
    with pytest.raises(models.HeadlightError, match="needs its layer too"):
        viz.export(att, "table", "csv", head=2)


def test_a_table_that_nobody_could_open_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    att = attention(random_weights(2, 3, 5, 7))
    monkeypatch.setitem(MAX_ROWS, "csv", 209)
    with pytest.raises(CannotExport, match="This table would have 210 rows, the most is 209: choose one head, or NPZ"):
        viz.export(att, "table", "csv")
    assert viz.export(att, "table", "npz").data


@pytest.mark.parametrize(("layer", "head"), [(None, None), (1, None), (1, 2)])
@pytest.mark.parametrize("region", ["", "11-30:2-6"])
def test_the_size_of_a_csv_is_known_before_it_is_made(layer: int | None, head: int | None, region: str) -> None:
    words = [HOSTILE[place % len(HOSTILE)] + "x" * (place % 7) for place in range(43)]
    att = attention(random_weights(2, 3, 31, 43), tokens(*words[:31]), tokens(*words))
    made = viz.export(att, "table", "csv", layer=layer, head=head, region=region)
    # Five queries stand for all: 2% is the worst seen here, 4% with the real model.
    assert table_bytes(view_of("table", att, layer, head, region=region), "csv") == pytest.approx(
        len(made.data), rel=0.1
    )


@pytest.mark.slow
def test_weights_of_all_heads_are_held_once_for_an_npz(monkeypatch: pytest.MonkeyPatch) -> None:
    att = attention(np.full((2, 3, 1409, 1511), 1 / 1511, dtype=np.float32))
    weights, heads = type(att).weights, 2 * 3
    # A real head's weights are made when they are asked for.
    monkeypatch.setattr(type(att), "weights", lambda *given: weights(*given).copy())
    n_bytes = table_bytes(view_of("table", att), "npz")
    assert n_bytes == 4 * heads * 1409 * 1511
    tracemalloc.start()
    viz.export(att, "table", "npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Measured 1.34: numpy packs pieces of 16 MiB; 2.0 with a list of all heads beside them.
    assert peak < 1.6 * n_bytes


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_cell_starts_a_formula_and_no_other_text_changes(text: str) -> None:
    shown = spreadsheet_text(text)
    assert not shown.startswith(tuple(FORMULA))
    assert shown == (f"'{text}" if text[:1] and text[0] in FORMULA else text)


# NUL is left out: no CSV reader agrees with another on it, and no tokenizer piece holds one.
pieces = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.one_of(pieces, pieces.map("=".__add__), st.sampled_from(["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "nan", ""])))
def test_any_token_comes_back_as_one_cell_of_its_row(text: str) -> None:
    att = attention(np.eye(2), tokens(text, "b"))
    table = read_csv(viz.export(att, "table", "csv", layer=0, head=0).data)
    assert len(table) == 4
    assert list(table["key_token"].astype(str)) == [spreadsheet_text(text), "b"] * 2
    assert list(table["query_display"].astype(str)) == [spreadsheet_text(label(att.query_tokens[0]))] * 2 + ["b"] * 2
    assert not any(table[name].astype(str).str.startswith(tuple(FORMULA)).any() for name in DISPLAY_COLUMNS)
    assert list(table["weight"]) == [1, 0, 0, 1]


@pytest.mark.parametrize("start", FORMULA)
def test_a_formula_gets_an_apostrophe_on_both_sides(start: str) -> None:
    formula = f'{start}HYPERLINK("http://example.org")'
    att = attention(np.eye(2), tokens(formula, "b"))
    table = read_csv(viz.export(att, "table", "csv", layer=0, head=0).data)
    assert table["query_token"][0] == table["key_token"][0] == f"'{formula}"
    # Shown without the white space around it, the text behind it may be a formula too.
    shown = spreadsheet_text(label(att.query_tokens[0]))
    assert table["query_display"][0] == table["key_display"][0] == shown
    assert shown[0] not in FORMULA


def test_npz_holds_weights_tokens_and_origin_without_pickle() -> None:
    weights = random_weights(2, 3, len(HOSTILE), 7)
    att = attention(weights, tokens(*HOSTILE), tokens(*"tuvwxyz"))
    made = viz.export(att, "table", "npz", layer=1)
    with np.load(io.BytesIO(made.data), allow_pickle=False) as file:
        np.testing.assert_array_equal(file["weights"], weights[1])
        assert file["weights"].dtype == np.float32
        assert list(file["layer"]) == [1, 1, 1]
        assert list(file["head"]) == [0, 1, 2]
        assert tuple(file["query_tokens"]) == HOSTILE
        assert "".join(file["key_tokens"]) == "tuvwxyz"
        assert list(file["query_display"]) == [label(token) for token in att.query_tokens]
        assert "".join(file["key_display"]) == "tuvwxyz"
        assert json.loads(str(file["provenance"])) == made.origin


def test_npz_of_the_real_model_equals_its_trace(minilm: models.Model) -> None:
    att = minilm.trace("Where is the cat?")["encoder"]
    with np.load(io.BytesIO(viz.export(att, "table", "npz").data), allow_pickle=False) as file:
        assert file["weights"].shape == (72, att.n_query, att.n_key)
        for number, (layer, head) in enumerate(zip(file["layer"], file["head"], strict=True)):
            np.testing.assert_array_equal(file["weights"][number], att.weights(int(layer), int(head)))


def test_source_of_a_pair_and_a_target_is_kept() -> None:
    assert {"text", "text_pair", "target"} <= set(vars(source()))


def test_a_table_shows_the_tokens_as_the_pictures_do(minilm: models.Model) -> None:
    att = minilm.trace("猫 sat, unbelievably")["encoder"]
    made = viz.export(att, "table", "csv", layer=0, head=0)
    table = read_csv(made.data)
    n = att.n_key
    shown = [label(token) for token in att.key_tokens]
    assert "[UNK] 猫" in shown
    assert any(name.startswith("·") for name in shown)
    assert list(table["key_display"][:n]) == shown
    assert list(table["query_display"][::n]) == shown
    assert list(table["key_token"][:n]) == [token.text for token in att.key_tokens]
    with np.load(io.BytesIO(viz.export(att, "table", "npz").data), allow_pickle=False) as file:
        assert list(file["query_display"]) == list(file["key_display"]) == shown


def test_tokens_that_pandas_has_for_missing_are_read_as_the_readme_says(tmp_path: Path) -> None:
    names = ("null", "nan", "NA", "none", "None", "")
    viz.save(attention(np.eye(len(names)), tokens(*names)), "table", tmp_path / "heads.csv")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (options,) = re.findall(r'`read_csv\("heads.csv"(?:, (\w+)=False)?\)`', readme)
    table = pd.read_csv(tmp_path / "heads.csv", **{options: False} if options else {})
    assert list(table["key_token"])[: len(names)] == list(names)


def test_a_spreadsheet_and_every_reader_find_utf_8(tmp_path: Path) -> None:
    att = attention(np.eye(2), tokens("猫", "b"))
    path = tmp_path / "heads.csv"
    viz.save(att, "table", path)
    # Excel takes a CSV for UTF-8 by its byte order mark alone, which pandas leaves out by itself and csv by a name.
    assert path.read_bytes().startswith(b"\xef\xbb\xbflayer,head,")
    assert list(pd.read_csv(path).columns[:7]) == list(COLUMNS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    assert list(row) == [*COLUMNS, *DISPLAY_COLUMNS]
    assert (row["query_token"], row["query_display"], row["weight"]) == ("猫", "猫", "1")
