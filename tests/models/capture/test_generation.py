"""Two texts, or a text and what the model writes after it: every token says where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, PreTrainedTokenizerFast

from models import Model, errors, load_model
from tests.helpers import small_models
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import FAMILIES, SENTENCE, TARGET, sharpen, with_head

pytestmark = pytest.mark.slow

WRITERS = ("gpt2", "llama", "gemma2", "bloom")


@pytest.fixture(scope="module")
def writers(tmp_path_factory) -> dict[str, Model]:
    """Decoders saved with the head that lets them write; Bloom's weights are materialised."""
    return {name: load_model(str(with_head(name, tmp_path_factory.mktemp("writers") / name))) for name in WRITERS}


@pytest.mark.parametrize("name", WRITERS)
def test_a_decoder_continues_its_text_and_both_are_traced(name, writers):
    model = writers[name]
    assert (model.card.writes, model.card.capture) == (True, FAMILIES[name]().capture)
    plain, trace = model.trace(SENTENCE), model.trace(SENTENCE, generate=7)
    n_prompt = len(plain["decoder"].query_tokens)
    tokens = trace["decoder"].query_tokens
    assert tokens[:n_prompt] == plain["decoder"].query_tokens
    assert [token.generated for token in tokens] == [False] * n_prompt + [True] * (len(tokens) - n_prompt)
    assert 1 <= len(tokens) - n_prompt <= 7
    assert (plain.source.generate, trace.source.generate) == (0, len(tokens) - n_prompt)
    assert plain.source.generated is None
    assert trace.source.generated == model.tokenizer.decode([token.id for token in tokens[n_prompt:]])
    assert trace.notices[-1] == (
        f"The last {len(tokens) - n_prompt} of {len(tokens)} tokens are the model's own continuation, greedily chosen."
    )
    folder = Path(model.module.name_or_path)
    module = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = AutoTokenizer.from_pretrained(folder)(SENTENCE, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        ids = inputs["input_ids"]
        for _ in range(len(tokens) - n_prompt):  # greedy, by hand
            ids = torch.cat([ids, module(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
        eager = module(input_ids=ids, output_attentions=True).attentions
    assert [token.id for token in tokens] == ids[0].tolist()
    for layer, expected in enumerate(eager):
        assert np.abs(trace["decoder"].layer(layer) - expected[0].numpy()).max() <= OF_PASSES


def test_a_continuation_of_a_pair_goes_on_with_the_second_text(writers):
    trace = writers["gpt2"].trace("the cat", text_pair="a lazy dog", generate=5)
    tokens = trace["decoder"].query_tokens
    segments = [token.segment for token in tokens]
    first = segments.index(1)
    assert "".join(token.display for token in tokens[:first]) == "the␣cat"
    assert segments == sorted(segments)
    assert any(token.generated for token in tokens)
    assert trace.notices[0].startswith("The model reads the two texts as one: ")


def test_what_is_written_after_a_pair_leaves_the_token_types_of_the_pair(tmp_path):
    """Without them the traced pass would read another text than the one that was continued."""
    torch.manual_seed(13)
    module = AutoModelForCausalLM.from_config(BertConfig(**small_models._bert_like(is_decoder=True)))
    sharpen(module, 13)
    module.save_pretrained(tmp_path)
    names = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(
        tokenizer_object=small_models.wordpiece(), model_input_names=names, **small_models.BERT_NAMES
    ).save_pretrained(tmp_path)
    model = load_model(str(tmp_path))
    plain = model.trace("the cat", text_pair="a lazy dog")["decoder"]
    both = model.trace("the cat", text_pair="a lazy dog", generate=5)["decoder"]
    assert both.n_query > plain.n_query
    for layer in range(plain.n_layers):
        difference = both.layer(layer, slice(0, plain.n_query), slice(0, plain.n_query)) - plain.layer(layer)
        assert np.abs(difference).max() <= OF_PASSES


def test_the_prompt_sees_nothing_of_the_continuation(writers):
    plain = writers["llama"].trace(SENTENCE)["decoder"]
    both = writers["llama"].trace(SENTENCE, generate=5)["decoder"]
    n_prompt = plain.n_query
    for layer in range(both.n_layers):
        assert not both.layer(layer, slice(0, n_prompt), slice(n_prompt, None)).any()
        difference = both.layer(layer, slice(0, n_prompt), slice(0, n_prompt)) - plain.layer(layer)
        assert np.abs(difference).max() <= OF_PASSES


def test_a_continuation_ends_where_the_model_can_read_no_more(writers):
    model = writers["gpt2"]
    long = SENTENCE * 20
    trace = model.trace(long, generate=5)
    assert len(trace["decoder"].query_tokens) == 97
    assert trace.notices[-1].startswith("There is no room for a continuation: ")
    n_short = len(model.trace(SENTENCE)["decoder"].query_tokens)
    assert len(model.trace(SENTENCE, generate=10_000)["decoder"].query_tokens) <= 97
    assert len(model.trace(SENTENCE, generate=0)["decoder"].query_tokens) == n_short


@pytest.mark.parametrize("n_asked", [5, 300, 10**6])
def test_an_estimate_counts_no_more_than_a_continuation_may_have(n_asked, writers, monkeypatch):
    """Not what was asked for: 97 positions are all that this model has."""
    model = writers["gpt2"]
    n_prompt = len(model.trace(SENTENCE)["decoder"].query_tokens)
    assert model.estimate(SENTENCE, generate=n_asked).n_tokens == min(n_prompt + n_asked, 97)
    assert model.estimate(SENTENCE * 20, generate=n_asked).n_tokens == 97
    monkeypatch.setattr("models.input_builder.MAX_CONTINUATION", 3)
    assert model.estimate(SENTENCE, generate=n_asked).n_tokens == n_prompt + 3


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_without_a_head_there_is_no_continuation(family, loaded):
    model = loaded(family)
    assert not model.card.writes
    with pytest.raises(errors.BrokenModel, match="has no language-model head, so it cannot continue a text: leave"):
        model.trace(SENTENCE, generate=3)
    assert model.trace(SENTENCE).kinds == model.card.kinds


def test_what_an_encoder_decoder_writes_is_told_from_what_it_is_given(loaded):
    own, given = loaded("bart").trace(SENTENCE), loaded("bart").trace(SENTENCE, target=TARGET)
    start, *more = own["decoder"].query_tokens
    assert not start.generated
    assert more
    assert all(token.generated for token in more)
    assert not any(token.generated for token in given["decoder"].query_tokens)
    assert not any(token.generated for token in own["encoder"].query_tokens)
    read = loaded("bart").tokenizer.decode([token.id for token in more])
    assert (own["encoder"].source.generated, own.source.target) == (read, None)
    assert (given.source.generated, given.source.target) == (None, TARGET)


def test_every_token_of_a_pair_knows_its_text(minilm, loaded):
    tokens = minilm.trace("the cat sat", text_pair="on a mat today")["encoder"].query_tokens
    assert [token.text for token in tokens] == [
        "[CLS]",
        "the",
        "cat",
        "sat",
        "[SEP]",
        "on",
        "a",
        "mat",
        "today",
        "[SEP]",
    ]
    assert [token.segment for token in tokens] == [0] * 5 + [1] * 5
    assert {token.segment for token in minilm.trace("the cat sat")["encoder"].query_tokens} == {0}
    # Without token types of their own: RoBERTa's.
    tokens = loaded("roberta").trace("the cat", text_pair="a dog")["encoder"].query_tokens
    first, second = tokens.index(next(t for t in tokens if t.segment)), len(tokens)
    assert 0 < first < second
    assert {token.segment for token in tokens[:first]} == {0}
    assert {token.segment for token in tokens[first:]} == {1}
    assert "".join("the cat"[t.start : t.end] for t in tokens[:first] if t.start is not None) == "thecat"
    assert "".join("a dog"[t.start : t.end] for t in tokens[first:] if t.start is not None) == "adog"


@pytest.mark.parametrize(
    ("family", "asked", "sentence"),
    [
        (
            "bert",
            {"target": TARGET},
            "is not an encoder-decoder, so no part of it reads a target: leave the target out.",
        ),
        ("gpt2", {"target": ""}, "is not an encoder-decoder, so no part of it reads a target: leave the target out."),
        ("bart", {"target": TARGET, "generate": 3}, "leave out the target or the continuation."),
        (
            "bart",
            {"generate": 3},
            "is an encoder-decoder: without a target its decoder reads the text that it generates",
        ),
        ("gpt2", {"generate": -3}, "A continuation has 0 tokens or more, not -3"),
        ("bart", {"target": ""}, "There is nothing to inspect: the target is empty"),
    ],
)
def test_what_nobody_would_read_or_write_is_refused(family, asked, sentence, loaded):
    with pytest.raises(errors.NoText, match=sentence):
        loaded(family).trace(SENTENCE, **asked)


def test_a_continuation_that_is_shorter_than_asked_for_says_why(writers, monkeypatch):
    model = writers["llama"]
    room = model.card.max_tokens - len(model.trace(SENTENCE)["decoder"].query_tokens)
    trace = model.trace(SENTENCE, generate=600)
    n_new = trace.source.generate
    why = "the model cannot read more at once"
    assert (n_new, room < 256) == (room, True), "this model was to write to its end"
    assert trace.notices[-2] == f"Of 600 tokens that were asked for, the model generated {n_new}: {why}."
    monkeypatch.setattr("models.input_builder.MAX_CONTINUATION", 3)
    trace = model.trace(SENTENCE, generate=5)
    assert (
        trace.notices[-2]
        == "Of 5 tokens that were asked for, the model generated 3: 3 is the maximum for a continuation."
    )
    monkeypatch.setattr(model.module.generation_config, "eos_token_id", trace["decoder"].query_tokens[-2].id)
    trace = model.trace(SENTENCE, generate=3)
    assert "of 3 tokens that were asked for" in trace.notices[-2].lower()
    assert trace.notices[-2].endswith(": the model ended its text there.")


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("cannot reshape tensor of 0 elements", errors.BrokenModel),
        ("DefaultCPUAllocator: can't allocate memory", errors.NotEnoughMemory),
    ],
)
def test_what_goes_wrong_while_a_model_writes_is_a_refusal(why, kind, writers, monkeypatch):
    model = writers["gpt2"]

    def fails(**given: object) -> None:
        raise RuntimeError(why)

    monkeypatch.setattr(model.module, "generate", fails)
    with pytest.raises(kind):
        model.trace(SENTENCE, generate=3)
