"""Token ids as a text, texts without added special tokens, and second start tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModel

from models.errors import NoText
from models.given_text import GivenText, read_text
from models.request import Request
from tests.helpers import small_models as small
from tests.helpers.rounding import OF_PASSES

pytestmark = pytest.mark.slow

IDS = [2, 85, 17, 3]
HUGE = 10**5000


@pytest.mark.parametrize(
    "given",
    [
        IDS,
        tuple(IDS),
        [IDS],
        np.array(IDS),
        np.array([IDS], dtype=np.uint16),
        np.array(IDS, dtype=object),
        torch.tensor(IDS),
        torch.tensor([IDS], dtype=torch.int32),
        [np.int64(each) for each in IDS],
        list(torch.tensor(IDS)),
        [torch.tensor(IDS)],
    ],
)
def test_ids_are_read_from_lists_arrays_and_tensors(given):
    assert read_text(given) == GivenText(ids=tuple(IDS))


def test_a_range_is_ids():
    assert read_text(range(3, 6)).ids == (3, 4, 5)


@pytest.mark.parametrize(
    "given",
    [
        [True, False],
        [1, True],
        [1.0, 2.0],
        [float("nan")],
        [-1],
        [2**31],
        [HUGE],
        [-HUGE],
        [1, "a"],
        ["a", 1],
        [None],
        [[1, 2], [3, 4]],
        [[[1]]],
        [[]],
        [{}],
        {},
        {"input_ids": IDS},
        {1, 2},
        5,
        1.5,
        b"bytes",
        object(),
        iter([1]),
        range(10**30),
        ["a"] * 2_000_001,
        range(-3, 5),
        np.array(5),
        np.zeros((2, 3), int),
        np.zeros((1, 1, 3), int),
        np.zeros(0, int),
        np.array([1.0]),
        np.array([True]),
        np.array(["a"]),
        np.array([1, None]),
        torch.zeros(2, 3, dtype=torch.long),
        torch.zeros(3),
        torch.zeros(3, dtype=torch.bool),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, dtype=torch.long, device="meta"),
        torch.tensor(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_else_is_refused_in_one_sentence(given):
    with pytest.raises(NoText) as refused:
        read_text(given)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert ": " in sentence  # a remedy follows
    assert len(sentence) < 300
    assert "\n" not in sentence


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "bart", "t5"])
def test_the_model_reads_exactly_the_given_ids(loaded, family):
    model = loaded(family)
    ids = [5, 9, 2, 9, 40]
    trace = model.trace(ids)
    kind = trace.kinds[0]
    assert [token.id for token in trace[kind].key_tokens] == ids
    assert trace.source.ids == tuple(ids)
    assert trace.source.text == model.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert [token.text for token in trace[kind].key_tokens] == model.tokenizer.convert_ids_to_tokens(ids)
    assert all(token.start is None for token in trace[kind].key_tokens)
    if not model.module.config.is_encoder_decoder:
        assert model.estimate(ids).n_tokens == len(ids)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_weights_of_given_ids_are_those_of_an_eager_pass(loaded, family, tmp_path):
    model = loaded(family)
    ids = [5, 9, 2, 9, 40]
    small.build(family, tmp_path)
    plain = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = plain(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    trace = model.trace(np.array([ids]))
    for number, layer in enumerate(expected):
        np.testing.assert_allclose(trace[trace.kinds[0]].layer(number), layer[0].numpy(), atol=OF_PASSES)


def test_ids_of_a_text_are_that_text(minilm):
    text = "The cat sat on the mat."
    of_text = minilm.trace(text)["encoder"]
    of_ids = minilm.trace(minilm.tokenizer(text)["input_ids"])["encoder"]
    np.testing.assert_array_equal(of_ids.layer(2), of_text.layer(2))
    assert [token.special for token in of_ids.key_tokens] == [token.special for token in of_text.key_tokens]
    assert [token.word for token in of_ids.key_tokens] == [token.word for token in of_text.key_tokens]
    assert minilm.trace(minilm.trace(text).source.text).source.ids is None


def test_ids_that_the_model_lacks_are_refused(loaded):
    model = loaded("bert")
    for call in (model.trace, model.estimate):
        with pytest.raises(NoText, match=r"^There is no token 157 \(at position 1\): .+ has the ids 0 to 156\.$"):
            call([5, 157, 3])
    assert model.trace([5, 156])["encoder"].key_tokens[1].id == 156


def test_too_many_ids_are_cut_with_a_notice(loaded):
    model = loaded("bert")
    trace = model.trace([5] * 95)
    assert len(trace["encoder"].key_tokens) == 89
    assert trace.notices[0].startswith("The first 89 of 95 tokens are shown")
    assert model.estimate([5] * 95).n_tokens == 89


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"text": [5], "text_pair": "cat"}, "Token ids are read as they are: leave out text_pair"),
        ({"text": [5], "src_lang": "fr"}, "Token ids are read as they are: leave out src_lang"),
        ({"text": "cat", "text_pair": [5]}, "text_pair is a text or its words, not token ids"),
    ],
)
def test_what_does_not_go_with_ids_is_refused(loaded, inputs, sentence):
    for call in (loaded("bert").trace, loaded("bert").estimate):
        with pytest.raises(NoText, match=sentence):
            call(**inputs)


def test_ids_are_continued_and_translated(loaded, tmp_path):
    trace = loaded("bart").trace([0, 5, 9, 2], target="the cat")
    assert [token.id for token in trace["encoder"].key_tokens] == [0, 5, 9, 2]
    assert trace["decoder"].query_tokens[0].id == 2


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "bart", "t5"])
def test_without_special_tokens_only_the_text_is_read(loaded, family):
    model = loaded(family)
    trace = model.trace("the cat sat", add_special_tokens=False)
    expected = model.tokenizer("the cat sat", add_special_tokens=False)["input_ids"]
    tokens = trace[trace.kinds[0]].key_tokens
    assert [token.id for token in tokens] == expected
    assert not any(token.special for token in tokens)
    assert trace.source.add_special_tokens is False
    if model.module.config.is_encoder_decoder:
        target = model.tokenizer(text_target="a dog", add_special_tokens=False)["input_ids"]
        trace = model.trace("the cat sat", target="a dog", add_special_tokens=False)
        assert [token.id for token in trace["decoder"].key_tokens][1:] == target[:-1]
    else:
        assert model.estimate("the cat sat", add_special_tokens=False).n_tokens == len(expected)


@pytest.mark.parametrize(
    ("family", "text", "twice"),
    [
        ("bert", "[CLS] the cat", "begins with [CLS]"),
        ("bert", "the cat [SEP]", "ends with [SEP]"),
        ("bert", "the [SEP] cat", None),
        ("llama", "<s>the cat", "begins with <s>"),
        ("llama", "the <s>cat", None),
        ("llama", "the cat</s>", None),
        ("t5", "the cat</s>", "ends with </s>"),
        ("roberta", "<s>the cat</s>", "begins with <s>"),
        ("gpt2", "<s>the cat", None),
    ],
)
def test_a_second_start_token_is_said(loaded, family, text, twice):
    model = loaded(family)
    trace = model.trace(text)
    read = [token.id for token in trace[trace.kinds[0]].key_tokens]
    assert read == model.tokenizer(text)["input_ids"]
    found = [notice for notice in trace.notices if "adds it once more" in notice]
    assert bool(found) == bool(twice)
    if twice:
        assert f"The text {twice}, and the tokenizer adds it once more" in found[0]
        alone = model.trace(text, add_special_tokens=False)
        ids = [token.id for token in alone[alone.kinds[0]].key_tokens]
        assert ids == model.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert not [notice for notice in alone.notices if "adds it once more" in notice]


def test_typed_special_tokens_are_special_where_none_are_added(loaded):
    tokens = loaded("bert").trace("[CLS] the [MASK] cat [SEP]", add_special_tokens=False)["encoder"].key_tokens
    assert [token.text for token in tokens if token.special] == ["[CLS]", "[SEP]"]
    assert (tokens[0].start, tokens[0].end) == (0, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 5},
        {"target": ["a"]},
        {"src_lang": 5},
        {"tgt_lang": ["fr"]},
        {"add_special_tokens": 1},
        {"add_special_tokens": None},
        {"generate": 1.5},
        {"generate": True},
        {"generate": "3"},
        {"generate": None},
    ],
    ids=str,
)
def test_arguments_of_a_wrong_type_are_refused(wrong):
    # The tests' own checks of types would refuse them first.
    request = object.__new__(Request)
    for name, value in {"text": "the cat", **wrong}.items():
        object.__setattr__(request, name, value)
    with pytest.raises(NoText, match="not of the type"):
        request.__post_init__()
