"""Conversations are read through the model's own template, and each token has the role of its message."""

from functools import cache

import pytest

from models.chat_template import Child
from models.conversation import ConversationReader, check_messages
from models.errors import NoText
from models.tokens import TokenReader
from tests.helpers.chat_templates import (
    CHATML,
    GEMMA,
    LAST_ONLY,
    LLAMA3,
    MISTRAL,
    MISTRAL_LAST,
    THINKING,
    ZEPHYR,
    chat_tokenizer,
)

pytestmark = pytest.mark.slow

SYSTEM, USER, ANSWER, AGAIN = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "user"},
    {"role": "assistant", "content": " The cat sat. "},
    {"role": "user", "content": "user"},
)
TURNS = [USER, ANSWER, AGAIN]
PUBLISHED = {
    "chatml": CHATML,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
    "gemma": GEMMA,
    "zephyr": ZEPHYR,
    "thinking": THINKING,
}


@pytest.fixture(scope="module", autouse=True)
def _one_child():
    """One process renders the templates of all tests: it takes a second to start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("models.chat_template.Child", cache(Child))
        yield


def read(template, messages, **options):
    tokenizer = chat_tokenizer(template)
    return tokenizer, ConversationReader(tokenizer, "the model").read(messages, **options)


def parts(conversation):
    """The text in parts with their roles."""
    starts = [*(start for start, _ in conversation.places.parts), len(conversation.text)]
    roles = [role for _, role in conversation.places.parts]
    return [(role, conversation.text[start:end]) for role, start, end in zip(roles, starts, starts[1:], strict=False)]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("messages", [TURNS, TURNS[:2], [SYSTEM, *TURNS]], ids=["asked", "answered", "system"])
def test_the_model_reads_the_ids_of_its_own_template(name, messages):
    if name == "gemma" and messages[0] is SYSTEM:
        with pytest.raises(NoText, match=r"the model refuses these messages \(System role not supported\)"):
            read(PUBLISHED[name], messages)
        return
    tokenizer, conversation = read(PUBLISHED[name], messages)
    asked = messages[-1]["role"] != "assistant"
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=asked, return_dict=False)
    assert conversation.text == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asked)
    assert (
        TokenReader(tokenizer, None).tokenize(conversation.text, add_special_tokens=False).inputs["input_ids"]
        == expected
    )


@pytest.mark.parametrize(
    ("template", "messages", "expected"),
    [
        (
            CHATML,
            TURNS,
            [
                ("system", "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n"),
                ("user", "<|im_start|>user\nuser<|im_end|>\n"),
                ("assistant", "<|im_start|>assistant\n The cat sat. <|im_end|>\n"),
                ("user", "<|im_start|>user\nuser<|im_end|>\n"),
                ("assistant", "<|im_start|>assistant\n"),
            ],
        ),
        (
            LLAMA3,
            [USER, ANSWER],
            [
                ("", "<s>"),
                (
                    "system",
                    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n\n<|eot_id|>",
                ),
                ("user", "<|start_header_id|>user<|end_header_id|>\n\nuser<|eot_id|>"),
                ("assistant", "<|start_header_id|>assistant<|end_header_id|>\n\nThe cat sat.<|eot_id|>"),
            ],
        ),
        (
            MISTRAL,
            [SYSTEM, *TURNS],
            [
                ("", "<s>"),
                ("system", "[INST] Be brief."),
                ("user", "\n\nuser [/INST]"),
                ("assistant", "  The cat sat. </s>"),
                ("user", "[INST] user [/INST]"),
            ],
        ),
        (
            MISTRAL_LAST,
            [SYSTEM, *TURNS],
            [
                ("", "<s>"),
                ("user", "[INST] user [/INST]"),
                ("assistant", "  The cat sat. </s>"),
                ("system", "[INST] Be brief."),
                ("user", "\n\nuser [/INST]"),
            ],
        ),
        (
            GEMMA,
            TURNS,
            [
                ("", "<s>"),
                ("user", "<start_of_turn>user\nuser<end_of_turn>\n"),
                ("assistant", "<start_of_turn>model\nThe cat sat.<end_of_turn>\n"),
                ("user", "<start_of_turn>user\nuser<end_of_turn>\n"),
                ("assistant", "<start_of_turn>model\n"),
            ],
        ),
        (
            ZEPHYR,
            [SYSTEM, USER],
            [
                ("system", "<|system|>\nBe brief.</s>\n"),
                ("user", "<|user|>\nuser</s>\n"),
                ("assistant", "<|assistant|>"),
            ],
        ),
        (
            THINKING,
            [USER, {"role": "assistant", "content": "<think>Cats sit.</think>\n\nIt sat."}, AGAIN],
            [
                ("user", "<|im_start|>user\nuser<|im_end|>\n"),
                ("assistant", "<|im_start|>assistant\nIt sat.<|im_end|>\n"),
                ("user", "<|im_start|>user\nuser<|im_end|>\n"),
                ("assistant", "<|im_start|>assistant\n"),
            ],
        ),
    ],
    ids=["chatml", "llama3", "mistral", "mistral-last", "gemma", "zephyr", "thinking"],
)
def test_markup_belongs_to_the_message_that_it_begins_or_ends(template, messages, expected):
    _, conversation = read(template, messages)
    assert parts(conversation) == expected
    assert conversation.notices == ()


def test_a_message_that_the_template_leaves_out_is_named():
    _, conversation = read(LAST_ONLY, TURNS)
    assert conversation.notices == (
        "Message 1 and 1 more of the conversation (user) is not in the text that the chat template makes, or the "
        "template changes it.",
    )


def test_contents_that_a_template_changes_are_searched_in_order():
    shouting = CHATML.replace("message['content'] +", "(message['content'] | replace('\U000f0000', '!')) +")
    _, conversation = read(shouting, TURNS)
    assert [role for role, _ in parts(conversation)] == ["system", "user", "assistant", "user", "assistant"]
    assert conversation.notices == ()


def test_an_answer_that_the_model_continues_is_left_open():
    messages = [USER, {"role": "assistant", "content": "The cat"}]
    assert read(CHATML, messages)[1].text.endswith("assistant\nThe cat<|im_end|>\n")
    tokenizer, conversation = read(CHATML, messages, continued=True)
    assert conversation.text == tokenizer.apply_chat_template(messages, tokenize=False, continue_final_message=True)
    assert conversation.text.endswith("assistant\nThe cat")
    assert parts(conversation)[-1] == ("assistant", "<|im_start|>assistant\nThe cat")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "within"),
        ("{{ 'a' * 9999999999 }}", "too much memory"),
        ("{{ 'a' * 5000000 }}", "5,000,000 characters"),
        ("{{ raise_exception('Only tools may speak') }}", "Only tools may speak"),
        ("{{ messages[7].content }}", "no element 7"),
        ("{{ nothing.at.all }}", "'nothing' is undefined"),
        ("{% if %}", "Expected an expression"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined"),
        ("   ", "empty text"),
        ({"tool_use": "a", "rag": "b"}, "several chat templates"),
        (None, "has no chat template, so it reads no messages"),
    ],
)
def test_a_template_that_makes_no_text_is_refused_in_one_sentence(template, why, monkeypatch):
    monkeypatch.setattr("models.chat_template.TIMEOUT_SECONDS", 0.5)
    with pytest.raises(NoText, match=why) as refused:
        read(template, [USER])
    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


def test_a_template_is_rendered_again_after_one_that_never_ended(monkeypatch):
    monkeypatch.setattr("models.chat_template.TIMEOUT_SECONDS", 0.5)
    tokenizer = chat_tokenizer("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    reader = ConversationReader(tokenizer, "the model")
    with pytest.raises(NoText):
        reader.read([USER])
    tokenizer.chat_template = CHATML
    assert reader.read([USER]).text.endswith("user\nuser<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ("Hello", "a text came"),
        ({"role": "user", "content": "a"}, "dict came"),
        (7, "int came"),
        ([], "1 to 10,000 messages, and 0 came"),
        ([USER] * 10_001, "10,001 came"),
        (["Hello"], "Message 1 is str"),
        ([USER, None], "Message 2 is NoneType"),
        ([{"content": "a"}], "the role 'None'"),
        ([{"role": "", "content": "a"}], "the role ''"),
        ([{"role": "us\ner", "content": "a"}], "the role"),
        ([{"role": "a" * 65, "content": "a"}], "the role"),
        ([{"role": 3, "content": "a"}], "the role '3'"),
        ([{"role": "user"}], "no content"),
        ([{"role": "user", "content": 3}], "int as its content"),
        ([{"role": "user", "content": [{"type": "image"}]}], "list as its content"),
        ([{"role": "assistant", "content": "a", "tool_calls": []}], "'tool_calls'"),
        ([{"role": "user", "content": " \n"}, {"role": "user", "content": ""}], "no message has a visible"),
        ([{"role": "user", "content": "a" * 2_000_001}], "2,000,001 characters"),
    ],
)
def test_what_is_no_conversation_is_refused_in_one_sentence(messages, why):
    with pytest.raises(NoText, match=why):
        check_messages(messages)


def test_lone_surrogates_are_replaced_and_counted():
    assert check_messages([{"role": "user", "content": "a\ud800b\udfff"}]) == ((("user", "a\ufffdb\ufffd"),), 2)


def test_a_thousand_messages_of_private_characters_are_read():
    messages = [{"role": "user", "content": f"\U000f0000 {number}"} for number in range(1_000)]
    _, conversation = read(CHATML, messages)
    assert {role for role, _ in parts(conversation)} == {"system", "user", "assistant"}
    assert conversation.notices == ()
