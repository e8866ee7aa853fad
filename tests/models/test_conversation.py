"""Conversations are read through the model's own template, and each token has the role of its message."""

import pytest

from models.conversation import ConversationReader
from models.errors import NoText
from models.tokens import TokenReader
from tests.helpers.chat_templates import (
    CHATML,
    GEMMA,
    LLAMA3,
    MISTRAL,
    MISTRAL_LAST,
    THINKING,
    ZEPHYR,
    chat_tokenizer,
)

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
    assert TokenReader(tokenizer, None).tokenize(conversation.text, add_special_tokens=False).inputs["input_ids"] == expected


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
