"""`python -m viz`: every figure in every format, and one sentence with exit code 2 for what cannot be done."""

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from logging import NOTSET, getLogger
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel
from transformers.utils import logging

import models
import viz
from analysis.maps import derive
from tests.helpers.cat_sentence import CAT, HEAD, LAYER
from tests.helpers.chat_templates import save_chat_model
from tests.helpers.draw import TEXT_FIGURES
from tests.helpers.forked import run_python
from tests.helpers.paths import ROOT
from viz import DrawOptions
from viz.cli.main import main
from viz.figures.registry import FIGURES
from viz.formats import PICTURES

pytestmark = pytest.mark.slow

ONE_HEAD = ["--layer", str(LAYER), "--head", str(HEAD)]


@pytest.fixture(autouse=True)
def _loud_again(monkeypatch: pytest.MonkeyPatch, minilm: models.Model) -> Iterator[None]:
    """The command silences libraries for its process, which is ours here; it gets the model that is loaded already."""
    verbosity = logging.get_verbosity()

    def loaded(name: str, **options: object) -> models.Model:
        return minilm if name == "minilm" else real(name, **options)

    real = models.load_model
    monkeypatch.setattr(models, "load_model", loaded)
    with warnings.catch_warnings():
        yield
    logging.set_verbosity(verbosity)
    getLogger("headlight").setLevel(NOTSET)


