"""docs/families.md: written from findings, read back by the tests."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import torch
import transformers

from tests.helpers.paths import ROOT
from tests.zoo import pictures, projections
from tests.zoo.compare import TOLERANCE, Finding
from tests.zoo.features import FEATURES

PAGE = ROOT / "docs" / "families.md"
COLUMNS = ("family", "class", "reads", "capture", "kinds, layers x heads", "weights", "SDPA pass", "output")

ABOUT = """# Every family

Written by `python -m tests.zoo` with transformers {transformers} and torch {torch}; do not edit by hand.

Every architecture that `AutoModel` knows was built small from its own config, with random weights that make attention
far from uniform, and run twice on the same input: once as Headlight loads and captures it, once as transformers alone
computes it, eager with `output_attentions=True`, in float32.

**{n_traced} families of {n_all} are traced.** {n_replayed} are replayed from q and k. {n_materialised} are
materialised, because they are not on transformers' attention interface or because their replay could not be proven:
they fall back by themselves. In each of them the output changes when the captured attention is replaced.

- *weights*: worst difference of any weight of any head, ours against eager, where both multiply their outputs from
  their weights. The bound is {tolerance} for replayed families and 0, equal to the bit, for materialised ones.
- *SDPA pass*: the same in the ordinary forward pass, where the layers below were computed by another kernel than
  eager's: SDPA's rounding, not the replay's.
- *output*: worst difference of the traced forward's first output from the plain one's: SDPA's where the family has it
  and is replayed, else eager's.

Differences are rounded up to a power of ten; 0 is equal to the bit. `reads` is what the family was given: a family
that also reads images or sound was given text alone. `1 of 2` layers: the others gave something else than one weight
for each head and pair of positions. BigBird and BigBird-Pegasus are built with `attention_type="original_full"`.
"""


SOUNDS = """## Sounds

Written by `python -m tests.zoo.sounds`. Each family that reads a sound was saved small with a real feature extractor,
and with a tokenizer if it has a decoder, opened with `load_model`, and traced over {seconds} s of sound. *weights* is
the worst difference of any weight of any head from the eager pass of the model as transformers alone loads it, over the
same sound and target. *frame* is the time from one key to the next. {n_traced} are traced.
"""
SOUND_COLUMNS = ("family", "class", "capture", "kinds, layers x heads", "frames", "frame", "weights")


@dataclass(frozen=True)
class SoundFinding:
    """What a visitor gets of one family that reads sounds.

    `n_frames` keys lie `seconds` apart. `difference` is the worst one of a weight from eager's.
    """

    family: str
    architecture: str
    capture: str
    kinds: dict[str, str]
    n_frames: int
    seconds: float | None
    difference: float


def with_sounds(
    page_text: str,
    findings: list[SoundFinding],
    refused: dict[str, str],
    untried: dict[str, str],
    seconds: float = 1.37,
) -> str:
    """Return the page with its section of sounds, which replaces an earlier one."""
    rows = [
        (
            found.family,
            found.architecture,
            found.capture,
            ", ".join(f"{kind} {sizes}" for kind, sizes in found.kinds.items()),
            str(found.n_frames),
            "" if found.seconds is None else f"{found.seconds:g} s",
            order(found.difference),
        )
        for found in findings
    ]
    section = "\n".join(
        [
            SOUNDS.format(n_traced=len(findings), seconds=seconds),
            _table(SOUND_COLUMNS, rows),
            "## Sounds that are refused\n",
            _table(("family", "what the visitor reads"), sorted(refused.items())),
            "## Sounds that were not tried\n",
            _table(("family", "reason"), sorted(untried.items())),
        ]
    )
    others = re.sub(r"^## Sounds.*?(?=^## (?!Sounds)|\Z)", "", page_text, flags=re.MULTILINE | re.DOTALL).rstrip("\n")
    return f"{others}\n\n{section}"


def order(difference: float | None) -> str:
    """Return a difference rounded up to a power of ten; 0 where there is none."""
    if difference is None:
        return ""
    return "0" if difference == 0 else f"1e{math.ceil(math.log10(difference))}"


def row(found: Finding) -> tuple[str, ...]:
    kinds = ", ".join(f"{kind} {sizes}" for kind, sizes in found.kinds.items())
    differences = (order(found.difference), order(found.rounding), order(found.output))
    return (found.family, found.architecture, found.modality, found.capture, kinds, *differences)


def page(findings: list[Finding], refused: dict[str, str], untried: dict[str, str]) -> str:
    """Return the whole page; `refused` and `untried` map families to reasons."""
    captures = Counter(found.capture for found in findings)
    parts = [
        ABOUT.format(
            transformers=transformers.__version__,
            torch=torch.__version__.split("+")[0],
            n_traced=len(findings),
            n_all=len(findings) + len(refused) + len(untried),
            n_replayed=captures["replayed"],
            n_materialised=captures["materialised"],
            tolerance=f"{TOLERANCE:.0e}".replace("e-0", "e-"),
        ),
        "## What changes the weights\n\nThe tests of these families see the feature at work and the weights equal.\n",
        _table(("what", "families"), [(name, ", ".join(families)) for name, families in FEATURES.items()]),
        projections.section(captures["replayed"]),
        "## Traced\n",
        _table(COLUMNS, [row(found) for found in findings]),
        pictures_section(),
        "## Refused\n",
        _table(("family", "reason"), sorted(refused.items())),
        "## Not tried\n\nNo statement is made about these: they were not built or not run here.\n",
        _table(("family", "reason"), sorted(untried.items())),
    ]
    return "\n".join(parts)


def pictures_section() -> str:
    """Return the section on the families that read a text with a picture, which are built and traced for it."""
    table = _table(pictures.COLUMNS, list(pictures.rows()))
    return "\n".join((f"## {pictures.TITLE}\n", pictures.ABOUT, table, pictures.not_read()))


def write_pictures() -> None:
    """Write the section on texts with pictures anew, and leave the rest of the page as it is."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, after = text.partition("## Refused\n")
    before = before.partition(f"## {pictures.TITLE}\n")[0]
    PAGE.write_text(f"{before}{pictures_section()}\n## Refused\n{after}", encoding="utf-8")


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def read(section: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a section of the committed page by family."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if body is None:
        raise LookupError(f"{PAGE} has no section {section!r}: write it anew with python -m tests.zoo.")
    rows = [
        tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in body[1].splitlines() if "|" in line
    ]
    return {cells[0]: cells for cells in rows[2:]}
