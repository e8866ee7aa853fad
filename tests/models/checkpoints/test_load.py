"""Every model folder that cannot be shown is refused with its own sentence, and the next visitor notices nothing."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, FNetConfig, LongformerConfig, MambaConfig, PreTrainedTokenizerFast, ViTConfig

from models import HeadlightError, errors, load_model
from models.checkpoints import config as configs
from models.checkpoints import load as loading
from tests.helpers.corrupt import configure, refused
from tests.helpers.small_models import BERT_NAMES, ROBERTA_NAMES, byte_level_marked, wordpiece

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _afterwards_everything_works(minilm):
    yield
    trace = load_model("minilm").trace("The cat sat.")
    assert trace["encoder"].weights(0, 2).tolist() == minilm.trace("The cat sat.")["encoder"].weights(0, 2).tolist()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def config_of(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


def remote_code(folder: Path) -> None:
    configure(folder, model_type="mine", auto_map={"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine"})
    (folder / "mine.py").write_text("import pathlib\npathlib.Path(__file__).with_name('RAN').write_text('x')\n")


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model":')


def foreign_tokenizer(folder: Path) -> None:
    PreTrainedTokenizerFast(tokenizer_object=byte_level_marked(), **ROBERTA_NAMES).save_pretrained(folder)


def pickled_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def index_of(described) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder.parent.parent / "x.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps(described))

    return spoil


def link_out(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return spoil


NOT_SAFE = (
    "spoilt is refused, its weights are not safetensors (other formats can run code): load it once in a place you"
)
UNREADABLE_INDEX = (
    "The weight index of spoilt cannot be read (expected a weight_map in model.safetensors.index.json): save or fetch"
)
SPOILT: dict[str, tuple[Callable[[Path], object], type[HeadlightError], str]] = {
    "no config": (no_config, errors.UnknownModel, "spoilt has no config.json: give a folder made by save_pretrained."),
    "config is no JSON": (
        config_of("{"),
        errors.UnknownModel,
        "spoilt has no readable config.json (Expecting property",
    ),
    "config is a list": (
        config_of("[]"),
        errors.UnknownModel,
        "spoilt has no readable config.json (expected an object of settings, came a list",
    ),
    "config is deep": (
        config_of("[" * 100_000),
        errors.UnknownModel,
        "spoilt has no readable config.json (it nests deeper than 32",
    ),
    "no type": (config_of("{}"), errors.UnknownModel, "spoilt has the type 'None', which this version of transform"),
    "odd type": (config_of('{"model_type": [1]}'), errors.UnknownModel, "spoilt has the type '[1]', which this "),
    "unknown type": (
        lambda folder: configure(folder, model_type="transformer9"),
        errors.UnknownModel,
        "spoilt has the type 'transformer9', which this version of transformers (5.",
    ),
    "config of wrong kinds": (
        lambda folder: configure(folder, hidden_size="wide"),
        errors.BrokenModel,
        "The config.json of spoilt does not load (",
    ),
    "heads that do not divide": (
        lambda folder: configure(folder, num_attention_heads=5),
        errors.BrokenModel,
        "The config.json of spoilt does not make a model (The hidden size (42) is not a multiple of the number of att",
    ),
    "other shapes": (
        lambda folder: configure(folder, vocab_size=99),
        errors.BrokenModel,
        "The config.json of spoilt does not belong to its weights: embeddings.word_embeddings.weight has the shape "
        "(157, 42), expected (99, 42); save or fetch both again.",
    ),
    "remote code": (
        remote_code,
        errors.RemoteCode,
        "spoilt needs Python code from its folder, which Headlight never runs: choose a model whose architecture",
    ),
    "no tokenizer": (no_tokenizer, errors.NoTokenizer, "spoilt has no tokenizer that loads (no vocabulary in the "),
    "broken tokenizer": (broken_tokenizer, errors.NoTokenizer, "spoilt has no tokenizer that loads (Expecting value"),
    "foreign tokenizer": (foreign_tokenizer, errors.BrokenModel, "The tokenizer gives 'er' the id 303, but spoilt has"),
    "pickles": (pickled_weights, errors.UnsafeWeights, NOT_SAFE),
    "no weights": (no_weights, errors.UnsafeWeights, "spoilt is refused, it has no safetensors file: load it once"),
    "half a file": (cut_weights, errors.BrokenModel, "model.safetensors of spoilt is not a whole safetensors file ("),
    "index above": (
        index_of({"weight_map": {"a": "../../x.safetensors"}}),
        errors.UnsafeWeights,
        "x.safetensors of spoilt points outside the model's folder: copy the file into the folder.",
    ),
    "index anywhere": (
        index_of({"weight_map": {"a": "/etc/x.safetensors"}}),
        errors.UnsafeWeights,
        "x.safetensors of spoilt points outside the model's folder: copy the file into the folder.",
    ),
    "index to a pickle": (index_of({"weight_map": {"a": "x.bin"}}), errors.UnsafeWeights, NOT_SAFE),
    "index with NUL": (index_of({"weight_map": {"a": "a\0.safetensors"}}), errors.UnsafeWeights, NOT_SAFE),
    "index to nothing": (
        index_of({"weight_map": {"a": "two.safetensors"}}),
        errors.BrokenModel,
        "two.safetensors of spoilt is missing: fetch the model again.",
    ),
    "index is a list": (index_of([]), errors.BrokenModel, UNREADABLE_INDEX),
    "index has none": (index_of({"weight_map": []}), errors.BrokenModel, UNREADABLE_INDEX),
    "weights are a link": (
        link_out("model.safetensors"),
        errors.UnsafeWeights,
        "model.safetensors of spoilt points outside the model's folder: copy the file into the folder.",
    ),
    "tokenizer is a link": (
        link_out("tokenizer.json"),
        errors.UnsafeWeights,
        "tokenizer.json of spoilt points outside the model's folder: copy the file into the folder.",
    ),
}


@pytest.mark.parametrize("why", SPOILT)
def test_a_folder_that_is_not_safe_or_not_whole(why, folder):
    spoil, kind, sentence = SPOILT[why]
    spoil(folder)
    refused(kind, sentence, folder)
    assert not list(folder.parent.rglob("RAN"))


def test_code_beside_a_known_architecture_is_left_alone(folder):
    """transformers has the architecture itself: its own code is taken, the folder's is never imported."""
    configure(folder, auto_map={"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine"})
    described = json.loads((folder / "tokenizer_config.json").read_text())
    described |= {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "tokenizer_class": "Mine"}
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    (folder / "mine.py").write_text("import pathlib\npathlib.Path(__file__).with_name('RAN').write_text('x')\n")
    load_model(str(folder)).trace("the cat")
    assert not list(folder.rglob("RAN"))


