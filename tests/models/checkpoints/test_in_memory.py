"""A module in memory, traced as its owner has it, against its own eager weights; it is left as it was."""

from __future__ import annotations

import tempfile
import threading
from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers as tf
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from PIL import Image
from sentence_transformers import SentenceTransformer
from torch import nn

from models import Model, errors, load_model
from models.checkpoints.bundled import minilm_folder
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import FAMILIES, SENTENCE, TARGET

pytestmark = pytest.mark.slow


@pytest.fixture
def owned(folder_of):
    """The module and the tokenizer of a family, as their owner loads them."""

    def load(family: str, **options):
        auto = tf.AutoModelForSeq2SeqLM if len(FAMILIES[family]().kinds) == 3 else tf.AutoModel
        module = auto.from_pretrained(folder_of(family), **options)
        return module, tf.AutoTokenizer.from_pretrained(folder_of(family))

    return load


def own_weights(module, tokenizer) -> dict[str, list[np.ndarray]]:
    """Return the eager weights of a copy of the module for `SENTENCE` and `TARGET`, computed without Headlight."""
    module = deepcopy(module)
    module.set_attn_implementation("eager")
    inputs = tokenizer(SENTENCE, return_tensors="pt")
    if not module.config.is_encoder_decoder:
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            found = module(**inputs, output_attentions=True, return_dict=True)
        return {"self": [one[0].numpy() for one in found.attentions]}
    shift = module.prepare_decoder_input_ids_from_labels
    labels = tokenizer(text_target=TARGET, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        found = module(**inputs, decoder_input_ids=shift(labels=labels), output_attentions=True, return_dict=True)
    names = ("encoder", "decoder", "cross")
    return {name: [one[0].numpy() for one in getattr(found, f"{name}_attentions")] for name in names}


def compare(model: Model, expected: dict[str, list[np.ndarray]]) -> None:
    trace = model.trace(SENTENCE, target=TARGET if "cross" in expected else None)
    for kind in trace.kinds:
        weights = expected.get(kind) or expected["self"]
        assert trace[kind].n_layers == len(weights)
        for layer, one in enumerate(weights):
            np.testing.assert_allclose(trace[kind].layer(layer), one, rtol=0, atol=OF_PASSES)


def state(module: nn.Module) -> list:
    """Return everything of a module that a caller can notice."""
    parts = list(module.modules())
    configs = [part.config.to_dict() for part in parts if isinstance(part, tf.PreTrainedModel)]
    switched = [part.config._attn_implementation for part in parts if isinstance(part, tf.PreTrainedModel)]
    hooks = [len(part._forward_pre_hooks) + len(part._forward_hooks) for part in parts]
    flags = [part.training for part in parts]
    tensors = [(p.requires_grad, p.dtype, p.device, p.data_ptr(), p.is_inference()) for p in module.parameters()]
    buffers = [(b.data_ptr(), b.is_inference()) for b in module.buffers()]
    return [configs, switched, hooks, flags, tensors, buffers]


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_those_of_an_eager_forward_and_the_module_stays_as_it_was(family, owned):
    options = {"attn_implementation": "eager"} if family == "falcon" else {}  # see the next test
    module, tokenizer = owned(family, **options)
    before = state(module)
    model = load_model(module, tokenizer)
    assert model.card.kinds == FAMILIES[family]().kinds
    assert model.card.capture == FAMILIES[family]().capture
    assert (model.card.revision, model.card.name) == ("", f"{family} in memory")
    assert model.card.notices == load_model(str(module.name_or_path)).card.notices
    compare(model, own_weights(module, tokenizer))
    done = []
    model.trace(SENTENCE, progress=lambda n, total: done.append(n))
    assert max(done) == model.costs.n_layers
    assert state(module) == before


def test_a_family_that_cannot_switch_is_refused_unless_it_is_eager(owned):
    """Falcon's masks are those of its own function, and its weights would look like an encoder's."""
    with pytest.raises(errors.BrokenModel, match=r"which is 'sdpa': load it with .*attn_implementation='eager'"):
        load_model(*owned("falcon"))


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_model_that_is_being_trained_is_traced_between_its_steps(implementation, owned):
    module, tokenizer = owned("bert", attn_implementation=implementation)
    module.config.return_dict = False
    model = load_model(module, tokenizer)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.5)
    seen = []
    for _ in range(2):
        module.train()
        inputs = tokenizer(SENTENCE, return_tensors="pt")
        module(**{name: inputs[name] for name in ("input_ids", "attention_mask")})[0][:, :, 0].mean().backward()
        optimiser.step()
        with pytest.raises(errors.BrokenModel, match="training mode"):
            model.trace(SENTENCE)
        module.eval()
        compare(model, own_weights(module, tokenizer))
        seen.append(model.trace(SENTENCE)["encoder"].weights(1, 2))
    assert np.abs(seen[0] - seen[1]).max() > 1e-4
    assert module.config._attn_implementation == implementation


