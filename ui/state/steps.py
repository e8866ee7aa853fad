"""What a visitor chose on the page "Step by step"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.steps import Matrices
from analysis.steps_examples import EXAMPLES
from ui.services.settings import DEFAULT_MODEL, default_model
from ui.state import link
from ui.state.inspect import DEFAULT_TEXT, LONGEST_MODEL
from ui.state.kinds import matrix, on_off, one_of, read_matrix, revision, string, whole_number, words
from ui.state.link import Kind, param
from ui.state.page_state import PageState

PARTS = {"words": "Three words", "head": "A real head"}
TEMPERATURES = (0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
HEADS = (1, 2, 4)
MATRICES = {"x": "x", "w_q": "W_q", "w_k": "W_k", "w_v": "W_v", "w_o": "W_o"}


def _matrix(name: str) -> Kind:
    return matrix(MATRICES[name], lambda earlier: EXAMPLES[earlier.example].matrices[name].shape)


@dataclass(frozen=True, kw_only=True)
class StepsChoice:
    """The choices of the page.

    `words`, `x` and the `w_` are "" where they are those of the example. `query`, `key` and `of_head` are the pair and
    the head that is worked out with three words; `query_token` and `key_token` are the pair of `layer` and `head` of
    `model`.
    """

    part: str = param("words", one_of(*PARTS), adds_history=True)
    example: str = param("words", one_of(*EXAMPLES), adds_history=True)
    words: str = param("", words(lambda earlier: len(EXAMPLES[earlier.example].words)), free=True)
    x: str = param("", _matrix("x"), free=True)
    w_q: str = param("", _matrix("w_q"), free=True)
    w_k: str = param("", _matrix("w_k"), free=True)
    w_v: str = param("", _matrix("w_v"), free=True)
    w_o: str = param("", _matrix("w_o"), free=True)
    scaling: bool = param(True, on_off())
    temperature: float = param(1.0, one_of(*TEMPERATURES))
    causal: bool = param(False, on_off())
    heads: int = param(1, one_of(*HEADS))
    query: int = param(0, whole_number(0, 9999))
    key: int = param(2, whole_number(0, 9999))
    of_head: int = param(0, whole_number(0, 9999))
    model: str = param(DEFAULT_MODEL, string(LONGEST_MODEL), free=True, adds_history=True)
    revision: str = param("", revision(), free=True, adds_history=True)
    text: str = param(DEFAULT_TEXT, string(), free=True, adds_history=True)
    target: str = param("", string(), free=True, adds_history=True)
    kind: str = param("", one_of("", "encoder", "decoder", "cross"))
    layer: int = param(5, whole_number(0, 9999))
    head: int = param(11, whole_number(0, 9999))
    query_token: int = param(8, whole_number(0, 9999))
    key_token: int = param(2, whole_number(0, 9999))


def words_of(choice: StepsChoice) -> tuple[str, ...]:
    """Return the words beside the rows of x."""
    return tuple(choice.words.split("|")) if choice.words else EXAMPLES[choice.example].words


def matrix_of(choice: StepsChoice, name: str) -> np.ndarray:
    """Return the chosen matrix of a name such as "w_q": the edited one, or else the example's."""
    standard, written = EXAMPLES[choice.example].matrices[name], getattr(choice, name)
    return read_matrix(MATRICES[name], written, standard.shape) if written else standard


def matrices_of(choice: StepsChoice) -> Matrices:
    """Return the chosen matrices; W_o only where there are several heads."""
    x, w_q, w_k, w_v, w_o = (matrix_of(choice, name) for name in MATRICES)
    return Matrices(x, w_q, w_k, w_v, w_o if choice.heads > 1 else None)


def parse(query: Mapping[str, str]) -> tuple[StepsChoice, list[str]]:
    """Return what a link describes, with this server's own model where the link names none."""
    return link.parse(StepsChoice, query, model=default_model())


STEPS = PageState("steps", "steps_", StepsChoice, parse)
