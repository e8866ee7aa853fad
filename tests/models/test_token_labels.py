"""Token labels come from what produced the ids, on each side, for every kind of tokenizer."""

from __future__ import annotations

import pytest
import transformers as tf

from models.checkpoints.locate import ModelFolder
from models.checkpoints.tokenizer import load_tokenizer
from models.tokens import TokenReader
from tests.helpers.tokenizer_kinds import KINDS, SOURCE_TEXT, TARGET_TEXT

pytestmark = pytest.mark.slow

# The config that a folder needs for its tokenizer's class, if it has no tokenizer_class of its own.
CONFIGS = {"CANINE": tf.CanineConfig, "Perceiver": tf.PerceiverConfig}


@pytest.fixture(scope="module", params=KINDS)
def saved(request, tmp_path_factory):
    """A tokenizer that was saved, and as a model's folder loads it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = KINDS[request.param](folder)
    (folder / "saved").mkdir()
    made.save_pretrained(folder / "saved")
    config = CONFIGS.get(request.param, tf.BertConfig)()
    return load_tokenizer(ModelFolder(folder / "saved", "small", ""), config)


def pieces_of(tokenizer, text: str, *, as_target: bool) -> list[str]:
    """Return the pieces that the tokenizer itself makes of a text, in the mode of its side."""
    switches = as_target and hasattr(tokenizer, "_switch_to_target_mode")
    if switches:
        tokenizer._switch_to_target_mode()
    try:
        # A piece that the vocabulary lacks is read as the unknown token.
        unknown = tokenizer.unk_token_id
        return [
            tokenizer.unk_token if unknown is not None and tokenizer.convert_tokens_to_ids(piece) == unknown else piece
            for piece in tokenizer.tokenize(text)
        ]
    finally:
        if switches:
            tokenizer._switch_to_input_mode()


@pytest.mark.parametrize("as_target", [False, True])
def test_labels_are_the_pieces_that_the_tokenizer_makes(saved, as_target):
    text = TARGET_TEXT if as_target else SOURCE_TEXT
    given = {"text_target": text} if as_target else {"text": text}
    expected = saved(**given)["input_ids"]
    pieces = pieces_of(saved, text, as_target=as_target)
    sequence = TokenReader(saved, None).tokenize(text, as_target=as_target)
    assert [token.id for token in sequence.tokens] == expected == sequence.inputs["input_ids"]
    assert [token.text for token in sequence.tokens if not token.special] == pieces
    assert all(token.display for token in sequence.tokens)


def test_given_ids_have_the_labels_of_the_text(saved):
    reader = TokenReader(saved, None)
    of_text = reader.tokenize(SOURCE_TEXT)
    of_ids = reader.tokenize([token.id for token in of_text.tokens])
    assert [token.text for token in of_ids.tokens] == [token.text for token in of_text.tokens]
    # Only in a text are the characters known that the vocabulary lacks.
    shown = [token.text if token.id == saved.unk_token_id else token.display for token in of_text.tokens]
    assert [token.display for token in of_ids.tokens] == shown


def test_without_special_tokens_there_are_only_the_pieces(saved):
    sequence = TokenReader(saved, None).tokenize(SOURCE_TEXT, add_special_tokens=False)
    assert sequence.inputs["input_ids"] == saved(SOURCE_TEXT, add_special_tokens=False)["input_ids"]
    assert [token.text for token in sequence.tokens] == pieces_of(saved, SOURCE_TEXT, as_target=False)


def test_ids_beyond_the_vocabulary_have_a_label(saved):
    reader = TokenReader(saved, None)
    beyond = reader.from_ids([len(saved) + 2**20, 5])
    assert [token.id for token in beyond] == [len(saved) + 2**20, 5]
    assert all(token.text and token.display for token in beyond)
    assert isinstance(reader.decode([len(saved) + 2**20, 5]), str)


def test_one_id_of_two_vocabularies_has_two_names(tmp_path):
    reader = TokenReader(KINDS["Marian, separate"](tmp_path), None)
    sides = [reader.tokenize(text, as_target=side) for text, side in ((SOURCE_TEXT, False), (TARGET_TEXT, True))]
    names = [{token.id: token.text for token in side.tokens if not token.special} for side in sides]
    common = set(names[0]) & set(names[1])
    assert common
    assert all(names[0][number] != names[1][number] for number in common)
    # What the decoder generates is of the vocabulary of targets.
    ids = list(common)
    assert [token.text for token in reader.from_ids(ids)] == [names[1][number] for number in ids]


@pytest.mark.parametrize("kind", ["ByT5", "MyT5", "Perceiver"])
def test_bytes_are_shown_as_text_or_in_hexadecimal(kind, tmp_path):
    tokens = TokenReader(KINDS[kind](tmp_path), None).tokenize("aé b").tokens
    assert [token.display for token in tokens if not token.special] == ["a", "⟨C3⟩", "⟨A9⟩", "␣", "b"]


def test_the_special_tokens_of_characters_have_names(tmp_path):
    tokens = TokenReader(KINDS["CANINE"](tmp_path), None).tokenize("猫é").tokens
    assert [token.display for token in tokens] == ["[CLS]", "猫", "é", "[SEP]"]
