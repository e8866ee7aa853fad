"""What loading and tracing have said already: the same sentences as findings, each with a level and a remedy.

A sentence that is not in this table is a note: nothing that was said is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from analysis.trust.finding import LEVELS, Finding
from analysis.trust.survey import Look

_AGAIN = "Fetch or save the model again."
# The sentence on unknown tokens (models/losses.py).
UNKNOWN = "does not cover this text"
_OWN_TOKENIZER = "Use the tokenizer that was saved together with the model."


@dataclass(frozen=True)
class _Known:
    """A sentence by a part of it, with the name and the level of its finding.

    One that `waits` leaves the pictures as they are read: it need not be seen before them.
    """

    pattern: str
    name: str
    level: str
    remedy: str = ""
    waits: bool = False


KNOWN = (
    # Of the model: models/checkpoints/weights.py, health.py, tokenizer.py, coverage.py.
    _Known(r"not in the checkpoint and (was|were) initialised at random", "missing weights", "fault", _AGAIN),
    _Known(r"weight tensors? (is|are) damaged", "damaged weights", "fault"),
    _Known(r"not a number on a short text", "damaged weights", "fault", "Load it in float32, or fetch it again."),
    _Known(r"layers that config\.json does not count", "missing layers", "fault", _AGAIN),
    _Known(r"contains? one value only", "constant weights", "warning", _AGAIN),
    _Known(r"attends? to every token equally on a short text", "uniform heads", "warning", "Do not read these heads."),
    _Known(r"may belong to another model, and then", "tokenizer", "warning", _OWN_TOKENIZER),
    _Known(r"tokens that the model has no embedding for", "tokenizer", "warning", _OWN_TOKENIZER),
    _Known(r"to a sink, which is not a token", "sink of the model", "note", waits=True),
    _Known(r"dequantised from", "weights", "note", waits=True),
    _Known(r"was trained on texts that begin with", "reading", "note", waits=True),
    _Known(r"lacks weights of the head|has no output layer|names the head", "answers", "note", waits=True),
    _Known(r"so pictures lack it|give an attention weight for each pair", "coverage", "note"),
    # Of the text: models/losses.py, conversation.py.
    _Known(r"tokens are shown: this is", "truncation", "warning", "Read the rest as a text of its own."),
    _Known(r"tokenizer adds it once more", "reading", "warning", "Delete it from the text."),
    _Known(r"lone surrogates", "reading", "note"),
    _Known(r"is not in the text that the chat template", "reading", "warning", "Change the roles of the messages."),
    # Of what the model writes, which the pictures underline: models/input_builder.py.
    _Known(r"own continuation|reads the text that the model itself generates", "reading", "note", waits=True),
    # Of weights that were given: models/given/notices.py.
    _Known(
        r"not (a number|numbers) \(NaN\)|weights? (is|are) (infinite|negative)",
        "rows",
        "fault",
        "Give weights after the softmax, in float32.",
    ),
    _Known(r"no weight, only zeros", "rows", "note"),
    _Known(
        r"do(es)? not sum to 1|^Columns sum to 1 instead",
        "rows",
        "warning",
        "Give weights after the softmax, with the axes [layer, head, query, key].",
    ),
)


@cache
def _known(notice: str) -> _Known | None:
    return next((known for known in KNOWN if re.search(known.pattern, notice)), None)


def may_wait(notice: str) -> bool:
    """Return whether a sentence of loading or tracing leaves the pictures as they are read."""
    known = _known(notice)
    return known is not None and known.waits


def check_notices(look: Look) -> Iterator[Finding]:
    """Yield what loading and tracing have said, in their own words."""
    for notice in notices_of(look):
        known = _known(notice)
        if UNKNOWN in notice:  # the check of unknown tokens has its number
            continue
        if known is not None:
            yield Finding(known.name, known.level, notice, remedy=known.remedy)
        else:
            yield Finding("reading", "note", notice)


def notices_of(look: Look) -> tuple[str, ...]:
    """Return the sentences of the model and of the trace, each once."""
    of_model = look.model.card.notices if look.model is not None else ()
    return tuple(dict.fromkeys((*of_model, *look.trace.notices)))


def has_finding(look: Look, name: str, level: str = "note") -> bool:
    """Return whether a sentence was said already that is a finding of this name, of this level or a worse one."""
    found = [known for notice in notices_of(look) if (known := _known(notice)) is not None]
    return any(each.name == name and LEVELS.index(each.level) >= LEVELS.index(level) for each in found)
