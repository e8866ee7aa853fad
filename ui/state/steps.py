"""What a visitor chose on the page "Step by step": one dataclass, restored from the address and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from analysis.steps import Matrices, checked
from models.checkpoints.locate import REVISION
from models.errors import BadMatrix
from ui.services.settings import DEFAULT_MODEL, MOST_CHARACTERS_IN_LINK, default_model
from ui.state.inspect import DEFAULT_TEXT
from ui.state.page_state import Address, read_link

PARTS = {"words": "Three words", "head": "A real head"}
TEMPERATURES = (0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
HEADS = (1, 2, 4)
MATRICES = {"x": "x", "w_q": "W_q", "w_k": "W_k", "w_v": "W_v", "w_o": "W_o"}
MOST_WORD = 24


@dataclass(frozen=True)
class Example:
    """Words and matrices to start from, and how attention is computed at first."""

    title: str
    words: tuple[str, ...]
    matrices: Mapping[str, np.ndarray]
    scaling: bool


_SHARED = np.full((4, 4), 0.1) + 0.8 * np.eye(4)
_VALUES = np.array([[0.8, 0.2, 0.1, 0.1], [0.2, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.1], [0.1, 0.1, 0.1, 0.9]])
_WORDS = np.array([[0.2, 0.9, 0.1, 0.5], [0.8, 0.3, 0.7, 0.2], [0.4, 0.6, 0.3, 0.9]])
EXAMPLES = {
    "words": Example(
        "she likes coffee",
        ("she", "likes", "coffee"),
        {"x": _WORDS, "w_q": _SHARED.round(9), "w_k": _SHARED.round(9), "w_v": _VALUES, "w_o": np.eye(4)},
        scaling=True,
    ),
    "rows": Example(
        "One to ten, unscaled",
        ("1 to 5", "6 to 10"),
        {"x": np.arange(1.0, 11.0).reshape(2, 5), **dict.fromkeys(tuple(MATRICES)[1:], np.eye(5))},
        scaling=False,
    ),
}


@dataclass(frozen=True)
class StepsChoice:
    """The state of the page. Every field is a URL parameter of the same name, and a key of the session.

    `words`, `x` and the `w_` are empty where they are the example's; matrices are written `1,2;3,4`, row by row.
    `query`, `key` and `of_head` are what is worked out of the three words; `query_token` and `key_token` of `layer`
    and `head` of `model`.
    """

    part: str = "words"
    example: str = "words"
    words: str = ""
    x: str = ""
    w_q: str = ""
    w_k: str = ""
    w_v: str = ""
    w_o: str = ""
    scaling: bool = True
    temperature: float = 1.0
    causal: bool = False
    heads: int = 1
    query: int = 0
    key: int = 2
    of_head: int = 0
    model: str = DEFAULT_MODEL
    revision: str = ""
    text: str = DEFAULT_TEXT
    target: str = ""
    kind: str = ""
    layer: int = 5
    head: int = 11
    query_token: int = 8
    key_token: int = 2


NAMES = tuple(field.name for field in fields(StepsChoice))
_STANDARD = StepsChoice()
_ONE_OF: dict[str, tuple[Any, ...]] = {
    "part": tuple(PARTS),
    "example": tuple(EXAMPLES),
    "kind": ("", "encoder", "decoder", "cross"),
    "scaling": ("on", "off"),
    "causal": ("on", "off"),
    "heads": HEADS,
    "temperature": TEMPERATURES,
}
_LONGEST = {"model": 300, "revision": 130}


def from_link(parameters: Mapping[str, str]) -> tuple[StepsChoice, list[str]]:
    """Return the choice that a link describes, and one sentence for each parameter that is ignored."""
    return read_link(StepsChoice(), parameters, _parsed)


def _parsed(name: str, value: str, choice: StepsChoice) -> Any:
    standard, quoted = getattr(_STANDARD, name), repr(value[:40])
    if name in _ONE_OF:
        found = [option for option in _ONE_OF[name] if _written(option) == value]
        if not found:
            raise ValueError(f"{quoted} is none of {', '.join(filter(None, map(_written, _ONE_OF[name])))}")
        return found[0] == "on" if isinstance(standard, bool) else found[0]
    if isinstance(standard, int):
        if not value.isascii() or not value.isdigit() or len(value) > 4:
            raise ValueError(f"{quoted} is no number from 0")
        return int(value)
    if len(value) > _LONGEST.get(name, MOST_CHARACTERS_IN_LINK):
        raise ValueError(f"it has {len(value):,} characters, too many for a link")
    if name == "revision" and not REVISION.fullmatch(value or "main"):
        raise ValueError(f"{quoted} is no branch, tag or commit")
    if name in MATRICES and value:
        # The example, which was read before, decides what shape the matrices have.
        matrix_of(name, value, EXAMPLES[choice.example].matrices[name].shape)
    if name == "words" and value and len(value.split("|")) != len(EXAMPLES[choice.example].words):
        raise ValueError(f"there are {len(EXAMPLES[choice.example].words)} words, not {len(value.split('|'))}")
    return value


def matrix_of(name: str, written: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the matrix that is written as `1,2;3,4`.

    Raises:
        ValueError: it is none, or of another shape, in a clause.
    """
    try:
        rows = [[float(cell) for cell in row.split(",")] for row in written.split(";")]
        if (len(rows), *{len(row) for row in rows}) != shape:
            raise ValueError
    except ValueError:
        raise ValueError(f"{written[:40]!r} is no matrix of {shape[0]} rows and {shape[1]} columns") from None
    try:
        return checked(MATRICES[name], np.array(rows))
    except BadMatrix as error:
        raise ValueError(str(error).rstrip(".")) from None


