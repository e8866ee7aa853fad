"""Links to the three pages: every parameter unknown, repeated, huge, of another type, in other digits."""

from dataclasses import fields
from random import Random
from urllib.parse import parse_qsl, quote, urlencode

from benchmarks.fuzzing.checks import Failed
from benchmarks.fuzzing.mutations import NUMBERS, STRINGS
from benchmarks.fuzzing.texts import piece_of_text
from models.errors import HeadlightError
from models.scratch.tasks import TASKS
from ui.state import link
from ui.state.inspect import Choice
from ui.state.steps import StepsChoice, matrices_of, words_of
from ui.state.watch import WatchChoice

_NAMES = {"inspect": link.names(Choice), "steps": link.names(StepsChoice), "watch": link.names(WatchChoice)}
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


def read_link(of: type[link.Choice], query: str) -> tuple[link.Choice, list[str]]:
    """Return what a page makes of a link; its own link to that is one that it reads without a notice."""
    choice, notices = link.parse(of, dict(parse_qsl(query, keep_blank_values=True)))
    own_link = link.format(choice)
    again, notices_again = link.parse(of, own_link)
    if notices_again:
        raise Failed(
            f"the page's own link {quote(urlencode(own_link, errors='replace'))[:200]}: {notices_again[0][:200]}"
        )
    for field in fields(of):  # type: ignore[arg-type]
        before, after = getattr(choice, field.name), getattr(again, field.name)
        # A link gives six digits of a number, and leaves out what is too long.
        if before != after and not isinstance(before, float) and len(str(before)) <= 2000:
            raise Failed(f"{field.name} is {before!r}, and {after!r} by the page's own link")
    return choice, notices


def read_inspect(query: str) -> list[str]:
    return read_link(Choice, query)[1]


def read_steps(query: str) -> list[str]:
    choice, notices = read_link(StepsChoice, query)
    words_of(choice)
    try:
        matrices_of(choice)
    except HeadlightError as error:
        notices.append(str(error))
    return notices


def read_watch(query: str) -> list[str]:
    choice, notices = read_link(WatchChoice, query)
    try:
        choice.to_request()
    except HeadlightError as error:
        notices.append(str(error))
    return notices
