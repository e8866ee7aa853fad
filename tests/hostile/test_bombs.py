"""Folders of a few kilobytes that describe years of work or terabytes: refused in a sentence before any is built."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, SwitchTransformersConfig, ViTConfig, ViTImageProcessorPil

import models
from models import errors, load_model
from models.checkpoints import load as loading
from models.images import PatchSequence
from tests.helpers.corrupt import configure, refused

SAVE = "save or fetch the model again."
NOT_ITS_OWN = "The config.json of spoilt does not belong to its weights: it describes "


def config_says(what: str) -> str:
    return f"The config.json of spoilt says {what}"


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "experts of all layers": (
        {"model_type": "switch_transformers", "num_experts": 65_536, "num_layers": 128},
        config_says("num_layers is 128 and num_experts is 65,536, expected 65,536 experts in all layers at most: save"),
    ),
    "experts of a nested configuration": (
        {"text_config": {"n_routed_experts": 30_000, "num_hidden_layers": 3}},
        config_says("num_hidden_layers is 3 and n_routed_experts is 30,000, expected 65,536 experts in all layers at"),
    ),
    "a list of experts": (
        {"moe_num_experts": [64, 60_000], "num_hidden_layers": 2},
        config_says("num_hidden_layers is 2 and moe_num_experts is 60,000, expected 65,536 experts in all layers at"),
    ),
    "layers by their names": (
        {"model_type": "gpt_neo", "attention_types": [[["global", "local"], 2000]] * 2},
        config_says("attention_types has 8,000 layers, expected 4,096 at most: save or fetch the model again."),
    ),
    "one name very often": (
        {"model_type": "gpt_neo", "attention_types": [[["global"], 10**10]]},
        config_says("attention_types is 10,000,000,000, expected 0 to 4,096: save or fetch the model again."),
    ),
    "blocks": (
        {"model_type": "funnel", "block_sizes": [4, 10**6]},
        config_says("block_sizes is 1,000,000, expected 0 to 4,096: save or fetch the model again."),
    ),
    "patches": (
        {"model_type": "vit", "image_size": 8192, "patch_size": [1, 16]},
        config_says("image_size is 8,192 and patch_size is 1, expected 262,144 patches at most: save or fetch the"),
    ),
}


@pytest.mark.parametrize("why", CONFIGS)
def test_products_of_sizes(why, folder):
    changes, sentence = CONFIGS[why]
    configure(folder, **changes)
    refused(errors.BrokenModel, sentence, folder)


@pytest.mark.slow
def test_settings_of_many_values_or_levels_are_never_parsed(folder):
    configure(folder, junk=[[]] * 500_000)
    refused(
        errors.UnknownModel,
        "spoilt has no readable config.json (it has 1,000,026 values, expected 500,000 at most): ",
        folder,
    )
    deep: Any = {}
    for _ in range(40):
        deep = {"a": [deep]}
    configure(folder, junk=deep)
    refused(errors.UnknownModel, "spoilt has no readable config.json (it nests deeper than 32 levels): save", folder)


@pytest.mark.slow
def test_a_config_of_far_more_layers_than_the_weights(folder):
    configure(folder, num_hidden_layers=4_096)
    refused(
        errors.BrokenModel, f"{NOT_ITS_OWN}more than 1,156 tensors, its files contain 39; save or fetch both", folder
    )
    configure(folder, num_hidden_layers=9)
    refused(errors.BrokenModel, f"{NOT_ITS_OWN}9 layers, its files contain 2; save or fetch both again.", folder)
    configure(folder, num_hidden_layers=8)
    assert "96 weights are not in the checkpoint" in load_model(str(folder)).card.notices[0]


def test_experts_that_are_modules_are_built_no_further_than_the_files_allow(folder):
    """Few enough to pass as numbers, a hundred thousand modules all the same."""
    sizes = {"d_model": 8, "d_kv": 2, "d_ff": 8, "num_heads": 2, "vocab_size": 32}
    layers = dict.fromkeys(
        ("num_layers", "num_decoder_layers", "num_sparse_encoder_layers", "num_sparse_decoder_layers"), 2
    )
    config = SwitchTransformersConfig(**sizes, **layers, num_experts=4)
    (folder / "config.json").unlink()
    AutoModel.from_config(config).save_pretrained(folder)
    configure(folder, num_experts=8_000)
    refused(errors.BrokenModel, f"{NOT_ITS_OWN}more than 1,", folder)


def test_the_names_of_a_checkpoint_allow_no_more_than_any_model_has(folder, monkeypatch):
    monkeypatch.setattr("models.checkpoints.skeleton._MAX_MADE", 20)
    refused(errors.BrokenModel, f"{NOT_ITS_OWN}more than 20 tensors, its files contain 39; save or fetch both", folder)


@pytest.fixture(scope="module")
def eye(tmp_path_factory) -> Path:
    """A model that reads pictures of 30 x 30."""
    made = tmp_path_factory.mktemp("inside") / "spoilt"
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 29}
    torch.manual_seed(1)
    AutoModel.from_config(ViTConfig(**sizes, image_size=30, patch_size=5)).save_pretrained(made)
    ViTImageProcessorPil(size={"height": 30, "width": 30}).save_pretrained(made)
    return made


def asks_for(eye: Path, file: str = "preprocessor_config.json", **settings: Any) -> Path:
    """The folder, with other settings of its image processor."""
    own = json.loads((eye / "own.json").read_text()) if (eye / "own.json").exists() else None
    if own is None:
        own = json.loads((eye / "preprocessor_config.json").read_text())
        (eye / "own.json").write_text(json.dumps(own))
    (eye / "processor_config.json").unlink(missing_ok=True)
    (eye / "preprocessor_config.json").write_text(json.dumps(own))
    content = own | settings if file == "preprocessor_config.json" else {"image_processor": own | settings}
    (eye / file).write_text(json.dumps(content))
    return eye


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"size": {"height": 14_000, "width": 14_000}}, "size.height is 14,000, expected a number from 0 to 4,096"),
        ({"size": 5_000}, "size is 5,000, expected a number from 0 to 4,096"),
        ({"size": [224, 5_000]}, "size is 5,000, expected a number from 0 to 4,096"),
        ({"size": {"shortest_edge": 4_097}}, "size.shortest_edge is 4,097, expected a number from 0 to 4,096"),
        ({"size": {"longest_edge": 1e9}}, "size.longest_edge is 1,000,000,000.0, expected a number from 0 to 4,096"),
        ({"size": {"max_height": 10**30}}, "size.max_height is 1,000,000,000,000,000,000,000,000,000,000, expected"),
        ({"crop_size": {"width": float("nan")}}, "crop_size.width is nan, expected a number from 0 to 4,096"),
        ({"crop_size": {"width": float("inf")}}, "crop_size.width is inf, expected a number from 0 to 4,096"),
        ({"pad_size": {"height": -1}}, "pad_size.height is -1, expected a number from 0 to 4,096"),
        ({"size": {"height": "224", "width": 224}}, "size.height is '224', expected a number from 0 to 4,096"),
        ({"size_divisor": 60_000}, "size_divisor is 60,000, expected a number from 0 to 4,096"),
        ({"min_pixels": 10**9}, "min_pixels is 1,000,000,000, expected a number from 0 to 16,777,216"),
        ({"image_grid_pinpoints": [[336, 9_000]]}, "image_grid_pinpoints is 9,000, expected a number from 0 to 4,096"),
        ({"a": {"b": [{"height": 9_000}]}}, "a.b.height is 9,000, expected a number from 0 to 4,096"),
    ],
)
@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_an_image_processor_that_enlarges_pictures(file, settings, what, eye, monkeypatch):
    monkeypatch.setattr(AutoImageProcessor, "from_pretrained", lambda *given, **options: pytest.fail("built"))
    refused(errors.BrokenModel, f"The {file} of spoilt says {what}", asks_for(eye, file, **settings))


@pytest.mark.parametrize("settings", [{}, {"image_mean": [-0.5, 0, 2]}, {"crop_size": None, "max_pixels": 12_845_056}])
def test_an_image_processor_as_they_are_published(settings, eye):
    assert load_model(str(asks_for(eye, **settings))).trace(image=Image.new("RGB", (40, 30)))["encoder"].n_key == 37


def test_an_image_processor_that_is_no_json(eye):
    (asks_for(eye) / "preprocessor_config.json").write_text("[" * 100)
    refused(errors.BrokenModel, "The preprocessor_config.json of spoilt is not readable (", eye)


TOKENIZERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "tokens": ("_MAX_ENTRIES", {"model": {"vocab": {str(n): n for n in range(102)}}}, "102 tokens"),
    "merges": ("_MAX_ENTRIES", {"model": {"merges": [["a", "b"]] * 103}}, "103 merges"),
    "added tokens": ("_MAX_ADDED", {"added_tokens": [{"content": "a"}] * 104}, "104 added tokens"),
    "long added tokens": (
        "_MAX_ADDED_LETTERS",
        {"added_tokens": [{"content": "a" * 60}] * 2},
        "120 letters in added tokens",
    ),
    "long pieces": ("_MAX_TREE_LETTERS", {"model": {"vocab": [["ab" * 25, -1.0]] * 3}}, "150 letters in its pieces"),
}


@pytest.mark.parametrize("why", TOKENIZERS)
def test_a_tokenizer_that_would_never_be_built(why, folder, monkeypatch):
    limit, changes, came = TOKENIZERS[why]
    monkeypatch.setattr(f"models.checkpoints.tokenizer_limits.{limit}", 100)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *given, **options: pytest.fail("built"))
    described = {"added_tokens": [], "model": {}} | changes
    (folder / "tokenizer.json").write_text(json.dumps(described))
    refused(
        errors.NoTokenizer,
        f"tokenizer.json of spoilt has {came}, expected 100 at most: save the tokenizer that the model was trained",
        folder,
    )


def test_a_tokenizer_of_many_values_is_never_parsed(folder, monkeypatch):
    monkeypatch.setattr("models.checkpoints.tokenizer_limits._parse", lambda raw: pytest.fail("parsed"))
    (folder / "tokenizer.json").write_text("[" + "[]," * 1_700_000 + "[]]")
    refused(errors.NoTokenizer, "tokenizer.json of spoilt has 3,400,002 values, expected 3,200,000 at most:", folder)


def test_a_tokenizer_of_many_names_is_never_parsed(folder, monkeypatch):
    monkeypatch.setattr("models.checkpoints.tokenizer_limits._parse", lambda raw: pytest.fail("parsed"))
    (folder / "tokenizer.json").write_text("{" + '"a":1,' * 1_200_001 + "}")
    refused(errors.NoTokenizer, "tokenizer.json of spoilt has 1,200,001 names, expected 1,200,000 at most:", folder)


@pytest.mark.parametrize(
    ("name", "content", "came"),
    [
        ("added_tokens.json", json.dumps({str(n): n for n in range(70_001)}), "70,001 added tokens, expected 70,000"),
        (
            "tokenizer_config.json",
            json.dumps({"additional_special_tokens": ["a"] * 5001}),
            "5,001 entries in additional_special_tokens, expected 5,000",
        ),
        (
            "special_tokens_map.json",
            json.dumps({"extra_special_tokens": {str(n): "a" for n in range(5001)}}),
            "5,001 entries in extra_special_tokens, expected 5,000",
        ),
        (
            "tokenizer_config.json",
            json.dumps({"added_tokens_decoder": {str(n): {} for n in range(70_001)}}),
            "70,001 entries in added_tokens_decoder, expected 70,000",
        ),
        ("vocab.txt", "a\n" * 1_000_001, "1,000,001 lines, expected 1,000,000"),
        ("merges.txt", "a b\n" * 1_000_001, "1,000,001 lines, expected 1,000,000"),
        ("vocab.json", "[" + "1," * 1_001_001 + "1]", "1,001,001 entries, expected 1,001,000"),
    ],
)
def test_files_beside_a_tokenizer_that_are_endless(name, content, came, folder):
    (folder / name).write_text(content)
    refused(errors.NoTokenizer, f"{name} of spoilt has {came} at most: save the tokenizer that the model was", folder)


def test_a_sentencepiece_file_of_long_or_many_pieces(folder, monkeypatch):
    """The second field of a file describes how it was trained."""
    (folder / "spiece.model").write_bytes(
        b"\x0a\x03abc" * 30 + b"\x12\x81\x08" + bytes(1025) + b"\x0a\xe8\x07" + bytes(1000)
    )
    refused(errors.NoTokenizer, "spiece.model of spoilt has 1,000 bytes in one piece, expected 512 at most:", folder)
    monkeypatch.setattr("models.checkpoints.tokenizer_limits._MAX_ENTRIES", 20)
    refused(errors.NoTokenizer, "spiece.model of spoilt has 31 pieces, expected 20 at most: save", folder)


def test_a_narrow_picture_is_not_stretched_without_end(eye):
    """A shorter side of 224 pixels makes the longer one of 20,000 x 1 more than four million long."""
    by_edge = load_model(str(asks_for(eye, do_resize=True, size={"height": 30, "width": 30})))
    by_edge._images.processor.size = {"shortest_edge": 224}
    with pytest.raises(errors.NoText) as caught:
        by_edge.trace(image=Image.new("RGB", (20_000, 1)))
    assert str(caught.value) == (
        "The picture has 20,000 x 1 pixels, and this model makes its shorter side 224 pixels long, the longer one "
        "4,480,000: crop it."
    )


def test_a_picture_of_too_many_patches_is_refused_before_the_proof_runs(eye, monkeypatch):
    monkeypatch.setattr("models.checkpoints.verify.materialised_layers", lambda *given: pytest.fail("run"))
    monkeypatch.setattr("models.checkpoints.verify.replayed_batch", lambda *given, **options: pytest.fail("run"))
    monkeypatch.setattr("models.images.ImageReader.read", many_patches)
    refused(
        errors.NotEnoughMemory,
        "Loading spoilt needs about 103 GB, and ",
        asks_for(eye),
    )


def many_patches(self: Any, image: Image.Image) -> PatchSequence:
    return PatchSequence({"pixel_values": torch.zeros(1, 3, 30, 30)}, np.zeros((30, 30, 3), np.uint8), (256, 256))


def test_one_model_is_loaded_at_a_time(folder, monkeypatch):
    inside, most, go_on = [], [], threading.Event()
    load = loading._load

    def slowly(*given: Any) -> models.Model:
        inside.append(given)
        most.append(len(inside))
        assert go_on.wait(10)
        model = load(*given)
        inside.pop()
        return model

    loaded_before = load_model(str(folder))
    monkeypatch.setattr(loading, "_load", slowly)
    threads = [threading.Thread(target=load_model, args=(str(folder),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not inside:
        time.sleep(0.01)
    # A model that is loaded does not wait for one that is not.
    assert loaded_before.trace("the cat").kinds == ("encoder",)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert most == [1, 1, 1]


def test_a_model_may_be_loaded_while_one_is_loaded_in_the_same_thread(folder):
    with loading.one_at_a_time:
        assert load_model(str(folder)).card.kinds == ("encoder",)
