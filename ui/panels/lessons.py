"""The lesson of each task on the page "Watch it train": what to look for, the loss, and the paper of the task."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from models.scratch.tasks import TASKS

_CROSS_ENTROPY = r"\mathcal{L} = -\frac{1}{n}\sum_{i=1}^{n} \log \mathrm{softmax}(z_i)_{y_i}"
_SMOOTHED = (
    r"\mathcal{L} = -\frac{1}{n}\sum_{i=1}^{n}\sum_{c} \tilde{y}_{ic} \log \mathrm{softmax}(z_i)_c,\quad "
    r"\tilde{y}_{ic} = 0.95\,[c = y_i] + 0.005"
)
_SQUARED = r"\mathcal{L} = \frac{1}{n}\sum_{i=1}^{n} \frac{(\hat{x}_i - x_i)^2}{\sigma^2},\quad \sigma = 4"


@dataclass(frozen=True)
class Lesson:
    """`watch`: what training shows; `loss`: its equation in TeX with what the letters mean; `paper`: name and link."""

    watch: str
    loss: str = _CROSS_ENTROPY
    letters: str = "z are the logits of the n answers asked for, y the right ones; in nats"
    paper: str = "Vaswani et al. 2017, Attention Is All You Need, section 5"
    link: str = "https://arxiv.org/abs/1706.03762"


_PLATEAU = "The loss stays on a plateau until a head finds the place, then falls within a few hundred steps."
LESSONS = {
    "previous": Lesson(
        "At first every head looks everywhere; the loss falls as soon as one of them draws the line below the diagonal."
    ),
    "reversal": Lesson(_PLATEAU),
    "sorting": Lesson("The easy places at both ends come first; the loss falls as the permutation gets sharp."),
    "brackets": Lesson(
        "First come pairs that stand side by side, the nested ones later; often the layers share the work."
    ),
    "recall": Lesson(
        "Accuracy waits near a quarter, then climbs: below, digits look at the letter before them; above, letters find "
        "those digits.",
        paper="Olsson et al. 2022, In-context Learning and Induction Heads",
        link="https://arxiv.org/abs/2209.11895",
    ),
    "agreement": Lesson(
        "At first the nearest noun decides, which is often right; the loss falls again when a head finds the subject.",
        paper="Linzen et al. 2016, Assessing the Ability of LSTMs to Learn Syntax-Sensitive Dependencies",
        link="https://arxiv.org/abs/1611.01368",
    ),
    "dates": Lesson("The order of the digits comes first; months by name, which have to be looked up, come last."),
    "digits": Lesson(
        "Heads that look everywhere draw together on strokes, each on another part of the digit.",
        loss=_SMOOTHED,
        letters="z are the logits of the ten digits, y the right one, smoothed; in nats",
        paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
        link="https://arxiv.org/abs/2010.11929",
    ),
    "series": Lesson(
        "First the model says the mean; the loss falls when stripes appear, one for each earlier period.",
        loss=_SQUARED,
        letters="x is the next value without noise, x̂ what is said, σ the noise; 1 is as good as a measurement",
    ),
}


def show_lesson(task: str) -> None:
    """Show what the task asks, what training shows, and the loss."""
    lesson = LESSONS[task]
    left, right = st.columns([6, 5], gap="medium", vertical_alignment="center")
    left.markdown(
        f"**The task.** {TASKS[task].rule}  \n**Where a head has to look.** {TASKS[task].looks}  \n"
        f"**What training shows.** {lesson.watch}"
    )
    with right.container(gap="xxsmall"):
        st.latex(lesson.loss)
        st.caption(f"The loss: {lesson.letters}. [{lesson.paper}]({lesson.link})", text_alignment="center")
