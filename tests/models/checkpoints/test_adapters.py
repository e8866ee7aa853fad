"""Adapters of peft: merged into their base, which is named, or refused in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM

from models import errors, load_model
from models.checkpoints.access import Access
from models.checkpoints.locate import locate
from tests.helpers.corrupt import refused
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import SENTENCE, with_head

pytestmark = pytest.mark.slow

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
Make = Callable[..., Any]


@pytest.fixture
def base(folder) -> Path:
    """A small BERT called `base`."""
    return folder.rename(folder.parent / "base")


@pytest.fixture
def adapter(base) -> Path:
    """A LoRA adapter of rank 3 for the queries and keys of `base`, called `tuned`."""
    return save_adapter(base, "LORA", r=3, lora_alpha=5, target_modules=["query", "key"])[1]


def save_adapter(base: Path, kind: str, auto: Any = AutoModel, **settings: Any) -> tuple[Any, Path]:
    """Save an adapter with random weights beside its base, and return the module of peft and the folder."""
    config = peft.get_peft_config({"peft_type": kind, "task_type": None, **settings})
    wrapped = peft.get_peft_model(auto.from_pretrained(base), config)
    generator = torch.Generator().manual_seed(1)
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    wrapped.save_pretrained(base.parent / "tuned")
    return wrapped, base.parent / "tuned"


def describe(adapter: Path, **changes: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_lora_adapter_is_merged_as_its_formula_says(base, adapter):
    model = load_model(adapter)
    assert (model.card.name, model.card.proof) == ("tuned on base", 0.0)
    assert model.card.notices == ("The LORA adapter tuned is merged into its base base.",)
    stored, trained = load_file(base / "model.safetensors"), load_file(adapter / WEIGHTS)
    changed = 0
    for name, found in model.module.state_dict().items():
        expected = stored[name]
        if f"base_model.model.{name.removesuffix('.weight')}.lora_A.weight" in trained and name.endswith("weight"):
            down, up = (trained[f"base_model.model.{name.removesuffix('.weight')}.lora_{of}.weight"] for of in "AB")
            expected = expected + (5 / 3) * up @ down
            changed += 1
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert changed == 4


def test_a_trace_of_a_merged_model_is_its_own_eager_attention(base):
    wrapped, adapter = save_adapter(base, "LORA", r=3, lora_alpha=5, target_modules=["query", "key"])
    model = load_model(adapter)
    trace = model.trace(SENTENCE)
    eager = wrapped.merge_and_unload().eval()
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        ids = torch.tensor([[token.id for token in trace["encoder"].query_tokens]])
        weights = eager(input_ids=ids, output_attentions=True).attentions
    for layer, expected in enumerate(weights):
        np.testing.assert_allclose(trace["encoder"].layer(layer), expected[0].numpy(), atol=OF_PASSES)
    plain = load_model(base).trace(SENTENCE)["encoder"].layer(1)
    assert np.abs(plain - trace["encoder"].layer(1)).max() > 0.01


RELATIVES: dict[str, dict[str, Any]] = {
    "LORA DoRA": {"use_dora": True, "r": 3},
    "LORA patterns": {"use_rslora": True, "rank_pattern": {"layer.0.attention.self.query": 5}, "r": 2}
    | {"alpha_pattern": {"layer.1.*query": 7}},
    "LORA pissa": {"r": 4, "init_lora_weights": "pissa"},
    "LORA olora": {"r": 4, "init_lora_weights": "olora"},
    "LORA bias": {"r": 4, "bias": "all"},
    "LORA module": {"r": 4, "modules_to_save": ["output.dense"]},
    "LORA embedding": {"r": 4, "target_modules": ["word_embeddings", "query"]},
    "IA3": {"target_modules": ["key", "output.dense"], "feedforward_modules": ["output.dense"]},
    "ADALORA": {"total_step": 10},
    "LN_TUNING": {"target_modules": ["LayerNorm"]},
    **{kind: {"r": 3} for kind in ("LOHA", "LOKR", "HRA", "MISS", "HIRA", "SHIRA", "VERA")},
    "OFT": {"oft_block_size": 21},
    "FOURIERFT": {"n_frequency": 30},
}


@pytest.mark.parametrize("which", RELATIVES)
def test_relatives_of_lora(which, base):
    """peft's own merge of the module that it has just trained is the expected value."""
    settings = {"target_modules": ["query"], **RELATIVES[which]}
    wrapped, adapter = save_adapter(base, which.split()[0], **settings)
    found = load_model(adapter).module.state_dict()
    before = load_file(base / "model.safetensors")
    expected = wrapped.merge_and_unload().state_dict()
    assert set(found) == set(expected)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-5)
    assert any(not torch.equal(expected[name], before[name]) for name in expected)


