"""The fetched decoder against figures that were computed elsewhere (eager, float64 sums), through the contract.

`make test` fetches the model. Where it is missing, these tests fail and say how to get it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.measures import head_table
from analysis.measures.positions import Positions
from analysis.measures.tables import measure_heads
from models import AttentionTrace, Model, load_model
from tests.helpers.paths import golden

pytestmark = pytest.mark.slow

GOLDEN = golden("smollm2_effects")
REPEATED, SINK = GOLDEN["repeated"], GOLDEN["sink"]
TOLERANCE = 1e-3
WINDOW = 64
BEES = (
    "My grandmother kept bees behind the old mill, and every summer she let me help her with the hives. We rose before "
    "the sun, when the air was still cool, and walked through the wet grass with a smoker and two white veils. She "
    "never wore gloves. The bees, she said, could tell a calm hand from a nervous one, and she wanted them to know "
    "hers. I was nervous, of course, and they knew it at once. On the first morning I was stung three times, twice on "
    "the wrist and once behind the ear, and I cried until she gave me a piece of comb to chew. After that I learned to "
    "move slowly. I learned to look for the queen, who was longer than the others and marked with a dot of blue paint, "
    "and to count the frames that were full of brood. In August we took the honey. We carried the heavy boxes into the "
    "kitchen, closed every window, and turned the handle of the extractor until our arms were tired."
)


@pytest.fixture(scope="module")
def smollm2() -> Model:
    return load_model("smollm2")


@pytest.fixture(scope="module")
def repeated(smollm2) -> AttentionTrace:
    return smollm2.trace(REPEATED["ids"])


@pytest.fixture(scope="module")
def lighthouse(smollm2) -> AttentionTrace:
    return smollm2.trace(SINK["text"])


def losses(trace: AttentionTrace, ids: list[int]) -> torch.Tensor:
    """Return the loss of each id after the first in nats, from what the model's own head makes of the trace.

    `top_words` gives the most probable words only, and a loss needs the probability of a given one.
    """
    logits = trace.outputs.head.words(trace.outputs.hidden)[:-1].double()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def test_the_fetched_model_is_the_one_the_figures_are_of(smollm2):
    card = smollm2.card
    assert card.name == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert card.revision == "sha256:a672150fb4f9"
    assert (card.n_layers, card.n_heads, card.kinds, card.capture) == (30, 9, ("decoder",), "replayed")
    assert card.n_parameters == 134_515_008
    assert card.max_tokens == 8192
    assert card.writes
    assert card.chats
    assert card.proof <= 1e-5
    assert any("dequantised from Q4_1" in notice for notice in card.notices)


def test_losses_of_a_sequence_that_comes_twice(repeated):
    found = losses(repeated, REPEATED["ids"])
    assert len(found) == 128
    # The file does not say which ids it counts: only these ranges give its figures. Each id of the first range comes
    # after another random id, each of the second after two ids that came before.
    assert float(found[1:64].mean()) == pytest.approx(REPEATED["loss_first"], abs=TOLERANCE)
    assert float(found[66:].mean()) == pytest.approx(REPEATED["loss_second"], abs=TOLERANCE)


def test_sinks(lighthouse):
    att = lighthouse["decoder"]
    assert att.n_query == SINK["n_tokens"]
    found = measure_heads(att, Positions.of(att)).first_of_64.reshape(30, 9)
    assert np.abs(found - np.array(SINK["alpha"])).max() <= TOLERANCE
    assert head_table(att)["sink"].mean() == pytest.approx(SINK["share"], abs=TOLERANCE)


def test_a_window_needs_the_first_token(smollm2):
    # Xiao et al. (2023): a window that slides past the first token loses what many heads rest on, and keeping that one
    # token repairs it. Both windows have 64 keys.
    ids = torch.tensor([[1, *smollm2.tokenizer(BEES)["input_ids"]]])
    query, key = torch.arange(ids.shape[1])[:, None], torch.arange(ids.shape[1])
    windows = [(key <= query) & (key > query - WINDOW), (key <= query) & ((key > query - WINDOW + 1) | (key == 0))]
    with torch.inference_mode():
        logits = smollm2.module(input_ids=ids.expand(2, -1), attention_mask=torch.stack(windows)[:, None]).logits
    found = [torch.nn.functional.cross_entropy(each[WINDOW:-1].double(), ids[0, WINDOW + 1 :]) for each in logits]
    without, beside = (float(loss.exp()) for loss in found)
    assert without >= 2 * beside, (without, beside)


def test_loss_of_a_text(lighthouse):
    ids = [token.id for token in lighthouse["decoder"].query_tokens]
    assert float(losses(lighthouse, ids).mean()) == pytest.approx(SINK["loss"], abs=TOLERANCE)


def test_next_words(smollm2):
    outputs = smollm2.trace(GOLDEN["next"]["text"]).outputs
    assert [word.token.text.replace("Ġ", " ") for word in outputs.top_words(-1, 3)] == GOLDEN["next"]["top3"]