def test_a_setting_of_the_owner_after_loading_stays(owned):
    module, tokenizer = owned("llama")
    model, expected = load_model(module, tokenizer), own_weights(module, tokenizer)
    module.set_attn_implementation("eager")
    compare(model, expected)
    assert module.config._attn_implementation == "eager"
    assert module(**tokenizer(SENTENCE, return_tensors="pt"), output_attentions=True).attentions[0] is not None


def test_passes_of_several_threads_share_the_module(owned):
    module, tokenizer = owned("llama")
    model, expected = load_model(module, tokenizer), own_weights(module, tokenizer)
    failures = []

    def trace(text: str) -> None:
        try:
            for _ in range(4):
                model.trace(text)
            compare(model, expected)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=trace, args=(SENTENCE * n,)) for n in (1, 3, 2)]
    for thread in threads:
        thread.start()
    other = load_model(module, tokenizer)
    for thread in threads:
        thread.join()
    compare(other, expected)
    assert failures == []
    assert module.config._attn_implementation == "sdpa"


def test_an_exception_in_a_pass_leaves_the_module_as_it_was(owned):
    module, tokenizer = owned("deberta-v2")
    model, before = load_model(module, tokenizer), state(module)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.trace(SENTENCE, progress=stop)
    assert state(module) == before


def _pipeline(module, tokenizer):
    return tf.pipeline("feature-extraction", model=module, tokenizer=tokenizer)


