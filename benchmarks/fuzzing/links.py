"""Links to the three pages: every parameter unknown, repeated, huge, of another type, in other digits."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from benchmarks.fuzzing.checks import Failed
from benchmarks.fuzzing.mutations import NUMBERS, STRINGS
from benchmarks.fuzzing.texts import piece_of_text
from models.errors import HeadlightError
from models.scratch.tasks import TASKS
from ui.state import inspect as state
from ui.state import steps as steps_state
from ui.state import watch as watching

_NAMES = {
    "inspect": state.NAMES,
    "steps": steps_state.NAMES,
    "watch": watching.NAMES,
}
# What is right for some parameter: the edge of right and wrong lies beside it.
_NEARLY = (
    *(
        "minilm",
        "scratch:brackets",
        "previous",
        *TASKS,
        "encoder",
        "decoder",
        "cross",
        "True",
        "False",
        "on",
        "off",
        "words",
    ),
    *(
        "rows",
        "head",
        "pre",
        "post",
        "blues",
        "night",
        "linear",
        "root",
        "automatic",
        "query:8",
        "key:2",
        "key:-1",
        "query:",
    ),
    *(
        "0-63:128-191",
        "5-2:0-1",
        "0-9999999:0-1",
        "٠-٣:٠-٣",
        "1,2;3,4",
        "1,2,3,4;5,6,7,8;9,10,11,12",
        "1e999,1;1,1",
        "nan",
    ),
    *(
        "a|b|c",
        "a|b",
        "||",
        "|" * 500,
        "5",
        "11",
        "9999",
        "10000",
        "0.05",
        "1.0000001",
        "-0",
        "+5",
        " 5",
        "5 ",
        "5.0",
        "1_0",
    ),
    *(
        "٣",
        "³",
        "５",
        "0x10",
        "1e3",
        "1e-5",
        "0.1",
        "4294967295",
        "4294967296",
        "1" * 10,
        "9" * 19,
        "9" * 20,
        "9" * 5000,
    ),
    *(
        ",".join(["1,0,0,0"] * 4).replace(",1,", ";1,"),
        ";".join([",".join(["1e308"] * 4)] * 3),
        ";".join(["nan,0,0,0"] * 4),
    ),
)


def make_link(page: str, dice: Random) -> str:
    """Return the query of a link, as a browser sends it."""
    names, parts = _NAMES[page], []
    for _ in range(dice.choice((1, 1, 2, 3, 8, 40))):
        name = dice.choice(names) if dice.random() < 0.9 else dice.choice((*STRINGS, "embed", "embed_options", "Model"))
        value = _value(dice)
        parts += [(name, value)] * dice.choice((1, 1, 1, 2))
    text = urlencode([(name, value) for name, value in parts], errors="surrogatepass")
    if dice.random() < 0.1:
        text = dice.choice((text.replace("=", "", 1), text.replace("&", ";"), text + "&&=&=x&%", text + "%ff%fe=%zz"))
    return text


def _value(dice: Random) -> str:
    return dice.choice(
        (
            lambda: dice.choice(_NEARLY),
            lambda: dice.choice(_NEARLY),
            lambda: str(dice.choice(NUMBERS)),
            lambda: dice.choice(STRINGS),
            lambda: piece_of_text(dice)[:5000],
            lambda: ";".join(",".join(str(dice.choice(NUMBERS)) for _ in range(4)) for _ in range(dice.choice((3, 4)))),
            lambda: f"{dice.choice(('query', 'key', 'QUERY', ''))}:{dice.choice(NUMBERS)}",
            lambda: "{}-{}:{}-{}".format(*(dice.choice(NUMBERS) for _ in range(4))),
        )
    )()


def read_link(
    from_link: Callable[[Mapping[str, str]], tuple[Any, list[str]]],
    to_link: Callable[[Any], dict[str, str]],
    query: str,
) -> list[str]:
    """Read a link; what the page makes of it is a link that it reads without a word."""
    choice, sentences = from_link(dict(parse_qsl(query, keep_blank_values=True)))
    again, told = from_link(to_link(choice))
    if told:
        raise Failed(
            f"the page's own link {quote(urlencode(to_link(choice), errors='replace'))[:200]}: {told[0][:200]}"
        )
    for field in fields(choice):
        before, after = getattr(choice, field.name), getattr(again, field.name)
        # A link gives six digits of a number, and leaves out what is too long.
        if before != after and not isinstance(before, float) and len(str(before)) <= 2000:
            raise Failed(f"{field.name} is {before!r}, and {after!r} by the page's own link")
    return sentences


def read_inspect(query: str) -> list[str]:
    return read_link(state.from_link, state.to_link, query)


def read_steps(query: str) -> list[str]:
    sentences = read_link(steps_state.from_link, steps_state.to_link, query)
    choice, _ = steps_state.from_link(dict(parse_qsl(query, keep_blank_values=True)))
    steps_state.words_of(choice)
    try:
        steps_state.matrices_of(choice)
    except HeadlightError as error:
        sentences.append(str(error))
    return sentences


def read_watch(query: str) -> list[str]:
    sentences = read_link(watching.from_link, watching.to_link, query)
    choice, _ = watching.from_link(dict(parse_qsl(query, keep_blank_values=True)))
    try:
        choice.order()
    except HeadlightError as error:
        sentences.append(str(error))
    return sentences
