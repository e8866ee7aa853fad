"""The truth score against slow loops in plain Python, on arrays made by hand and on a network of known weights."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from analysis.truth import SAMPLES, average_scores, count_chance_hits, count_hits, join_answers, task_of, truth_scores
from models import Model, load_model
from models.scratch.tasks import TASKS, Settings, Solution
from models.scratch.training import Training

pytestmark = pytest.mark.slow

SMALL = Settings(n_layers=2, n_heads=3, d_model=18, d_feedforward=7, steps=3, batch_size=5)


def slow_hits(weights: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    found = []
    for layer in weights:
        found.append([])
        for head in layer:
            n_right = 0
            for row, keys in zip(head.tolist(), truth.tolist(), strict=True):
                strongest = 0
                for key, weight in enumerate(row):
                    if weight > row[strongest]:
                        strongest = key
                n_right += bool(keys[strongest])
            found[-1].append(n_right)
    return found


def test_hits_by_a_slow_loop():
    dice = np.random.default_rng(41)
    weights = dice.dirichlet(np.ones(7), (2, 3, 5)).astype(np.float32)
    truth = dice.random((5, 7)) < 0.3
    truth[2] = False
    expected = slow_hits(weights, truth)
    assert 0 < np.sum(expected) < 2 * 3 * 5
    assert count_hits(weights, truth).tolist() == expected


def test_hits_by_hand():
    """Query 0 looks at key 1 (true), query 1 at key 0 (false), query 2 has no truth, query 3 one of two."""
    weights = np.array([[[[0.1, 0.7, 0.2], [0.8, 0.1, 0.1], [0.0, 0.0, 1.0], [0.3, 0.3, 0.4]]]], dtype=np.float32)
    truth = np.array([[False, True, False], [False, True, True], [False] * 3, [True, False, True]])
    assert count_hits(weights, truth).tolist() == [[2.0]]
    assert count_chance_hits(truth, causal=False) == pytest.approx((1 + 2 + 0 + 2) / 3)


def test_chance_of_a_causal_head_counts_what_it_sees():
    """Query 3 of four sees four keys, two of them true; query 1 sees two, one true."""
    truth = np.array([[False] * 4, [True, False, False, False], [False] * 4, [True, False, True, False]])
    assert count_chance_hits(truth, causal=True) == pytest.approx(1 / 2 + 2 / 4)
    assert count_chance_hits(truth, causal=False) == pytest.approx(3 / 4)


def test_average_scores_over_texts_of_unequal_length():
    dice = np.random.default_rng(43)
    pairs, right, asked = [], np.zeros((2, 3)), 0
    for n in (3, 7, 5):
        truth = tuple(frozenset(dice.choice(n, dice.integers(0, 3), replace=False).tolist()) for _ in range(n))
        weights = dice.dirichlet(np.ones(n), (2, 3, n)).astype(np.float32)
        solution = Solution(("",) * n, truth)
        pairs.append((weights, solution))
        right += slow_hits(weights, solution.mask(n))
        asked += sum(bool(keys) for keys in truth)
    np.testing.assert_allclose(average_scores(pairs), right / asked, rtol=1e-12)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """One model of each kind of attention, barely trained."""
    found = {}
    for name in ("sorting", "recall", "dates"):
        training = Training(TASKS[name], SMALL)
        for _ in range(SMALL.steps):
            training.advance()
        folder = tmp_path_factory.mktemp("trained") / name
        training.network.save_pretrained(folder)
        TASKS[name].save_reader(folder)
        found[name] = load_model(str(folder))
    return found


@pytest.mark.parametrize("name", ["sorting", "recall", "dates"])
def test_truth_scores_of_a_model_by_a_slow_loop(name, small):
    """Text by text through `model.trace`, more texts than fit into one batch."""
    model, task, n_samples = small[name], TASKS[name], 67
    scores = truth_scores(model, n_samples)
    right, asked, by_chance, n_answered = np.zeros((2, 3)), 0, 0.0, 0
    for text, solution in task.samples(Random("truth"), n_samples, held_out=True):
        written = join_answers(solution) if task.kind == "cross" else None
        att = model.trace(text, target=written)[task.kind]
        truth = np.zeros((att.n_query, att.n_key), dtype=bool)
        assert len(solution.truth) == att.n_query
        for query, keys in enumerate(solution.truth):
            for key in keys:
                truth[query, key] = True
            n_seen = query + 1 if task.kind == "decoder" else att.n_key
            by_chance += len(keys) / n_seen
            asked += bool(keys)
        right += slow_hits(np.stack([att.layer(layer) for layer in range(2)]), truth)
        n_answered += bool(task.judge(model.module, task.batch([(text, solution)]))[0])
    assert scores.scores.shape == (2, 3)
    np.testing.assert_allclose(scores.scores, right / asked, rtol=0, atol=2 / asked)  # a tie may fall the other way
    assert scores.chance == pytest.approx(by_chance / asked)
    assert (scores.accuracy, scores.n_samples) == (n_answered / n_samples, n_samples)
    assert scores.scores.max() < 0.9, "three steps solve nothing"
    assert SAMPLES > 100


def test_the_target_of_a_date_is_what_is_to_be_written():
    assert join_answers(TASKS["dates"].solve("3. märz 1998")) == "1998-03-03"


def test_a_model_of_no_task_has_no_truth(minilm):
    assert task_of(minilm) is None
    assert truth_scores(minilm) is None


@pytest.mark.parametrize("task", ["", "nothing", "__class__", "../sorting", "digits", ["sorting"], {"sorting": 1}, 3])
def test_a_folder_that_names_another_task(task, small, tmp_path):
    """A stranger's config.json may say anything: no truth is known then."""
    folder = tmp_path / "model"
    small["sorting"].module.save_pretrained(folder)
    TASKS["sorting"].save_reader(folder)
    path = Path(folder / "config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "task": task}))
    assert truth_scores(load_model(str(folder))) is None
