"""The numbers and the pictures of the page "Heads" as Python, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from models import Source
from ui.panels.heads_measured import Measured
from ui.panels.trace_file import Shown
from ui.state.heads import HEADS, HeadsChoice
from ui.state.inspect import INSPECT

# Arguments of `Model.trace`, beside the text, with their defaults.
_NAMED = {"text_pair": None, "target": None, "generate": 0, "add_special_tokens": True}
_NAMED |= {"src_lang": None, "tgt_lang": None}
# A visitor's picture or sound has no name that a notebook could open.
_FILES = {"image": "picture.png", "audio": "sound.wav"}


def show_python(shown: Shown, what: Measured) -> None:
    """Show the code that makes what the page shows, with a button that copies it."""
    choice, source = INSPECT.current(), what.att.source
    with st.expander("The same in Python", icon=":material/code:"):
        if shown.opened is not None:
            making = _of_file(shown.opened.name, what.att.kind)
        else:
            texts = [request.text for request in what.requests]
            named = f", revision={choice.revision!r}" if choice.revision else ""
            making = python_of_reading(f"{choice.model!r}{named}", source, what.att.kind, texts)
        st.code(python_of(HEADS.current(), making, len(what.requests)), language="python", wrap_lines=True)


def _of_file(name: str, kind: str) -> list[str]:
    return [
        "from headlight import AttentionTrace, analysis, viz",
        "",
        f"att = AttentionTrace.load({name!r})[{kind!r}]",
        "table = analysis.head_table(att)",
    ]


def python_of_reading(model: str, source: Source, kind: str, texts: Sequence[str]) -> list[str]:
    """Return the lines that make `att` and `table`, or of several texts `table`; `model` is what `load_model` takes."""
    # Struck words are of one text.
    given = _arguments(source, is_one=not texts)
    imports = ["from headlight import analysis, load_model, viz"]
    if not texts:
        written = ", ".join(f"{name}={value}" for name, value in given.items())
        made = [f"att = model.trace({written})[{kind!r}]", "table = analysis.head_table(att)"]
    elif not given:
        made = [
            f"texts = {list(texts)!r}",
            f"numbers = analysis.head_table_of_texts(model, texts, kind={kind!r})",
            'table = numbers.xs("mean", axis=1, level=1)',
        ]
    else:
        imports = ["import pandas as pd", *imports]
        written = "".join(f", {name}={value}" for name, value in given.items())
        made = [
            f"texts = {list(texts)!r}",
            f"tables = [analysis.head_table(model.trace(text{written})[{kind!r}]) for text in texts]",
            'table = pd.concat(tables).drop(columns="pattern").astype(float).groupby(level=[0, 1]).mean()',
        ]
    return [*imports, "", f"model = load_model({model})", *made]


def _arguments(source: Source, *, is_one: bool) -> dict[str, str]:
    """Return the arguments of `Model.trace`, as Python writes them; of several texts, those beside the text."""
    named: dict[str, str] = {
        name: repr(getattr(source, name)) for name, usual in _NAMED.items() if getattr(source, name) != usual
    }
    if source.ablate:
        heads = ", ".join(f"({kind!r}, {layer}, {head}): {how!r}" for kind, layer, head, how in source.ablate)
        named["ablate"] = f"{{{heads}}}"
    files = {name: repr(file) for name, file in _FILES.items() if getattr(source, name) is not None}
    if not is_one:
        return {**files, **named}
    if source.mask_tokens:
        named["mask_tokens"] = repr(list(source.mask_tokens))
    if source.messages is not None:
        return {"messages": repr([{"role": role, "content": said} for role, said in source.messages]), **files, **named}
    return {**({"text": repr(source.text)} if source.text or not files else {}), **files, **named}


def python_of(choice: HeadsChoice, making: Sequence[str], n_texts: int = 0) -> str:
    """Return the code after the lines that make the table: what a visitor typed is written as literals."""
    lines, several = list(making), n_texts > 1
    if choice.repeated:
        names = "{'previous': 'previous_repeated'}"
        lines += [f"table = table.join(analysis.induction_table(model).rename(columns={names}))"]
    found = f", find={choice.find!r}" if choice.find.strip() else ""
    if found:
        lines += [f"analysis.find_heads(table, {choice.find!r})"]
    lines += [f"viz.heads_grid(table, {choice.measure!r}{found})"]
    # The table of several texts has no patterns.
    colour = "layer" if choice.colour == "pattern" and several else choice.colour
    lines += [f"viz.heads_scatter(table, {choice.x!r}, {choice.y!r}, colour={colour!r}{found})"]
    if not several:
        lines += [f"viz.heads_map(analysis.head_map(att), table, colour={colour!r}{found})"]
        if choice.selected is not None:
            lines += ["analysis.nearest_heads(att, {}, {})".format(*choice.selected)]
    return "\n".join(lines)