def test_the_command_of_the_contract_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "head.png"
    done = subprocess.run(
        [sys.executable, "-m", "viz", "heatmap", "--model", "minilm", "--text", CAT, *ONE_HEAD, "-o", str(path)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    origin = json.loads(Image.open(path).text["headlight"])
    assert (origin["source"]["text"], origin["layer"], origin["head"]) == (CAT, LAYER, HEAD)


@pytest.mark.parametrize("figure", TEXT_FIGURES)
@pytest.mark.parametrize("file_format", PICTURES)
def test_a_picture_is_the_one_that_the_library_makes(
    cat: models.Attention, tmp_path: Path, capfd: pytest.CaptureFixture[str], figure: str, file_format: str
) -> None:
    path = tmp_path / f"out.{file_format}"
    look = ["--threshold", "0.2", "--palette", "viridis", "--scale", "root"]
    assert main([figure, "--text", CAT, *ONE_HEAD, *look, "-o", str(path)]) == 0
    idle = "" if figure == "flow" else f"headlight: note: --threshold changes nothing in a {figure}.\n"
    wanted = viz.export(
        cat,
        figure,
        file_format,
        layer=LAYER,
        head=HEAD,
        options=DrawOptions(threshold=0.2, palette="viridis", scale="root"),
    )
    assert path.read_bytes() == wanted.data
    assert capfd.readouterr() == ("", idle)


def test_a_table_without_layer_and_head_has_all_heads(tmp_path: Path) -> None:
    path = tmp_path / "heads.csv"
    assert main(["table", "--text", CAT, "-o", str(path)]) == 0
    table = pd.read_csv(path, keep_default_na=False)
    assert list(table.columns[:7]) == ["layer", "head", "query", "key", "query_token", "key_token", "weight"]
    assert len(table.groupby(["layer", "head"])) == 72
    assert len(table) == 72 * 13 * 13
    assert json.loads((tmp_path / "heads.csv.json").read_text())["source"]["text"] == CAT


def test_a_table_of_one_head_as_npz(cat: models.Attention, tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    assert main(["table", "--text", CAT, *ONE_HEAD, "-o", str(path)]) == 0
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["weights"][0], cat.weights(LAYER, HEAD))


@pytest.mark.parametrize(
    ("window", "queries", "keys"),
    [
        (["--queries", "2:5", "--keys", "7:11"], slice(2, 5), slice(7, 11)),
        (["--queries", "9:"], slice(9, 13), slice(0, 13)),
        (["--keys", ":4"], slice(0, 13), slice(0, 4)),
    ],
)
def test_a_window_is_given_as_slices(
    cat: models.Attention, tmp_path: Path, window: list[str], queries: slice, keys: slice
) -> None:
    path = tmp_path / "window.npz"
    assert main(["table", "--text", CAT, *ONE_HEAD, *window, "-o", str(path)]) == 0
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["weights"][0], cat.weights(LAYER, HEAD, queries, keys))


def test_a_view_of_a_pair_is_the_one_that_the_library_makes(minilm: models.Model, tmp_path: Path) -> None:
    path = tmp_path / "mean.npz"
    view = ["--heads", "2,3.5", "--combine", "mean", "--unit", "words", "--special", "hide", "--renormalise"]
    pair = ["--text-pair", "It was unbelievably warm.", "--queries", "A", "--keys", "B"]
    assert main(["table", "--text", CAT, *pair, *view, "-o", str(path)]) == 0
    att = minilm.trace(CAT, text_pair="It was unbelievably warm.")["encoder"].words()
    first = [at for at, token in enumerate(att.query_tokens) if token.segment == 0 and not token.special]
    second = [at for at, token in enumerate(att.key_tokens) if token.segment == 1 and not token.special]
    heads = [(2, head) for head in range(12)] + [(3, 5)]
    ordinary = [at for at, token in enumerate(att.key_tokens) if not token.special]
    maps = np.stack([att.weights(*each) for each in heads])
    maps = maps / maps[:, :, ordinary].sum(2, keepdims=True)
    with np.load(path, allow_pickle=False) as file:
        assert (list(file["query"]), list(file["key"])) == (first, second)
        np.testing.assert_allclose(file["weights"][0], maps.mean(0)[np.ix_(first, second)], atol=1e-6)


def test_a_derived_map_is_the_one_of_the_library(minilm: models.Model, cat: models.Attention, tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    for method, goal in (("rollout", ""), ("value-weighted", ""), ("gradient", "embedding")):
        more = ["--goal", goal] if goal else []
        assert (
            main(["table", "--text", CAT, "--layer", "2", "--head", "0", "--show", method, *more, "-o", str(path)]) == 0
        )
        with np.load(path) as written:
            att = derive(method, cat, minilm, {"text": CAT}, goal)
            np.testing.assert_array_equal(written["weights"][0], att.weights(2, 0))
            assert json.loads(str(written["provenance"]))["method"] == method


def test_a_grid_needs_no_head(tmp_path: Path) -> None:
    assert main(["grid", "--text", CAT, "-o", str(tmp_path / "heads.svg")]) == 0


def test_what_was_lost_is_a_note_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "head.svg"
    assert main(["heatmap", "--text", "the 𓀀 cat", *ONE_HEAD, "-o", str(path)]) == 0
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("headlight: note: 1 of 3 tokens is [UNK]")


HEATMAP = ["heatmap", "--text", CAT, *ONE_HEAD]


@pytest.mark.parametrize(
    ("arguments", "output", "sentence"),
    [
        ([*HEATMAP, "--model", "no-such-model-here"], "head.png", "no-such-model-here"),
        (["heatmap", "--text", CAT, "--layer", "6", "--head", "0"], "head.png", "There is no layer 6"),
        (["heatmap", "--text", CAT, "--layer", "-1", "--head", "0"], "head.png", "There is no layer -1"),
        (["flow", "--text", CAT, "--layer", "0", "--head", "12"], "head.png", "There is no head 12"),
        (["grid", "--text", CAT, "--layer", "0", "--head", "12"], "head.png", "There is no head 12"),
        (["grid", "--text", CAT, "--layer", "99", "--head", "0"], "head.png", "There is no layer 99"),
        (["heatmap", "--text", CAT], "head.png", "A heatmap shows one head: give a layer and a head."),
        (["heatmap", "--text", CAT, "--combine", "mean"], "head.png", "A mean needs several heads: name them"),
        (["heatmap", "--text", CAT, "--heads", "9", "--combine", "mean"], "head.png", "There is no layer 9"),
        ([*HEATMAP, "--heads", "3,0.12"], "head.png", "There is no head 12"),
        ([*HEATMAP, "--heads", "x"], "head.png", "Heads are given as 2 for a layer"),
        ([*HEATMAP, "--width", "0cm"], "head.png", "A width is from 1 cm to 100 cm, not '0cm'."),
        ([*HEATMAP, "--width", "abc"], "head.png", "A width is given as 8cm, 85mm or 3.3in, not 'abc'."),
        ([*HEATMAP, "--queries", "A"], "head.png", "Of a pair of texts, both sides are given as A or B"),
        ([*HEATMAP, "--queries", "A", "--keys", "B"], "head.png", "There is one text here"),
        (["grid", "--text", CAT, "--layer", "3"], "head.png", "A grid outlines one head: give a layer and a head"),
        (["grid", "--text", CAT, "--head", "3"], "head.png", "A grid outlines one head: give a layer and a head"),
        (["table", "--text", CAT, "--head", "1"], "head.csv", "needs its layer too"),
        (["table", "--text", CAT, "--layer", "6"], "head.csv", "There is no layer 6"),
        (
            [*HEATMAP, "--token", "query:88"],
            "head.png",
            "There is no query 88 to isolate: this text has",
        ),
        (["table", "--text", CAT, "--token", "key:13"], "head.npz", "There is no key 13 to isolate"),
        (["grid", "--text", CAT, "--token", "key:13"], "head.svg", "There is no key 13 to isolate"),
        ([*HEATMAP, "--target", "hi"], "head.png", "is not an encoder-decoder, so no part of it reads a target"),
        ([*HEATMAP, "--target", "hi", "--generate", "5"], "head.png", "leave out --target or --generate."),
        (["patches", "--text", CAT, *ONE_HEAD], "head.png", "needs a picture: give --image FILE."),
        ([*HEATMAP, "--ids", "101"], "head.png", "--text and --ids exclude each other: leave one of them out."),
        (
            ["patches", "--image", "a.png", *ONE_HEAD, "--text-pair", "x"],
            "head.png",
            "leave out --text-pair.",
        ),
        (["heatmap", "--image", "a.png", *ONE_HEAD, "--target", ""], "head.png", "read alone: leave out --target."),
        (["grid", "--image", "a.png", "--generate", "1"], "head.png", "read alone: leave out --generate."),
        (
            ["signal", "--image", "a.png", *ONE_HEAD],
            "head.png",
            "The figure signal needs a text, not a picture: give --text.",
        ),
        (
            ["sound", "--text", CAT, *ONE_HEAD],
            "head.png",
            "The figure sound needs a sound, not a text: give --audio FILE.",
        ),
        (
            ["patches", "--audio", "a.wav", *ONE_HEAD],
            "head.png",
            "The figure patches needs a picture, not a sound: give --image FILE.",
        ),
        (["heatmap", "--audio", "a.wav", *ONE_HEAD, "--generate", "2"], "head.png", "A sound is read alone: leave out"),
        (["heatmap", "--audio", "a.wav", *ONE_HEAD], "head.png", "reads texts, not sounds: give one."),
        (
            ["grid", "--image", "/none.png"],
            "head.png",
            "There is no file /none.png: check the path of the picture.",
        ),
        (["grid", "--image", "/"], "head.png", "/ is no file: give the path of a PNG, JPEG or WebP file."),
        ([*HEATMAP, "--queries=-3:"], "head.png", "The queries of a window are given as 0:64, not '-3:'."),
        (HEATMAP, "x" * 300 + ".png", "cannot be written: File name too long."),
        (HEATMAP, "head.gif", "A heatmap cannot be written as '.gif': choose .png, .svg, .pdf, .html."),
        (HEATMAP, "head.csv", "A heatmap cannot be written as '.csv'"),
        (["table", "--text", CAT], "head.png", "A table cannot be written as '.png': choose .csv, .npz."),
        (HEATMAP, "head", "'head' has no suffix"),
        (["heatmap", "--text", "", *ONE_HEAD], "head.png", "There is nothing to inspect"),
        (["heatmap", "--text", " \n\t", *ONE_HEAD], "head.png", "There is nothing to inspect"),
        ([*HEATMAP, "--threshold", "2"], "head.png", "A threshold is a weight from 0 to 1, not 2.0."),
        ([*HEATMAP, "--threshold", "nan"], "head.png", "A threshold is a weight from 0 to 1, not nan."),
        ([*HEATMAP, "--kind", "cross"], "head.png", "There is no 'cross' attention here"),
        ([*HEATMAP, "--queries", "3"], "head.png", "The queries of a window are given as 0:64, not '3'."),
        ([*HEATMAP, "--keys", "5:14"], "head.png", "There are no keys 5:14: this text has 13 of them, 0:13."),
        ([*HEATMAP, "--queries", "5:5"], "head.png", "There are no queries 5:5: this text has 13 of them, 0:13."),
        ([*HEATMAP, "--goal", "class:1"], "head.png", "--goal is what a gradient is of: give --show gradient with it."),
        ([*HEATMAP, "--show", "gradient", "--goal", "class:1"], "head.png", "class"),
        ([*HEATMAP, "--show", "rollout", "--layer", "9"], "head.png", "There is no layer 9"),
        (HEATMAP, "no/such/folder/head.png", "cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], output: str, sentence: str
) -> None:
    path = tmp_path / output
    assert main([*arguments, "-o", str(path)]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("headlight: ")
    assert shown.err.count("\n") == 1
    assert shown.err.endswith(".\n")
    assert sentence in shown.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_a_file_in_the_way_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("", encoding="ascii")
    for path in (tmp_path / "folder.png", tmp_path / "file" / "head.png"):
        assert main([*HEATMAP, "-o", str(path)]) == 2
        shown = capfd.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1)
        assert "cannot be written" in shown.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name a figure: heatmap, flow, grid, view, patches, signal, sound, table or outputs; see python"),
        (["pie", "--text", CAT, "-o", "a.png"], "There is no figure 'pie': choose heatmap, flow, grid, view, "),
        (
            ["heatmap", *ONE_HEAD, "-o", "a.png"],
            "--text, --ids, --messages, --image or --audio must be given; see python -m viz heatmap --help.",
        ),
        (
            ["heatmap", "--ids", "101,x", *ONE_HEAD, "-o", "a.png"],
            "--ids is token ids as 101,4937,102, not '101,x'; see python -m viz heatmap --help.",
        ),
        (["grid", "--text", CAT, "--layer", "one", "-o", "a.png"], "--layer is a whole number, not 'one'; see python"),
        ([*HEATMAP, "--model", "", "-o", "a.png"], "--model is empty: give a value or leave the option out; see"),
        ([*HEATMAP, "--show", "gradient", "--goal", " ", "-o", "a.png"], "--goal is empty: give a value or leave"),
        ([*HEATMAP], "-o/--output must be given; see python -m viz heatmap --help."),
        ([*HEATMAP, "--palette", "jet", "-o", "a.png"], "There is no palette 'jet': choose one of blues, "),
        ([*HEATMAP, "--scale", "pow", "-o", "a.png"], "There is no scale 'pow': choose one of linear, root, log;"),
        (
            [*HEATMAP, "--kind", "self", "-o", "a.png"],
            "There is no kind 'self': choose one of encoder, decoder, ",
        ),
        ([*HEATMAP, "--threshold", "abc", "-o", "a.png"], "--threshold is a number from 0 to 1, not 'abc'; see"),
        ([*HEATMAP, "--generate", "-3", "-o", "a.png"], "--generate is a whole number from 0 up, not '-3'; see"),
        (
            [*HEATMAP, "--queries", "-3:", "-o", "a.png"],
            "--queries needs a value, with = before one that begins",
        ),
        ([*HEATMAP, "--trust-remote-code", "-o", "a.png"], "A heatmap has no '--trust-remote-code'; see python -m viz"),
        (
            ["grid", "--text", CAT, "--queries", "0:3", "-o", "a.png"],
            "A grid has no '--queries'; see python",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence_too(
    arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"headlight: {sentence}")
    assert shown.err.endswith(" --help.\n")
    assert shown.err.count("\n") == 1


USED = {
    "heatmap": {"text", "image", "audio", "palette", "scale", "queries", "keys"},
    "flow": {"text", "image", "audio", "palette", "scale", "queries", "keys", "threshold", "token"},
    "grid": {"text", "image", "audio", "palette", "scale"},
    "patches": {"text", "image", "token"},
    "signal": {"text", "token", "palette"},
    "sound": {"audio", "token", "palette"},
    "table": {"text", "image", "audio", "queries", "keys"},
}


NEW = ("ids", "messages", "src-lang", "tgt-lang", "no-special-tokens")


@pytest.mark.parametrize("figure", USED)
def test_help_lists_what_a_figure_uses(figure: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([figure, "--help"])
    assert end.value.code == 0
    listed = set(re.findall(r"^  (?:-o OUTPUT, )?--([a-z-]+)", capfd.readouterr().out, re.MULTILINE))
    of_text = {"text-pair", "generate", "target", *NEW}
    asked = of_text if "text" in FIGURES[figure].reads else {"target", "src-lang"}
    every = {
        "model",
        "trace",
        "revision",
        "kind",
        "layer",
        "head",
        "device",
        "dtype",
        "output",
        "unit",
        "heads",
        "combine",
        "show",
        "goal",
    }
    every |= {"special", "sink", "renormalise"} | (set() if figure == "table" else {"width"})
    assert listed == USED[figure] | asked | every


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (HEATMAP, "head.gif"),
        (HEATMAP, "no/such/folder/head.png"),
        (["grid", "--image", "/none.png"], "head.png"),
        (["grid", "--text", CAT, "--layer", "3"], "head.png"),
        ([*HEATMAP, "--target", "a", "--generate", "2"], "head.png"),
    ],
)
def test_what_needs_no_model_is_refused_before_one_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    output: str,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(models, "load_model", never)
    assert main([*arguments, "-o", str(tmp_path / output)]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_what_an_encoder_decoder_read_is_in_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cross.npz"
    dates = ["--model", "scratch:dates", "--text", "3. März 1998", "--kind", "cross"]
    assert main(["table", *dates, "-o", str(path)]) == 0
    assert "The decoder reads the text that the model itself generates" in capfd.readouterr().err
    with np.load(path, allow_pickle=False) as file:
        source = json.loads(str(file["provenance"]))["source"]
        pieces = list(file["query_tokens"][1:])
    assert source["target"] is None
    assert "".join(source["generated"].split()) == "".join(pieces) == "1998-03-03"[: len(pieces)]


@pytest.mark.parametrize("ids", ["101,4937,102", "101 4937 102", "101, 4937 ,102"])
def test_ids_are_read_as_they_are(ids: str, minilm: models.Model, tmp_path: Path) -> None:
    path = tmp_path / "head.csv"
    assert main(["table", "--ids", ids, *ONE_HEAD, "-o", str(path)]) == 0
    weights = minilm.trace([101, 4937, 102])["encoder"].weights(LAYER, HEAD)
    np.testing.assert_allclose(pd.read_csv(path)["weight"].to_numpy(), weights.ravel(), atol=1e-6)


def test_no_special_tokens_are_added(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    assert main(["table", "--text", "the cat sat", "--no-special-tokens", "-o", str(path)]) == 0
    with np.load(path, allow_pickle=False) as file:
        assert list(file["key_tokens"]) == ["the", "cat", "sat"]
        assert json.loads(str(file["provenance"]))["source"]["add_special_tokens"] is False


@pytest.mark.parametrize("option", ["--src-lang", "--tgt-lang"])
def test_languages_reach_the_model(option: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*HEATMAP, option, "de_DE", "-o", str(tmp_path / "head.png")]) == 2
    name = option.removeprefix("--").replace("-", "_")
    assert f"has no languages, so it cannot use {name}: leave it out." in capfd.readouterr().err


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("viz.cli.main.load_model", interrupted)
    assert main([*HEATMAP, "-o", "head.png"]) == 130
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_ends_quietly_while_the_command_is_imported(tmp_path: Path) -> None:
    """numpy is the first that takes long; the one here interrupts itself, as a visitor would."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit('went on')\n", encoding="ascii"
    )
    done = subprocess.run(
        [sys.executable, "-m", "viz", *HEATMAP, "-o", str(tmp_path / "head.png")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_without_a_network_the_refusal_is_still_one_sentence() -> None:
    """In another process, where what is logged would come out on standard error too."""
    done = run_python("-m", "viz", *HEATMAP, "--model", "org/model", "-o", "head.png")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        "headlight: org/model is not a bundled name, not a folder here and not in the hub's cache, and"
    )
    assert done.stderr.count("\n") == 1


def test_a_picture_in_light_and_as_weights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(3)
    sizes = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 31, "image_size": 24, "patch_size": 6}
    ViTModel(ViTConfig(num_hidden_layers=2, **sizes)).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 24, "width": 24}).save_pretrained(tmp_path / "vit")
    Image.effect_noise((50, 40), 80).save(tmp_path / "photo.png")
    capfd.readouterr()
    model = ["--model", str(tmp_path / "vit"), "--image", str(tmp_path / "photo.png"), "--layer", "1", "--head", "2"]
    for figure, suffix in (
        ("patches", "svg"),
        ("patches", "html"),
        ("heatmap", "png"),
        ("grid", "pdf"),
        ("table", "csv"),
    ):
        path = tmp_path / f"{figure}.{suffix}"
        assert main([figure, *model, "-o", str(path)]) == 0, capfd.readouterr().err
        assert path.stat().st_size > 1000
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["key_token"].tolist()[:3] == ["[CLS]", "patch 0,0", "patch 0,1"]
    assert len(table) == 17 * 17
    (tmp_path / "photo.png").write_bytes(b"no picture")
    assert main(["heatmap", *model, "-o", str(tmp_path / "x.png")]) == 2
    said = capfd.readouterr().err
    assert said.endswith("(it is no PNG, JPEG or WebP picture): save it again as PNG, JPEG or WebP.\n")
    assert main(["patches", "--text", CAT, *ONE_HEAD, "-o", str(tmp_path / "x.png")]) == 2
    assert "needs a picture: give --image FILE." in capfd.readouterr().err


def test_an_encoder_continues_no_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["flow", "--text", CAT, "--generate", "3", *ONE_HEAD, "-o", str(tmp_path / "x.svg")]) == 2
    assert "has no language-model head, so it cannot continue a text" in capfd.readouterr().err


def test_a_conversation_is_read_from_a_file_or_from_the_argument(tmp_path: Path, capsys) -> None:
    model, talk = save_chat_model(tmp_path / "chat"), '[{"role": "user", "content": "The cat"}]'
    path = tmp_path / "talk.json"
    path.write_text(talk, encoding="utf-8")
    for given in (talk, str(path)):
        arguments = ["--model", str(model), "--messages", given, "--layer", "0", "--head", "0"]
        assert main(["heatmap", *arguments, "-o", str(tmp_path / "a.svg")]) == 0
        assert "assistant" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    for given, why in (
        (str(tmp_path / "none.json"), "cannot be read"),
        ("[{", "is no JSON"),
        (str(tmp_path), "cannot be read"),
        ('[["user"]]', "Message 1 is list"),
    ):
        assert main(["heatmap", "--messages", given, *ONE_HEAD, "-o", str(tmp_path / "b.png")]) == 2
        assert why in capsys.readouterr().err