SMALL = {"vocab_size": 157, "hidden_size": 24, "num_hidden_layers": 2}
NO_WEIGHTS_TO_SHOW = {
    "fnet": (FNetConfig(**SMALL, intermediate_size=31), "(it mixes tokens another way"),
    "mamba": (MambaConfig(**SMALL, state_size=5), "(it mixes tokens another way"),
    "longformer": (
        LongformerConfig(**SMALL, num_attention_heads=2, intermediate_size=31, attention_window=[4, 4]),
        "gives its attention as windows around each token, not as one weight for each pair of tokens",
    ),
}


@pytest.mark.parametrize("found_out", ["by name", "by running it"])
@pytest.mark.parametrize("family", NO_WEIGHTS_TO_SHOW)
def test_architectures_without_attention_weights(family, found_out, tmp_path, monkeypatch):
    if found_out == "by running it":
        monkeypatch.setattr(configs, "_NO_ATTENTION", set())
    config, sentence = NO_WEIGHTS_TO_SHOW[family]
    AutoModel.from_config(config).save_pretrained(tmp_path / family)
    PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **BERT_NAMES).save_pretrained(tmp_path / family)
    with pytest.raises(errors.NoAttention, match=re.escape(sentence)):
        load_model(str(tmp_path / family))


def test_a_model_that_does_not_read_text(tmp_path):
    sizes = {"num_attention_heads": 2, "intermediate_size": 31, "image_size": 16, "patch_size": 8}
    AutoModel.from_config(ViTConfig(hidden_size=24, num_hidden_layers=1, **sizes)).save_pretrained(tmp_path / "eye")
    refused(errors.NoTokenizer, "eye reads pictures and has no image processor that loads: ", tmp_path / "eye")
    PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **BERT_NAMES).save_pretrained(tmp_path / "eye")
    refused(errors.NoTokenizer, "eye reads pictures and has no image processor that loads: ", tmp_path / "eye")


@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:3", "cuda:99", "", 99, -1, torch.device("meta")])
def test_devices(device, folder):
    refused(
        errors.BrokenModel,
        f"There is no device {str(device)!r} on this machine: give auto or one of cpu",
        folder,
        device=device,
    )


@pytest.mark.parametrize("device", [None, 1.5, ["cpu"]])
def test_devices_of_other_types(device):
    unchecked = inspect.unwrap(loading._find_device)  # without the check of types that only tests make
    with pytest.raises(errors.BrokenModel, match=re.escape(f"There is no device {str(device)!r} on this machine: ")):
        unchecked(device)


@pytest.mark.parametrize("dtype", ["int8", "tensor", "", torch.int64])
def test_dtypes(dtype, folder):
    sentence = f"There is no dtype {str(dtype)!r} for models: give one of float32, float64, float16, bfloat16."
    refused(errors.BrokenModel, sentence, folder, dtype=dtype)


def test_weights_that_the_checkpoint_lacks_are_named_on_the_card(folder):
    weights = load_file(folder / "model.safetensors")
    weights = {name: values for name, values in weights.items() if "layer.1.attention.self.key.weight" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_model(str(folder)).card.notices == (
        "1 weight is not in the checkpoint and was initialised at random (encoder.layer.1.attention.self.key.weight): "
        "do not trust pictures of these layers or of any after them.",
    )


@pytest.mark.parametrize(
    ("n_layers", "sentence"),
    [
        (3, "16 weights are not in the checkpoint and were initialised at random (encoder.layer.2 (16)): do not"),
        (1, "The checkpoint has layers that config.json does not count (encoder.layer.1 (16)): the model"),
    ],
)
def test_a_config_that_counts_layers_otherwise_is_said_on_the_card(n_layers, sentence, folder):
    configure(folder, num_hidden_layers=n_layers)
    card = load_model(str(folder)).card
    assert (card.n_layers, len(card.notices)) == (n_layers, 1)
    assert card.notices[0].startswith(sentence)
