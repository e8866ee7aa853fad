"""The Learn page "Step by step": attention worked out, with three words and then inside a real head."""

from __future__ import annotations

import streamlit as st

from ui.messages import escape_markdown
from ui.panels.steps_head import real_head
from ui.panels.steps_words import three_words
from ui.state import link
from ui.state.steps import PARTS, STEPS
from viz.browser import style

_LOOK_FOR = (
    "Every word asks a question (its **query**), offers an answer to such questions (its **key**) and carries "
    "something to pass on (its **value**). A query and a key are multiplied: the better they fit, the larger the "
    "score. Watch how a row of scores becomes a row of weights that sums to 1, and how these weights mix the values."
)
_EQUATION = r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^{\mathsf T}}{\sqrt{d_k}}\right) V"
_SOURCE = (
    "Equation 1 of Vaswani et al. 2017, [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.2; "
    "line by line in [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/)."
)


def page() -> None:
    """What to look for, then one of the two parts."""
    st.html(f"<style>{style('matrices')}</style>")
    notices = STEPS.restore()
    st.markdown("# Attention, step by step")
    left, right = st.columns([5, 4], gap="large", vertical_alignment="center")
    left.markdown(_LOOK_FOR)
    right.latex(_EQUATION)
    right.caption(_SOURCE)
    st.segmented_control(
        "Part",
        tuple(PARTS),
        **STEPS.widget_args("part"),
        format_func=PARTS.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    if STEPS.now().part == "words":
        three_words()
    else:
        real_head()
    STEPS.publish()
    if not link.fits_link(STEPS.now()):
        st.caption("What you wrote is too long for a link: the address restores everything but that.")


page()
