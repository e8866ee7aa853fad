"""What the gradient of a trace could be of: the answers that its model gives, and the embedding of its text."""

from __future__ import annotations

from collections.abc import Iterator

from models import AttentionTrace
from models.arguments import checked
from models.errors import NoAnswer
from models.outputs import Outputs
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, LABEL_TOKENS, WORDS

EMBEDDING = "embedding"
# How many answers are offered, at the whole text or at each mask, and how many masks.
N_ANSWERS, N_MASKS = 5, 3


@checked
def targets_of(trace: AttentionTrace) -> list[tuple[str, str]]:
    """Return targets of `gradient_attention` for a trace, each with a title: the most probable answers, then others.

    The first one is the model's own answer. The answers are classes, next tokens, or tokens at the masks; the last
    target is the embedding of the text. A model whose answer is not a number has the embedding only.
    """
    try:
        found = list(_answers(trace.outputs))
    except NoAnswer:
        found = []
    return [*found, (EMBEDDING, "Sentence embedding")]


def _answers(outputs: Outputs) -> Iterator[tuple[str, str]]:
    if outputs.task in (CLASSIFY, CLASSIFY_IMAGE):
        for label in outputs.labels(N_ANSWERS):
            share = "" if label.probability is None else f" ({label.probability:.1%})"
            yield f"class:{label.id}", f"Class {label.name}{share}"
    elif outputs.task == LABEL_TOKENS:
        best = [outputs.token_labels(position, 1)[0] for position in range(len(outputs.tokens))]
        ids = [label.id for label in best]
        for label in {label.id: label for label in sorted(best, key=lambda one: -ids.count(one.id))}.values():
            yield f"class:{label.id}", f"Class {label.name}, of all tokens"
    elif outputs.task in WORDS:
        places = (len(outputs.tokens) - 1,) if outputs.predicts_next else outputs.masked[:N_MASKS]
        for place in places:
            at, where = (f"@{place}", f" at token {place}") if len(places) > 1 else ("", "")
            for word in outputs.top_words(place, N_ANSWERS):
                name = "Next token" if outputs.predicts_next else "Token"
                yield f"token:{word.token.id}{at}", f"{name} {word}{where}"
