"""Folders of sentence-transformers are read as the library reads them: cut, in lower case, and with a prompt named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from models import errors, load_model
from models.checkpoints.bundled import minilm_folder
from tests.helpers.corrupt import refused
from tests.helpers.small_models import SENTENCE, build

pytestmark = pytest.mark.slow

LONG = " ".join([SENTENCE] * 4)


def modules_json(path: str) -> str:
    kinds = [("Transformer", path), ("Pooling", "1_Pooling")]
    return json.dumps([{"idx": 0, "name": "0", "path": where, "type": f"st.models.{kind}"} for kind, where in kinds])


@pytest.fixture(params=["top", "0_Transformer"])
def sentences(request, folder, tmp_path) -> Path:
    """A folder of sentence-transformers with a small BERT, in both layouts, called `sentences`."""
    outer = tmp_path / "sentences"
    if request.param == "top":
        folder.rename(outer)
    else:
        outer.mkdir()
        folder.rename(outer / "0_Transformer")
    (outer / "modules.json").write_text(modules_json("" if request.param == "top" else request.param))
    return outer


def settle(sentences: Path, name: str = "sentence_bert_config.json", **settings: Any) -> None:
    inner = sentences / "0_Transformer"
    ((inner if inner.exists() else sentences) / name).write_text(json.dumps(settings))


def read(folder: Path, text: str) -> tuple[list[int], tuple[str, ...]]:
    trace = load_model(folder).trace(text)
    return [token.id for token in trace["encoder"].query_tokens], trace.notices


@pytest.mark.parametrize("longest", [12, 88, 89, 500])
def test_texts_are_cut_where_the_folder_says(longest, sentences):
    settle(sentences, max_seq_length=longest, do_lower_case=False)
    tokenizer = AutoTokenizer.from_pretrained(build("bert", sentences.parent / "plain"))
    maximum = min(longest, 89)  # the positions of the model end there
    ids, notices = read(sentences, LONG)
    assert ids == tokenizer(LONG, truncation=True, max_length=maximum)["input_ids"]
    assert len(ids) == maximum
    assert notices[0].startswith(f"The first {maximum} of {len(tokenizer(LONG)['input_ids'])} tokens are shown")


def test_later_versions_keep_the_length_elsewhere(sentences):
    settle(sentences, max_seq_length=20, processor_kwargs={"model_max_length": 15})
    assert len(read(sentences, LONG)[0]) == 15


def test_other_families_name_their_settings_otherwise(sentences):
    settle(sentences, "sentence_roberta_config.json", max_seq_length=20)
    assert len(read(sentences, LONG)[0]) == 20
    settle(sentences, max_seq_length=10)
    assert len(read(sentences, LONG)[0]) == 10


@pytest.mark.parametrize("longest", [None, "12", 0, -1, 12.0, True, [12], 10**20])
def test_a_length_that_is_none_changes_nothing(longest, sentences):
    settle(sentences, max_seq_length=longest)
    assert load_model(sentences).card.max_tokens == 89


@pytest.mark.parametrize("content", ["", "[]", "3", "{", "\0"])
def test_settings_that_cannot_be_read_change_nothing(content, sentences):
    settle(sentences)
    for path in (*sentences.rglob("sentence_bert_config.json"),):
        path.write_text(content)
    (sentences / "config_sentence_transformers.json").write_text(content)
    assert load_model(sentences).card.notices == ()


def test_texts_are_read_in_lower_case(tmp_path):
    """RoBERTa's tokenizer distinguishes the cases, so the folder's setting shows."""
    folder = build("roberta", tmp_path / "sentences")
    (folder / "modules.json").write_text(modules_json(""))
    (folder / "sentence_roberta_config.json").write_text(json.dumps({"do_lower_case": True}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "The CAT Sat on THE Mat"
    trace = load_model(folder).trace(text)
    tokens = trace["encoder"].query_tokens
    assert [token.id for token in tokens] == tokenizer(text.lower())["input_ids"] != tokenizer(text)["input_ids"]
    written = [text[token.start : token.end] for token in tokens if token.start is not None]
    assert "".join(written).replace(" ", "") == text.replace(" ", "")


def test_the_library_itself_reads_the_same(sentences):
    library = pytest.importorskip("sentence_transformers")
    settle(sentences, max_seq_length=30, do_lower_case=True)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    inner = sentences / "0_Transformer"
    modules[0]["path"] = inner.name if inner.exists() else ""
    (sentences / "modules.json").write_text(json.dumps(modules))
    theirs = library.SentenceTransformer(str(sentences), device="cpu")
    expected = theirs[0].preprocess([LONG]) if hasattr(theirs[0], "preprocess") else theirs.tokenize([LONG])
    assert read(sentences, LONG)[0] == torch.as_tensor(expected["input_ids"])[0].tolist()


def test_the_bundled_model_is_cut_as_published():
    ids, notices = read_minilm("word " * 400)
    library = AutoTokenizer.from_pretrained(minilm_folder())
    assert ids == library("word " * 400, truncation=True, max_length=256)["input_ids"]
    assert notices[0].startswith("The first 256 of 402 tokens are shown")


def read_minilm(text: str) -> tuple[list[int], tuple[str, ...]]:
    trace = load_model("minilm").trace(text)
    return [token.id for token in trace["encoder"].query_tokens], trace.notices


def test_a_prompt_before_every_text_is_named(sentences):
    described = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"}
    (sentences / "config_sentence_transformers.json").write_text(json.dumps(described))
    assert load_model(sentences).card.notices == (
        "sentence-transformers puts 'query: ' before every text that this model reads "
        "(config_sentence_transformers.json): type it before the text to see the same.",
    )
    for other in ({"default_prompt_name": None}, {"default_prompt_name": "document"}, {"prompts": [1]}):
        (sentences / "config_sentence_transformers.json").write_text(json.dumps(described | other))
        assert load_model(sentences).card.notices == ()


@pytest.mark.parametrize("path", ["../spoilt", "/etc", "\0", "x" * 5000, "linked"])
def test_a_folder_of_sentence_transformers_may_not_lead_out(path, folder, tmp_path):
    outer = tmp_path / "sentences"
    outer.mkdir()
    (outer / "linked").symlink_to(folder)
    (outer / "modules.json").write_text(modules_json(path))
    refused(errors.UnknownModel, "sentences has no config.json", outer)


TRAINING = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin")


def test_a_checkpoint_of_a_training_opens_and_its_pickles_are_never_read(folder, monkeypatch):
    for name in TRAINING:
        (folder / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (folder / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": None, "log_history": []}))
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("a pickle was read"))
    assert load_model(folder).card.notices == ()


def test_a_training_folder_names_the_best_checkpoint(folder, tmp_path):
    outer = tmp_path / "training"
    for step in (500, 1000, 1500, 2000, 2500, 3000):
        shutil.copytree(folder, outer / f"checkpoint-{step}")
    said = "training has no config.json, but folders in it do: give one of them ("
    refused(errors.UnknownModel, f"{said}…, checkpoint-1000, checkpoint-1500, checkpoint-2000, checkpoint-2", outer)
    for best, shown in [
        (
            "/home/me/training/checkpoint-2000",
            "…, checkpoint-1000, checkpoint-1500, checkpoint-2000, the best of them, ",
        ),
        ("runs\\training\\checkpoint-500", "…, checkpoint-500, the best of them, checkpoint-1500, checkpoint-2000"),
        ("checkpoint-77", "…, checkpoint-1000, checkpoint-1500, checkpoint-2000, checkpoint-2"),
        (["checkpoint-500"], "…, checkpoint-1000, checkpoint-1500, checkpoint-2000, checkpoint-2"),
    ]:
        (outer / "checkpoint-3000" / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": best}))
        refused(errors.UnknownModel, f"{said}{shown}", outer)


def test_a_checkpoint_without_its_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).rename(folder.parent / name)
    sentence = (
        "spoilt has no tokenizer that loads (no vocabulary in the folder): the folder above it, inside, has one, copy "
    )
    refused(errors.NoTokenizer, sentence, folder)
    (folder.parent / "tokenizer.json").unlink()
    sentence = "spoilt has no tokenizer that loads (no vocabulary in the folder): save the one it was trained with"
    refused(errors.NoTokenizer, sentence, folder)


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("pytorch_model.bin", "AutoModel.from_pretrained(folder, use_safetensors=False), and call save_pretrained(fo"),
        ("tf_model.h5", "environment with transformers 4 (from_pretrained(folder, from_tf=True), then save_pretrained"),
        ("flax_model.msgpack", "transformers 4 (from_pretrained(folder, from_flax=True), then save_pretrained(folder"),
    ],
)
def test_the_remedy_for_other_weights(file, remedy, folder):
    (folder / "model.safetensors").rename(folder / file)
    with pytest.raises((errors.UnsafeWeights, errors.ForeignFormat)) as caught:
        load_model(folder)
    assert remedy in str(caught.value)
    refused(type(caught.value), str(caught.value)[:80], folder)


def test_the_remedy_for_a_pickle_works(folder):
    from safetensors.torch import load_file
    from transformers import AutoModel

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(folder, use_safetensors=False).save_pretrained(folder)
    assert load_model(folder).card.notices == ()