def _trainer(module, tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        return tf.Trainer(model=module, processing_class=tokenizer, args=tf.TrainingArguments(folder, use_cpu=True))


WRAPPED = {
    "compiled": lambda module, tokenizer: (torch.compile(module, backend="eager"), tokenizer),
    "parallel": lambda module, tokenizer: (nn.DataParallel(module), tokenizer),
    "compiled, parallel": lambda module, tokenizer: (nn.DataParallel(torch.compile(module)), tokenizer),
    "pipeline": lambda module, tokenizer: (_pipeline(module, tokenizer), None),
    "trainer": lambda module, tokenizer: (_trainer(module, tokenizer), None),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrappers(name, owned):
    module, tokenizer = owned("bert")
    expected = own_weights(module, tokenizer)
    given, beside = WRAPPED[name](module, tokenizer)
    compare(load_model(given, beside), expected)


def test_a_module_that_is_compiled_in_place_runs_as_it_was_written(owned):
    module, tokenizer = owned("bert")
    expected = own_weights(module, tokenizer)
    module.compile(backend="eager")
    module.encoder.layer[0].compile(backend="eager")
    inputs = tokenizer(SENTENCE, return_tensors="pt")
    module(**inputs)
    compare(load_model(module, tokenizer), expected)
    module(**inputs)


def test_an_adapter_is_read_as_it_is_applied(owned):
    module, tokenizer = owned("bert")
    plain = own_weights(module, tokenizer)
    adapted = get_peft_model(module, LoraConfig(target_modules=["query", "key"], r=3, init_lora_weights=False)).eval()
    model = load_model(adapted, tokenizer)
    assert "The adapter 'default' is applied, as it is in memory." in model.card.notices
    expected = own_weights(deepcopy(adapted).merge_and_unload(), tokenizer)
    assert np.abs(expected["self"][0] - plain["self"][0]).max() > 0.01
    compare(model, expected)


def test_a_sentence_transformer_is_read_as_it_encodes():
    whole = SentenceTransformer(str(minilm_folder()), device="cpu")
    compare(load_model(whole), own_weights(whole[0].auto_model, whole.tokenizer))
    whole.prompts, whole.default_prompt_name = {"query": "query: "}, "query"
    assert any("'query: '" in notice for notice in load_model(whole).card.notices)
    whole[0].do_lower_case = True
    with pytest.raises(errors.ForeignFormat, match="lower case"):
        load_model(whole)


def test_a_vision_encoder_in_memory():
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 16}
    module = tf.ViTModel(tf.ViTConfig(**size, image_size=32, patch_size=8)).eval()
    processor = tf.ViTImageProcessorPil(size={"height": 32, "width": 32})
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    eager = deepcopy(module)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        expected = eager(**processor(picture, return_tensors="pt"), output_attentions=True).attentions
    found = load_model(module, images=processor).trace(image=np.asarray(picture))["encoder"]
    assert module.config.name_or_path == ""
    for layer, one in enumerate(expected):
        np.testing.assert_allclose(found.layer(layer), one[0].numpy(), rtol=0, atol=OF_PASSES)
    with pytest.raises(errors.NoTokenizer, match=r"ViTModel in memory reads pictures: give its image processor"):
        load_model(module)


class Classifier(nn.Module):
    def __init__(self, bert):
        super().__init__()
        self.inner = nn.ModuleDict({"bert": bert})


REFUSED = {
    "no tokenizer": (lambda m, t: (m, None), errors.NoTokenizer, "came without a tokenizer"),
    "a bare tokenizer": (lambda m, t: (m, t._tokenizer), errors.NoTokenizer, "PreTrainedTokenizerFast"),
    "in training": (lambda m, t: (m.train(), t), errors.BrokenModel, "in training mode"),
    "on meta": (lambda m, t: (m.to("meta"), t), errors.BrokenModel, "meta device"),
    "a module around it": (lambda m, t: (Classifier(m), t), errors.NoAttention, r"load_model\(module.inner.bert, tok"),
    "another module": (lambda m, t: (nn.Linear(2, 2), t), errors.NoAttention, r"trace_module\(module, \*inputs\)"),
    "nothing": (lambda m, t: (None, t), errors.UnknownModel, "not NoneType"),
    "bytes": (lambda m, t: (b"minilm", None), errors.UnknownModel, "not bytes"),
    "a class": (lambda m, t: (type(m), t), errors.UnknownModel, "not type"),
    "a name beside": (lambda m, t: ("minilm", t), errors.NoTokenizer, "a folder has its own"),
    "learned positions": (
        lambda m, t: (get_peft_model(m, PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=3)), t),
        errors.ForeignFormat,
        "learned positions",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_a_remedy(name, owned):
    make, kind, sentence = REFUSED[name]
    module, tokenizer = owned("bert")
    with pytest.raises(kind, match=sentence):
        load_model(*make(module, tokenizer))


def test_a_module_stays_on_its_device_in_its_dtype(owned):
    module, tokenizer = owned("bert")
    with pytest.raises(errors.BrokenModel, match="leave out revision, device and dtype"):
        load_model(module, tokenizer, dtype="float16")
    module.double()
    card = load_model(module, tokenizer).card
    assert (card.dtype, card.device) == ("float64", "cpu")
