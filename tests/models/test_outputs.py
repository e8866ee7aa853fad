"""What a model answers, against the logits of a plain transformers forward."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

import models
from models import HeadlightError, load_model
from models.errors import BadSelection, NoAnswer
from models.outputs import MOST_SPAN
from tests.helpers.small_models import SENTENCE, TARGET
from tests.helpers.with_heads import own_inputs, save_with_head

pytestmark = pytest.mark.slow

# A row alone is multiplied in another order than all rows. Measured: 1e-6 at most.
CLOSE = 1e-5
MASKED = "The cat [MASK] on the [MASK]."


def logits_of(module, folder: Path, text: str, pair: str | None = None, **more) -> torch.Tensor:
    inputs = own_inputs(folder, text, pair)
    if "token_type_ids" not in module.forward.__code__.co_varnames:
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        output = module(**inputs, **more)
    return torch.stack([output.start_logits, output.end_logits], 1)[0] if "start_logits" in output else output.logits[0]


def check_words(outputs, logits: torch.Tensor) -> None:
    assert len(outputs.tokens) == len(logits)
    for position, row in enumerate(logits):
        expected = row.softmax(-1).topk(7)
        words = outputs.top_words(position, 7)
        assert [word.token.id for word in words] == expected.indices.tolist()
        assert torch.tensor([word.probability for word in words]) == pytest.approx(expected.values, abs=CLOSE)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_oss", "bloom", "falcon"])
def test_words_of_a_decoder_are_those_that_may_follow(family, tmp_path):
    module = save_with_head(family, AutoModelForCausalLM, tmp_path)
    outputs = load_model(tmp_path).trace(SENTENCE).outputs
    assert outputs
    assert (outputs.task, outputs.predicts_next, outputs.masked) == ("text-generation", True, ())
    check_words(outputs, logits_of(module, tmp_path, SENTENCE))


@pytest.mark.parametrize(("family", "mask"), [("bert", "[MASK]"), ("roberta", "<mask>"), ("deberta-v2", "[MASK]")])
def test_words_of_a_masked_model_are_those_that_may_stand_there(family, mask, tmp_path):
    module = save_with_head(family, AutoModelForMaskedLM, tmp_path)
    text = MASKED.replace("[MASK]", mask)
    outputs = load_model(tmp_path).trace(text).outputs
    assert (outputs.task, outputs.predicts_next) == ("fill-mask", False)
    assert [outputs.tokens[position].text for position in outputs.masked] == [mask, mask]
    check_words(outputs, logits_of(module, tmp_path, text))


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_words_of_an_encoder_decoder_are_its_decoders(family, tmp_path):
    module = save_with_head(family, AutoModelForSeq2SeqLM, tmp_path)
    trace = load_model(tmp_path).trace(SENTENCE, target=TARGET)
    ids = torch.tensor([[token.id for token in trace["decoder"].query_tokens]])
    assert trace.outputs.tokens == trace["decoder"].query_tokens
    check_words(trace.outputs, logits_of(module, tmp_path, SENTENCE, decoder_input_ids=ids))


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "bart", "t5"])
def test_labels_of_a_text(family, tmp_path):
    names = {0: "bad", 1: "good", 2: "neither"}
    module = save_with_head(family, AutoModelForSequenceClassification, tmp_path, id2label=names)
    model = load_model(tmp_path)
    expected = logits_of(module, tmp_path, SENTENCE)
    for trace in (model.trace(SENTENCE), model.trace_batch(["The fox.", SENTENCE])[1]):
        labels = trace.outputs.labels()
        order = expected.argsort(descending=True).tolist()
        assert [(label.id, label.name) for label in labels] == [(number, names[number]) for number in order]
        assert [label.probability for label in labels] == pytest.approx(expected.softmax(-1)[order].tolist(), abs=CLOSE)
        assert [label.score for label in labels] == pytest.approx(expected[order].tolist(), abs=1e-4)
    assert model.card.notices == ()
    if family in ("bart", "t5"):
        # The decoder reads the text itself, shifted as the module shifts it: nobody gives it another one.
        encoder, decoder = (trace[kind].query_tokens for kind in ("encoder", "decoder"))
        assert [token.id for token in decoder[1:]] == [token.id for token in encoder[:-1]]
        with pytest.raises(HeadlightError, match="leave the target out"):
            model.trace(SENTENCE, target=TARGET)


@pytest.mark.parametrize(("family", "auto"), [("gpt2", AutoModelForCausalLM), ("t5", AutoModelForSeq2SeqLM)])
def test_a_text_that_the_model_generated_is_what_it_expected(family, auto, tmp_path):
    save_with_head(family, auto, tmp_path)
    model = load_model(tmp_path)
    outputs = model.trace(SENTENCE, generate=6 if family == "gpt2" else 0).outputs
    generated = [position for position, token in enumerate(outputs.tokens) if token.generated]
    assert len(generated) > 4
    for position in generated:
        assert outputs.top_words(position - 1, 1)[0].token.id == outputs.tokens[position].id


def test_several_labels_may_be_right_and_one_alone_is_a_score(tmp_path):
    both = {"id2label": {0: "a", 1: "b"}, "problem_type": "multi_label_classification"}
    module = save_with_head("bert", AutoModelForSequenceClassification, tmp_path / "several", **both)
    labels = load_model(tmp_path / "several").trace(SENTENCE).outputs.labels()
    expected = logits_of(module, tmp_path / "several", SENTENCE)
    assert [label.probability for label in labels] == pytest.approx(
        expected.sigmoid().sort(descending=True)[0].tolist()
    )
    one = {"id2label": {0: "similarity"}}
    for name, more, has_probability in (
        ("pipeline", {}, True),
        ("regression", {"problem_type": "regression"}, False),
        ("cross-encoder", {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, False),
    ):
        module = save_with_head("bert", AutoModelForSequenceClassification, tmp_path / name, **one, **more)
        (label,) = load_model(tmp_path / name).trace(SENTENCE).outputs.labels()
        (score,) = logits_of(module, tmp_path / name, SENTENCE).tolist()
        assert label.score == pytest.approx(score, abs=1e-5)
        assert label.probability == (
            pytest.approx(torch.tensor(score).sigmoid().item(), abs=CLOSE) if has_probability else None
        )


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "t5", "gpt2"])
def test_labels_of_tokens(family, tmp_path):
    module = save_with_head(
        family, AutoModelForTokenClassification, tmp_path, id2label={0: "O", 1: "B-PER", 2: "I-PER"}
    )
    model = load_model(tmp_path)
    outputs, expected = model.trace(SENTENCE).outputs, logits_of(module, tmp_path, SENTENCE).softmax(-1)
    assert outputs.task == "token-classification"
    assert model.card.kinds in (("encoder",), ("decoder",))
    for position, row in enumerate(expected):
        (best,) = outputs.token_labels(position, 1)
        assert (best.id, best.probability) == (int(row.argmax()), pytest.approx(float(row.max()), abs=CLOSE))
    with pytest.raises(BadSelection, match="no position 99"):
        outputs.token_labels(99)


def test_spans_are_the_best_of_all_pairs_in_the_second_text(tmp_path):
    module = save_with_head("bert", AutoModelForQuestionAnswering, tmp_path)
    question, text = "Who sat on the mat?", SENTENCE
    outputs = load_model(tmp_path).trace(question, text_pair=text).outputs
    start, end = logits_of(module, tmp_path, question, text)
    inside = [n for n, token in enumerate(outputs.tokens) if token.segment == 1 and token.start is not None]
    of_start, of_end = start[inside].softmax(-1), end[inside].softmax(-1)
    pairs = [
        (float(of_start[one] * of_end[other]), inside[one], inside[other])
        for one in range(len(inside))
        for other in range(one, min(one + MOST_SPAN, len(inside)))
    ]
    expected = sorted(pairs, reverse=True)[:3]
    spans = outputs.spans()
    assert [(span.first, span.last) for span in spans] == [(one, other) for _, one, other in expected]
    assert [span.probability for span in spans] == pytest.approx(
        [probability for probability, _, _ in expected], abs=CLOSE
    )
    assert text[spans[0].start : spans[0].end]


def test_names_of_labels_are_data(tmp_path):
    names = {0: "<img src=x onerror=alert(1)>", 1: "x" * 100_000, 2: "a\u202eb\n"}
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path, id2label=names)
    labels = {label.id: label.name for label in load_model(tmp_path).trace(SENTENCE).outputs.labels()}
    assert labels[0] == names[0]  # whoever draws it escapes it
    assert len(labels[1]) <= 80
    assert "\u202e" not in labels[2]
    assert "\n" not in labels[2]


def test_what_a_model_does_not_answer_is_refused_in_a_sentence(tmp_path, minilm):
    with pytest.raises(NoAnswer, match="has no head"):
        minilm.trace(SENTENCE).outputs.labels()
    assert not minilm.trace(SENTENCE).outputs
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    outputs = load_model(tmp_path).trace(SENTENCE).outputs
    for ask in (outputs.labels, outputs.spans, lambda: outputs.token_labels(0)):
        with pytest.raises(NoAnswer, match="its head is one for text-generation"):
            ask()
    for position in (len(outputs.tokens), -len(outputs.tokens) - 1, 10**30):
        with pytest.raises(BadSelection, match="There is no position"):
            outputs.top_words(position)
    for wrong in ("0", 1.5, None, [0]):
        with pytest.raises(BadSelection, match="is a whole number, not"):
            outputs._check(wrong)  # the public methods check it so; here, annotations refuse it before
    assert outputs.top_words(-1) == outputs.top_words(len(outputs.tokens) - 1)
    assert outputs.top_words(0, 0) == ()
    assert len(outputs.top_words(0, 10**9)) == 100


def test_labels_survive_pickling_and_words_say_what_they_need(tmp_path):
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path / "labels")
    trace = load_model(tmp_path / "labels").trace(SENTENCE)
    assert pickle.loads(pickle.dumps(trace)).outputs.labels() == trace.outputs.labels()
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path / "words")
    trace = load_model(tmp_path / "words").trace(SENTENCE)  # the model itself is gone: its head is enough
    words = trace.outputs.top_words(3)
    assert copy.copy(trace).outputs.top_words(3) == words
    assert copy.deepcopy(trace).outputs.top_words(3) == words
    with pytest.raises(NoAnswer, match="saved without its model"):
        pickle.loads(pickle.dumps(trace)).outputs.top_words(3)


def test_words_of_changed_weights_are_refused(tmp_path):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    model = load_model(tmp_path)
    trace = model.trace(SENTENCE)
    with torch.no_grad():
        model.module.lm_head.weight.mul_(2)
    with pytest.raises(NoAnswer, match="have changed since this trace"):
        trace.outputs.top_words(0)
    assert model.trace(SENTENCE).outputs.top_words(0)


def test_attention_does_not_depend_on_the_head(tmp_path):
    """The same body with and without a head: the same weights, to the bit."""
    module = save_with_head("bert", AutoModelForMaskedLM, tmp_path / "head")
    save_with_head("bert", AutoModelForMaskedLM, tmp_path / "body")
    module.base_model.save_pretrained(tmp_path / "body")
    with_head, body = (load_model(tmp_path / name).trace(SENTENCE) for name in ("head", "body"))
    assert with_head.outputs
    assert not body.outputs
    for layer in range(2):
        assert (with_head["encoder"].layer(layer) == body["encoder"].layer(layer)).all()


def test_a_trace_keeps_one_row_of_numbers_for_each_token(tmp_path):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    trace: models.AttentionTrace = load_model(tmp_path, dtype="float16").trace(SENTENCE)
    kept = trace.outputs.hidden
    assert kept is not None
    assert (kept.dtype, tuple(kept.shape)) == (torch.float16, (len(trace.outputs.tokens), 42))
    assert kept.untyped_storage().nbytes() == kept.numel() * 2  # not a view of something larger


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
def test_labels_of_a_picture(problem, tmp_path):
    names = {0: "cat", 1: "mat", 2: "fox"}
    settings = {"image_size": 24, "patch_size": 8, "hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3}
    torch.manual_seed(3)
    config = ViTConfig(**settings, intermediate_size=40, id2label=names, problem_type=problem)
    module = ViTForImageClassification(config).eval()
    module.save_pretrained(tmp_path)
    processor = ViTImageProcessorPil(size={"height": 24, "width": 24})
    processor.save_pretrained(tmp_path)
    picture = Image.effect_noise((31, 29), 60).convert("RGB")
    outputs = load_model(tmp_path).trace(image=picture).outputs
    with torch.no_grad():
        logits = module(**processor(picture, return_tensors="pt")).logits[0]
    expected = logits.sigmoid() if problem else logits.softmax(-1)
    assert outputs.task == "image-classification"
    for label in outputs.labels():
        assert label.name == names[label.id]
        assert label.probability == pytest.approx(float(expected[label.id]), abs=CLOSE)
