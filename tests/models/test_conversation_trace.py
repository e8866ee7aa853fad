"""Traces of conversations: what the model reads, its tokens' roles, and what makes the trace again."""

import pytest

from models import load_model
from models.errors import NoText
from tests.helpers.chat_templates import CHATML, SPECIAL, save_chat_model

pytestmark = pytest.mark.slow

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "The cat sat?"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(save_chat_model(tmp_path_factory.mktemp("chat"))))


def test_a_trace_reads_the_ids_of_the_template(model):
    trace = model.trace(messages=MESSAGES)
    tokens = trace["decoder"].query_tokens
    expected = model.tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, return_dict=False)
    assert [token.id for token in tokens] == expected
    assert trace.source.text == model.tokenizer.apply_chat_template(
        MESSAGES, tokenize=False, add_generation_prompt=True
    )
    assert trace.source.messages == (("system", "Be brief."), ("user", "The cat sat?"))
    assert model.estimate(messages=MESSAGES).n_tokens == len(expected)


def test_every_token_has_the_role_of_its_message(model):
    tokens = model.trace(messages=MESSAGES, generate=3)["decoder"].query_tokens
    read = "".join(token.text for token in tokens if token.role == "user")
    assert read == "<|im_start|>userĊTheĠcatĠsat?<|im_end|>Ċ"
    assert [token.role for token in tokens[-3:]] == ["assistant"] * 3
    assert all(token.generated for token in tokens[-3:])
    assert {token.text for token in tokens if token.special} >= {"<|im_start|>", "<|im_end|>"}
    assert not {token.text for token in tokens[:-3] if not token.special} & set(SPECIAL)
    assert all(token.word is None for token in tokens if token.special)


def test_a_source_makes_the_trace_again(model):
    first = model.trace(messages=MESSAGES, generate=3)
    again = model.trace(messages=first.source.messages, generate=first.source.generate)
    assert again.source == first.source
    assert again["decoder"].query_tokens == first["decoder"].query_tokens


def test_a_text_has_no_roles(model):
    assert {token.role for token in model.trace("The cat")["decoder"].query_tokens} == {""}


def test_a_change_of_the_template_takes_effect(model):
    try:
        model.tokenizer.chat_template = "{{ messages[0].content }}"
        assert model.trace(messages=MESSAGES[1:]).source.text == "The cat sat?"
        model.tokenizer.chat_template = None
        with pytest.raises(NoText, match="has no chat template"):
            model.trace(messages=MESSAGES)
    finally:
        model.tokenizer.chat_template = CHATML


def test_a_conversation_longer_than_the_model_reads_is_cut(model):
    trace = model.trace(messages=[{"role": "user", "content": "The cat sat. " * 100}])
    assert len(trace["decoder"].query_tokens) == 256
    assert "The first 256 of" in trace.notices[0]


@pytest.mark.parametrize("beside", [{"text": "a"}, {"text_pair": "a"}])
def test_a_conversation_is_read_alone(model, beside):
    with pytest.raises(NoText, match="read alone"):
        model.trace(messages=MESSAGES, **beside)


def test_the_card_says_whether_a_model_reads_conversations(model, tmp_path):
    assert model.card.chats
    assert not load_model(str(save_chat_model(tmp_path, template=None))).card.chats
