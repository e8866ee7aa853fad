"""Part A of "Step by step": three words, all matrices shown and editable, one pair worked out in numbers."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

import viz.html.steps as pictures
from analysis.steps import Options, Steps, attention_steps, check_matrix, measure_saturation
from analysis.steps_examples import EXAMPLES
from models.errors import BadMatrix
from ui.messages import escape_markdown
from ui.state.kinds import write_matrix
from ui.state.steps import HEADS, MATRICES, STEPS, TEMPERATURES, StepsChoice, matrices_of, matrix_of, words_of
from viz.html import latex as working
from viz.html.matrices import Column, table
from viz.html.steps import Chosen

LONGEST_WORD = 24
# These figures are those of the unedited example: tests/ui/pages/test_steps.py compares them with the page.
_ONE_TO_TEN = (
    "As the example stands, scores of a row differ by 75 and 200, and e to the 75 is all there is: one key takes "
    "everything, and no small change of a score shows any more. Divided by √5 they still differ by 34 and 89: scaling "
    "makes up for the width, not for large numbers. Try a temperature of 32."
)


def three_words() -> None:
    """Show every step from the projections to the output, computed from the numbers that the visitor chose."""
    _controls()
    problem = _edit_matrices()
    if problem:
        st.error(escape_markdown(f"{problem} The pictures show the numbers before."), icon=":material/error:")
    choice = STEPS.now()
    words, matrices = words_of(choice), matrices_of(choice)
    options = Options(choice.heads, choice.scaling, choice.temperature, choice.causal)
    steps = attention_steps(matrices, options)
    chosen = _choose_pair(choice, words)
    st.html(pictures.legend())
    st.markdown("## 1. Three projections: what each word asks, offers and carries")
    for line in pictures.projections(matrices, steps, words, chosen).values():
        st.html(line)
    st.markdown("## 2. Scores become weights: each query with each key")
    for head in range(choice.heads):
        st.html(pictures.scores(steps, words, chosen, head, options))
    st.markdown("## 3. The output: values, mixed by the weights")
    for head in range(choice.heads):
        st.html(pictures.mixing(steps, words, chosen, head))
    if choice.heads > 1:
        st.html(pictures.joining(matrices, steps, words, chosen))
    _work_out_pair(steps, words, chosen, options)
    _explain_scaling(steps, words, chosen)


def _controls() -> None:
    choice = STEPS.now()
    width = len(EXAMPLES[choice.example].matrices["w_q"])
    possible = [heads for heads in HEADS if width % heads == 0]
    if choice.heads not in possible:
        st.info(f"{width} columns cannot be shared by {choice.heads} heads: 1 head is shown instead.")
        STEPS.update(heads=1)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        for name, example in EXAMPLES.items():
            kind: Literal["primary", "secondary"] = "primary" if name == choice.example else "secondary"
            st.button(example.title, key=f"steps example {name}", type=kind, on_click=_use_example, args=(name,))
        st.button("Reset the numbers", key="steps_reset", type="tertiary", icon=":material/undo:", on_click=_reset)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.toggle("Scaling: divide by √d", **STEPS.widget_args("scaling"))
        st.toggle(
            "Causal mask", **STEPS.widget_args("causal"), help="A word may look only at itself and at words before."
        )
        st.segmented_control(
            "Heads",
            possible,
            **STEPS.widget_args("heads"),
            required=True,
            help="The columns of Q, K and V are shared by the heads; each has weights of its own.",
        )
        st.select_slider(
            "Temperature",
            TEMPERATURES,
            **STEPS.widget_args("temperature"),
            width=280,
            format_func=lambda value: f"{value:g}",
            help="The scores are divided by it before the softmax: small is sharp, large is even.",
        )


def _use_example(example: str) -> None:
    STEPS.update(example=example, scaling=EXAMPLES[example].scaling, temperature=1.0, causal=False, heads=1)
    STEPS.update(query=0, key=len(EXAMPLES[example].words) - 1, of_head=0)
    _reset()


def _reset() -> None:
    STEPS.update(words="", **dict.fromkeys(MATRICES, ""))
    st.session_state.steps_version = st.session_state.get("steps_version", 0) + 1


def _edit_matrices() -> str | None:
    """Show an editor for each matrix and store what can be computed with; return what is wrong, in one sentence."""
    choice = STEPS.now()
    shown = [name for name in MATRICES if name != "w_o" or choice.heads > 1]
    problems = []
    with st.expander("Edit the numbers: everything below follows at once", icon=":material/edit:"):
        for name, column in zip(shown, st.columns([4, *[3] * (len(shown) - 1)], gap="small"), strict=True):
            with column:
                problems.append(_edit_matrix(name, choice))
    return next(filter(None, problems), None)


def _edit_matrix(name: str, choice: StepsChoice) -> str | None:
    session = st.session_state
    key = f"steps edit {name} {choice.example} {session.get('steps_version', 0)}"
    start = f"start of {name}"
    # The editor keeps the edits; the table that it started from has to stay the same while it is on the page.
    if key not in session or start not in session:
        session[start] = _table_to_edit(name, choice)
    numbers = {column: st.column_config.NumberColumn(column, width=55) for column in session[start] if column != "word"}
    word = {"word": st.column_config.TextColumn("word", max_chars=LONGEST_WORD, width=75)} if name == "x" else {}
    st.markdown(f"${MATRICES[name]}$ {len(session[start])} × {len(numbers)}")
    edited = st.data_editor(
        session[start], key=key, hide_index=True, column_config={**word, **numbers}, num_rows="fixed", width="content"
    )
    return _store_edits(name, edited, choice)


def _table_to_edit(name: str, choice: StepsChoice) -> pd.DataFrame:
    values = matrix_of(choice, name)
    table_to_edit = pd.DataFrame(values, columns=[str(column) for column in range(values.shape[1])])
    if name == "x":
        table_to_edit.insert(0, "word", list(words_of(choice)))
    return table_to_edit


def _store_edits(name: str, edited: pd.DataFrame, choice: StepsChoice) -> str | None:
    """Make an edited matrix the chosen one if it can be computed with; return why not, in one sentence."""
    standard = EXAMPLES[choice.example]
    if name == "x":
        words = tuple("" if pd.isna(word) else str(word) for word in edited["word"])
        words = tuple(word.replace("|", "/").strip() or "·" for word in words)
        STEPS.update(words="" if words == standard.words else "|".join(words))
        edited = edited.drop(columns="word")
    try:
        values = check_matrix(MATRICES[name], edited.to_numpy(dtype=np.float64))
    except BadMatrix as error:
        return str(error)
    same = np.array_equal(values, standard.matrices[name])
    STEPS.update(**{name: "" if same else write_matrix(values)})
    return None


def _choose_pair(choice: StepsChoice, words: tuple[str, ...]) -> Chosen:
    """Show the controls that choose the query, the key and the head to work out; return the choice."""
    limits = {"query": len(words), "key": len(words), "of_head": choice.heads}
    for name, limit in limits.items():
        STEPS.update(**{name: min(getattr(choice, name), limit - 1)})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        for name, title in (("query", "Query: who looks"), ("key", "Key: who is looked at")):
            st.segmented_control(
                title,
                range(len(words)),
                **STEPS.widget_args(name, labels=words),
                required=True,
                format_func=lambda n: escape_markdown(words[n]),
            )
        if choice.heads > 1:
            st.segmented_control("Head worked out", range(choice.heads), **STEPS.widget_args("of_head"), required=True)
    choice = STEPS.now()
    return Chosen(choice.query, choice.key, choice.of_head)


def _work_out_pair(steps: Steps, words: tuple[str, ...], chosen: Chosen, options: Options) -> None:
    i, j, head = chosen.query, chosen.key, chosen.head
    of_head = f", head {head}" if options.n_heads > 1 else ""
    st.markdown(f"## 4. One pair in numbers: {escape_markdown(words[i])} looks at {escape_markdown(words[j])}{of_head}")
    st.html(pictures.product(steps, words, chosen))
    with st.container(key="steps_working", gap="small"):
        st.latex(working.score(i, j, steps.q[head, i], steps.k[head, j]))
        st.latex(working.scaled(i, j, float(steps.scores[head, i, j]), steps.q.shape[2], scaling=options.scaling))
        st.latex(working.softmax(i, j, steps.masked[head, i], options.temperature))
        st.latex(working.output(i, steps.weights[head, i], steps.v[head]))


def _explain_scaling(steps: Steps, words: tuple[str, ...], chosen: Chosen) -> None:
    st.markdown("## 5. What the scaling is for")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("How spread each row of weights is now:")
        for head in range(len(steps.q)):
            if len(steps.q) > 1:
                st.caption(f"Head {head}")
            st.html(pictures.spread(steps, words, head, chosen))
        if STEPS.now().example == "rows":
            st.caption(_ONE_TO_TEN)
    with right:
        st.markdown("The same for random vectors of growing width, 8 keys, mean of 2,000 draws:")
        rows = _growth()
        widths, *figures = zip(*rows, strict=True)
        titles = ("bits, unscaled", "largest, unscaled", "bits, scaled", "largest, scaled")
        columns = [
            Column(title, values, bar=3.0 if "bits" in title else 1.0, decimals=2)
            for title, values in zip(titles, figures, strict=True)
        ]
        st.html(table([f"d = {width}" for width in widths], columns, corner="width"))


@cache
def _growth() -> list[tuple[int, float, float, float, float]]:
    return measure_saturation()
