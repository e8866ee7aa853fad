"""What other libraries leave in a folder: quantised weights, adapters, other formats, models within."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from models import errors, load_model
from tests.helpers.corrupt import KEY, WEIGHTS, change, configure, refused
from tests.helpers.small_models import SENTENCE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("quantised", "method"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
    ],
)
def test_quantised_models(quantised, method, folder):
    sentence = f"spoilt is quantised ({method}), and Headlight needs exact weights (float32, float16 or"
    configure(folder, quantization_config=quantised)
    refused(errors.ForeignFormat, sentence, folder)


@pytest.mark.parametrize(
    ("dtype", "called"), [(torch.int8, "I8"), (torch.uint8, "U8"), (torch.float8_e4m3fn, "F8_E4M3")]
)
def test_quantised_weights_that_config_does_not_tell_of(dtype, called, folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{KEY}.weight"] = (40 * weights[f"{KEY}.weight"]).to(dtype)

    change(folder, spoil)
    refused(
        errors.ForeignFormat, f"spoilt is quantised ({KEY}.weight has the type {called}), expected float32, ", folder
    )


def test_pruned_heads_are_named(folder):
    configure(folder, pruned_heads={"1": [0, 2], "0": [1]})
    sentence = "spoilt has pruned heads in layer 0, 1 (pruned_heads in config.json), which transformers 5."
    refused(errors.ForeignFormat, sentence, folder)
    configure(folder, pruned_heads={})
    assert load_model(folder).card.notices == ()


def test_a_type_that_this_transformers_does_not_know(folder):
    configure(folder, model_type="bert-next")
    sentence = f"spoilt has the type 'bert-next', which this version of transformers ({transformers.__version__}) does"
    refused(errors.UnknownModel, sentence, folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_read(dtype, folder):
    change(folder, lambda weights: weights.update({name: values.to(dtype) for name, values in weights.items()}))
    card = load_model(str(folder)).card
    assert (card.dtype, card.notices) == ("float32", ())


FOREIGN = {
    "onnx/model.onnx": "ONNX (onnx/model.onnx)",
    "saved_model.pb": "TensorFlow (saved_model.pb)",
    "openvino_model.xml": "OpenVINO (openvino_model.xml)",
}


@pytest.mark.parametrize("with_config", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_weights_of_other_libraries(name, with_config, folder):
    (folder / WEIGHTS).unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"GGUF")
    if not with_config:
        (folder / "config.json").unlink()
    refused(errors.ForeignFormat, f"spoilt has its weights in the format of {FOREIGN[name]}, expected safeten", folder)


def test_a_gguf_file_one_folder_down(folder):
    (folder / WEIGHTS).unlink()
    (folder / "gguf").mkdir()
    (folder / "gguf" / "small.gguf").write_bytes(b"GGUF")
    sentence = "spoilt has its weights one folder down (gguf/small.gguf): give the path of that file."
    refused(errors.ForeignFormat, sentence, folder)


def test_foreign_weights_beside_safetensors_do_no_harm(folder):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"")
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert load_model(str(folder)).card.notices == ()


@pytest.mark.parametrize("family", ["bert", "t5", "llama", "deberta-v2"])
def test_what_a_model_was_to_give_back_does_not_matter(family, folder_of, loaded, tmp_path):
    spoilt = Path(shutil.copytree(folder_of(family), tmp_path / family))
    configure(spoilt, return_dict=False, output_attentions=True, _attn_implementation="sdpa", use_cache=False)
    model, expected = load_model(str(spoilt)), loaded(family)
    assert model.card == expected.card
    found, given = model.trace(SENTENCE), expected.trace(SENTENCE)
    for kind in given.kinds:
        np.testing.assert_array_equal(found[kind].layer(1), given[kind].layer(1))


def test_the_reason_stands_below_the_line_that_announces_it(folder):
    configure(folder, hidden_size="wide")
    refused(errors.BrokenModel, "The config.json of spoilt does not load (TypeError: Field 'hidden_size' exp", folder)


def modules_json(path: str) -> str:
    kinds = [("Transformer", path), ("Pooling", "1_Pooling")]
    return json.dumps([{"idx": 0, "name": "0", "path": where, "type": f"st.models.{kind}"} for kind, where in kinds])


def test_a_folder_of_sentence_transformers(folder, tmp_path, loaded):
    outer = tmp_path / "sentences"
    outer.mkdir()
    folder.rename(outer / "0_Transformer")
    (outer / "modules.json").write_text(modules_json("0_Transformer"))
    model = load_model(str(outer))
    assert (model.card.name, model.card.notices) == ("sentences", ())
    expected = loaded("bert").trace(SENTENCE)["encoder"].layer(1)
    np.testing.assert_array_equal(model.trace(SENTENCE)["encoder"].layer(1), expected)


@pytest.mark.parametrize("with_config", [False, True])
def test_a_training_folder_says_which_checkpoint(with_config, folder, tmp_path):
    outer = tmp_path / "training"
    outer.mkdir()
    for step in ("500", "1000"):
        shutil.copytree(folder, outer / f"checkpoint-{step}")
    if with_config:
        shutil.copy(folder / "config.json", outer)
        refused(
            errors.UnsafeWeights,
            "training has no weights, but folders in it are models: give one of them (checkpoint-500, checkpoint-1000)",
            outer,
        )
    else:
        refused(
            errors.UnknownModel,
            "training has no config.json, but folders in it do: give one of them (checkpoint-500, checkpoint-1000).",
            outer,
        )
    assert load_model(str(outer / "checkpoint-1000")).card.name == "checkpoint-1000"
