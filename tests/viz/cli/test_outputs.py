"""`python -m viz outputs`: a model's answers as CSV."""

from __future__ import annotations

import csv
import io

import pytest
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from models import load_model
from tests.helpers.forked import run_python
from tests.helpers.with_heads import save_with_head
from viz.cli.main import main
from viz.files.outputs import OUTPUT_COLUMNS

pytestmark = pytest.mark.slow
TEXT = "The cat sat."


def rows(table: str) -> list[dict[str, str]]:
    header, *more = csv.reader(io.StringIO(table))
    assert tuple(header) == OUTPUT_COLUMNS
    return [dict(zip(header, row, strict=True)) for row in more]


def test_labels_are_cells_and_no_formulas(tmp_path):
    names = {0: "=1+1", 1: "a,b", 2: "fine"}
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path / "model", id2label=names)
    path = tmp_path / "answers.csv"
    assert main(["outputs", "--model", str(tmp_path / "model"), "--text", TEXT, "-o", str(path)]) == 0
    found = rows(path.read_text(encoding="utf-8-sig"))
    labels = load_model(tmp_path / "model").trace(TEXT).outputs.labels()
    assert [row["answer"].removeprefix("'") for row in found] == [label.name for label in labels]
    assert "'=1+1" in {row["answer"] for row in found}
    assert [float(row["score"]) for row in found] == pytest.approx([label.score for label in labels], rel=1e-5)
    assert [int(row["rank"]) for row in found] == [1, 2, 3]


def test_words_of_positions_on_standard_output(tmp_path):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    command = ["-m", "viz", "outputs", "--model", str(tmp_path), "--text", TEXT]
    done = run_python(*command, "--position", "2", "--position=-1", "--top", "3")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    outputs = load_model(tmp_path).trace(TEXT).outputs
    last = len(outputs.tokens) - 1
    assert [int(row["position"]) for row in found] == [2] * 3 + [last] * 3
    expected = [word for position in (2, last) for word in outputs.top_words(position, 3)]
    assert [int(row["id"]) for row in found] == [word.token.id for word in expected]
    assert [float(row["probability"]) for row in found] == pytest.approx(
        [word.probability for word in expected], rel=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "minilm", "--text", TEXT], "its model has no head"),
        (["--model", "minilm"], "--text, --ids, --messages, --image or --audio must be given"),
        (["--text", TEXT], "--model or --trace must be given"),
        (["--model", "minilm", "--text", TEXT, "-o", "/no/such/folder/x.csv"], "cannot be written"),
        (["--model", "minilm", "--text", TEXT, "--layer", "1"], "has no '--layer'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, sentence, capsys):
    try:
        code = main(["outputs", *arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    assert code == 2
    assert sentence in said.err
    assert said.err.startswith("headlight: ")
    assert said.out == ""