def write_matrix(values: np.ndarray) -> str:
    """Return a matrix as `1,2;3,4`, every number with the digits that restore it."""
    return ";".join(",".join(repr(float(cell)).removesuffix(".0") for cell in row) for row in values)


def words_of(choice: StepsChoice) -> tuple[str, ...]:
    """Return the words beside the rows of x."""
    return tuple(choice.words.split("|")) if choice.words else EXAMPLES[choice.example].words


def matrices_of(choice: StepsChoice) -> Matrices:
    """Return the chosen matrices: the example's, but for those that were edited; W_o is for several heads."""
    found = {}
    for name, standard in EXAMPLES[choice.example].matrices.items():
        written = getattr(choice, name)
        found[name] = matrix_of(name, written, standard.shape) if written else standard
    return Matrices(found["x"], found["w_q"], found["w_k"], found["w_v"], found["w_o"] if choice.heads > 1 else None)


def to_link(choice: StepsChoice) -> dict[str, str]:
    """Return the parameters of a link that restores a choice: what differs from the defaults, if not too long."""
    return {
        name: _written(getattr(choice, name))
        for name in NAMES
        if getattr(choice, name) != getattr(_STANDARD, name)
        and len(_written(getattr(choice, name))) <= MOST_CHARACTERS_IN_LINK
    }


def fits_link(choice: StepsChoice) -> bool:
    """Return whether a link restores the whole choice."""
    return all(len(_written(value)) <= MOST_CHARACTERS_IN_LINK for value in vars(choice).values())


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _from_link(parameters: Mapping[str, str]) -> tuple[StepsChoice, list[str]]:
    """Return what `from_link` does, with this server's own model where the link names none."""
    choice, notices = from_link(parameters)
    return (choice if "model" in parameters else replace(choice, model=default_model())), notices


def _step(choice: StepsChoice) -> tuple[str, ...]:
    return choice.part, choice.example, choice.model, choice.revision, choice.text, choice.target


_FREE = ("words", *MATRICES, "model", "revision", "text", "target")
ADDRESS = Address("steps", "steps_", StepsChoice, _FREE, _parsed, _from_link, to_link, _step)
chosen, choose, held = ADDRESS.chosen, ADDRESS.choose, ADDRESS.held
