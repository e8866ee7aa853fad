"""How much a model can read, and that it is given only the inputs that it takes."""

from __future__ import annotations

import json
import shutil

import pytest

from models import load_model
from tests.helpers.small_models import SENTENCE

LONGEST = {
    "bert": 89,
    "roberta": 89,  # 91 positions, counted from padding_idx + 1
    "distilbert": 89,
    "modernbert": 127,
    "gpt2": 97,
    "llama": 127,
    "bloom": None,  # distances, not positions
    "bart": 83,  # 85 rows, its offset is 2
    "t5": 211,  # what its tokenizer says
}


@pytest.mark.parametrize("family", LONGEST)
def test_a_text_of_the_longest_length_is_read_to_its_end(family, loaded):
    model = loaded(family)
    assert model.card.max_tokens == LONGEST[family]
    trace = model.trace("the cat " * 211, **({"target": "the cat " * 211} if "cross" in model.card.kinds else {}))
    for kind in trace.kinds:
        assert trace[kind].n_query == trace[kind].n_key or kind == "cross"
        assert LONGEST[family] is None or trace[kind].n_key == LONGEST[family]


@pytest.mark.parametrize("family", ["llama", "distilbert", "bart"])
def test_token_types_are_kept_from_a_model_that_has_none(family, folder_of, loaded, tmp_path):
    folder = shutil.copytree(folder_of(family), tmp_path / family)
    described = json.loads((folder / "tokenizer_config.json").read_text())
    described["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    model = load_model(str(folder))
    assert "token_type_ids" in model.tokenizer("the cat")
    trace, expected = model.trace(SENTENCE), loaded(family).trace(SENTENCE)
    for kind in trace.kinds:
        assert (trace[kind].layer(1) == expected[kind].layer(1)).all()