def test_an_adapter_of_a_decoder_can_write(tmp_path):
    base = with_head("llama", tmp_path / "base")
    _, adapter = save_adapter(base, "LORA", AutoModelForCausalLM, target_modules=["q_proj", "v_proj"], r=2)
    model = load_model(adapter)
    assert model.card.writes
    assert len(model.trace("The cat", generate=3)["decoder"].query_tokens) > 5
    assert model.card.revision != load_model(base).card.revision


def test_an_adapter_of_the_body_alone_fits_the_model_with_its_head(tmp_path):
    base = with_head("llama", tmp_path / "base")
    wrapped, adapter = save_adapter(base, "LORA", AutoModel, target_modules=["q_proj"], r=2)
    found, expected = load_model(adapter).module.model.state_dict(), wrapped.merge_and_unload().state_dict()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-5)


def test_the_tokenizer_of_the_adapter_counts(base, adapter):
    for path in base.glob("*token*"):
        shutil.copy(path, adapter)
    described = json.loads((adapter / "tokenizer_config.json").read_text())
    (adapter / "tokenizer_config.json").write_text(json.dumps({**described, "model_max_length": 17}))
    assert load_model(adapter).card.max_tokens == 17
    assert load_model(base).card.max_tokens == 89


@pytest.mark.parametrize(
    "written", ["../base", "./../base/", "{base}", "minilm", "nothing/here/x", "org/none", "../bse"]
)
def test_where_the_base_is_looked_for(written, base, adapter):
    describe(adapter, base_model_name_or_path=written.format(base=base))
    if written in ("../base", "./../base/", "{base}"):
        assert load_model(adapter).card.name == "tuned on base"
    elif written == "minilm":
        refused(errors.BrokenModel, "The adapter tuned does not fit minilm (", adapter)
    else:
        with pytest.raises((errors.UnknownModel, errors.ModelUnreachable)) as caught:
            load_model(adapter)
        assert str(caught.value).startswith("The adapter tuned needs its base, which does not open. ")


def test_a_server_decides_whether_the_base_may_be_opened(base, adapter):
    asked = []

    def admit(name: str) -> None:
        asked.append(name)
        raise errors.UnknownModel("not on the list")

    with pytest.raises(errors.UnknownModel, match=r"^not on the list$"):
        locate(adapter, access=Access(admit=admit))
    assert asked == [str(base)]


def test_an_adapter_of_the_hub_names_no_folder_of_this_machine(base, adapter, tmp_path):
    snapshot = tmp_path / "models--someone--tuned" / "snapshots" / ("0123456789" * 4)
    shutil.copytree(adapter, snapshot)
    sentence = "The adapter someone/tuned names its base by a path of another machine ("
    with pytest.raises(errors.UnknownModel) as caught:
        load_model(snapshot)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "tuned is a PREFIX_TUNING adapter, which adds learned tokens or keys to eve"),
        ({"peft_type": "PROMPT_TUNING"}, "tuned is a PROMPT_TUNING adapter, which adds learned tokens or keys to eve"),
        ({"peft_type": "XLORA"}, "tuned is an adapter of the type 'XLORA', expected one of LORA, ADALORA, "),
        ({"peft_type": 3}, "tuned is an adapter of the type '3', expected one of LORA, ADALORA, "),
        ({"layer_replication": [[0, 2]]}, "tuned is an adapter with layer_replication, which Headlight does not merge"),
        ({"megatron_config": {"a": 1}}, "tuned is an adapter with megatron_config, which Headlight does not merge"),
        ({"alora_invocation_tokens": [5]}, "tuned is an adapter with alora_invocation_tokens, which Headlight does no"),
        ({"target_parameters": ["x"]}, "tuned is an adapter with target_parameters, which Headlight does not merge"),
        ({"init_lora_weights": "loftq"}, "tuned is an adapter with init_lora_weights 'loftq', which Headlight does"),
        ({"r": 10**12}, "tuned is an adapter with r 1000000000000, which Headlight does not merge"),
    ],
)
def test_adapters_that_cannot_be_merged(changes, sentence, adapter):
    describe(adapter, **changes)
    refused(errors.ForeignFormat, sentence, adapter)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model_name_or_path": None}, "tuned is an adapter that does not name its base: write the base's folder"),
        ({"base_model_name_or_path": 3}, "tuned is an adapter that does not name its base: write the base's folder"),
        ({"modules_to_save": {"a": 1}}, "The adapter_config.json of tuned says modules_to_save is not a list of modu"),
        ({"alpha_pattern": {"(a+)+b": 1}}, "The adapter_config.json of tuned says alpha_pattern is not an object of"),
        ({"alpha_pattern": {".*.*.*x": 1}}, "The adapter_config.json of tuned says alpha_pattern is not an object of"),
        ({"alpha_pattern": {"x": "y"}}, "The adapter_config.json of tuned says alpha_pattern is not an object of"),
        ({"alpha_pattern": {"(": 1}}, "The adapter_config.json of tuned says alpha_pattern is not an object of"),
        ({"peft_type": "LOHA"}, "The adapter tuned does not fit "),
    ],
)
def test_settings_of_an_adapter_that_are_damaged(changes, sentence, adapter):
    describe(adapter, **changes)
    with pytest.raises(errors.BrokenModel) as caught:
        load_model(adapter)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("content", ["[]", "3", "{", "", '{"a":' * 99 + "1" + "}" * 99])
