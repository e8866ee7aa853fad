"""`python -m viz FIGURE --trace FILE`: the same picture as from the model, and one sentence for what does not fit."""

import numpy as np
import pytest
import torch

import viz
from models import AttentionTrace
from models.outputs import Names, Outputs
from tests.helpers.draw import TEXT_FIGURES
from tests.helpers.hand_made import attention, causal_attention, random_weights
from viz.cli.main import main


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "it.npz"
    AttentionTrace.of(causal_attention(7)).save(path)
    return path


@pytest.mark.parametrize("figure", [*TEXT_FIGURES, "table"])
def test_a_figure_of_a_trace_is_the_one_of_the_attention(saved, tmp_path, figure, capfd):
    path = tmp_path / f"out.{'csv' if figure == 'table' else 'svg'}"
    assert main([figure, "--trace", str(saved), "--layer", "0", "--head", "1", "-o", str(path)]) == 0
    assert capfd.readouterr().err == ""
    made = viz.export(causal_attention(7), figure, path.suffix[1:], layer=0, head=1)
    assert path.read_bytes() == made.data


def test_what_must_be_known_of_the_weights_is_said(tmp_path, capfd):
    np.save(tmp_path / "it.npy", random_weights(2, 3, 5, 5) / 2)
    command = ["heatmap", "--trace", str(tmp_path / "it.npy"), "--layer", "1", "--head", "2"]
    assert main([*command, "-o", str(tmp_path / "out.svg")]) == 0
    assert "do not sum to 1" in capfd.readouterr().err


def test_outputs_of_a_trace_are_labels_or_the_reason(tmp_path, capfd):
    att = attention(random_weights(1, 1, 5, 5))
    names = Names({0: "no", 1: "yes"}, "softmax")
    labels = Outputs("text-classification", (), "", torch.tensor([0.5, 2.5]), names=names)
    AttentionTrace({"encoder": att}, ("it was cut",), att.source, outputs=labels).save(tmp_path / "it.npz")
    assert main(["outputs", "--trace", str(tmp_path / "it.npz")]) == 0
    told = capfd.readouterr()
    assert ("yes" in told.out.splitlines()[1], told.err) == (True, "headlight: note: it was cut\n")
    words = Outputs("fill-mask", att.query_tokens, "", hidden=torch.zeros(5, 3))
    AttentionTrace({"encoder": att}, (), att.source, outputs=words).save(tmp_path / "it.npz")
    assert main(["outputs", "--trace", str(tmp_path / "it.npz")]) == 2
    assert "saved without its model" in capfd.readouterr().err


@pytest.mark.parametrize(
    "beside",
    [
        *(["--model", "minilm"], ["--revision", "main"], ["--device", "cpu"], ["--dtype", "float32"], ["--text", ""]),
        *(["--ids", "1"], ["--image", "x.png"], ["--target", "a"], ["--generate", "3"], ["--no-special-tokens"]),
    ],
    ids=lambda beside: beside[0],
)
def test_a_trace_is_given_alone(saved, tmp_path, beside, capfd):
    command = ["heatmap", "--trace", str(saved), "--layer", "0", "--head", "0", *beside]
    assert main([*command, "-o", str(tmp_path / "out.svg")]) == 2
    sentence = f"headlight: A trace holds what a model read already: leave out {beside[0]} or --trace.\n"
    assert capfd.readouterr().err == sentence


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.npz", "headlight: missing.npz cannot be opened (No such file or directory): check its name.\n"),
        ("it.pt", "headlight: it.pt cannot be read as a trace: files that end in '.pt' are not read; save the trace"),
    ],
)
def test_a_file_that_is_no_trace_is_named_without_its_folder(tmp_path, name, sentence, capfd):
    (tmp_path / "it.pt").write_bytes(b"PK")
    command = ["heatmap", "--trace", str(tmp_path / name), "--layer", "0", "--head", "0"]
    assert main([*command, "-o", str(tmp_path / "out.svg")]) == 2
    assert capfd.readouterr().err.startswith(sentence)


def test_outputs_need_a_model_or_a_trace(capfd):
    with pytest.raises(SystemExit, match="2"):
        main(["outputs", "--text", "a"])
    assert "--model or --trace must be given" in capfd.readouterr().err