def test_settings_that_are_no_object(content, adapter):
    (adapter / CONFIG).write_text(content)
    refused(errors.BrokenModel, f"The {CONFIG} of tuned is not readable (", adapter)


def test_settings_that_change_nothing_here(adapter):
    """Which modules are adapted is read from the weights; code that the settings name is never imported."""
    describe(
        adapter,
        r=8,
        target_modules="(a+)+$",
        auto_mapping={"base_model_class": "Evil", "parent_library": "antigravity"},
        megatron_core="antigravity",
        layers_pattern="(a+)+$",
        exclude_modules="(a+)+$",
        lora_alpha=5 * 8 / 3,
        never_heard_of={"a": 1},
    )
    load_model(adapter)
    assert "antigravity" not in sys.modules


def change(adapter: Path, changes: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(adapter / WEIGHTS)
    changes(weights)
    save_file(weights, adapter / WEIGHTS)


A_WEIGHT = "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda weights: weights.pop(A_WEIGHT), "The adapter tuned does not fit|The adapter_config.json of tuned does"),
        (
            lambda weights: weights.update({A_WEIGHT.replace("query", "quarry"): weights[A_WEIGHT].clone()}),
            r"The adapter tuned does not fit base: it has encoder.layer.0.attention.self.quarry.lora_A.weight, and a",
        ),
        (
            lambda weights: weights.update({A_WEIGHT: torch.zeros(3, 5)}),
            "The adapter tuned does not fit base .* has the",
        ),
        (
            lambda weights: [weights.pop(name) for name in list(weights) if "layer" in name],
            "The adapter tuned does not fit .*: none of its 0 weights adapts a module of a BertModel",
        ),
        (lambda weights: weights.update({A_WEIGHT: torch.full((3, 42), float("nan"))}), "The adapter tuned does not"),
    ],
)
def test_weights_of_an_adapter_that_do_not_fit(spoil, sentence, adapter):
    change(adapter, spoil)
    with pytest.raises(errors.BrokenModel, match=f"^({sentence})"):
        load_model(adapter)


def test_an_adapter_in_another_format_or_without_weights(adapter):
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    sentence = "The adapter tuned is refused, its weights are not safetensors (other formats can run code): load"
    refused(errors.UnsafeWeights, sentence, adapter)
    (adapter / "adapter_model.bin").unlink()
    refused(errors.UnsafeWeights, "The adapter tuned is refused, it has no adapter_model.safetensors: load", adapter)


def test_a_base_that_does_not_suit(base, adapter):
    described = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**described, "quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(errors.ForeignFormat, match=r"^The base of the adapter tuned, base, is quantised \(bits"):
        load_model(adapter)
    shutil.copy(adapter / CONFIG, base)
    (base / "model.safetensors").rename(base / WEIGHTS)
    sentence = "The base of the adapter tuned, base, is an adapter itself: merge that one first (merge_and"
    refused(errors.ForeignFormat, sentence, adapter)


def test_a_folder_with_a_model_and_an_adapter(base, adapter):
    shutil.copy(base / "model.safetensors", adapter)
    refused(errors.ForeignFormat, "tuned contains a whole model and an adapter (adapter_config.json), so it", adapter)


@pytest.mark.parametrize("outer", ["base_model.model.", ""])
@pytest.mark.parametrize("inner", [".default", ""])
def test_a_checkpoint_saved_with_an_adapter_that_is_not_merged(outer, inner, base, adapter):
    """transformers leaves these weights out in silence: the picture would be that of the untrained base."""
    whole, trained = load_file(base / "model.safetensors"), load_file(adapter / WEIGHTS)
    for name in list(whole):
        if outer:
            whole[f"{outer}{name}"] = whole.pop(name)
    for name, values in trained.items():
        whole[name.replace("base_model.model.", outer).replace(".weight", f"{inner}.weight")] = values
    save_file(whole, base / "model.safetensors", metadata={"format": "pt"})
    sentence = "base was saved with an adapter that is not merged (8 weights such as "
    refused(errors.ForeignFormat, sentence, base)
