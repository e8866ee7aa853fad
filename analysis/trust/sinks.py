"""Where heads rest: the first token and special tokens get the attention that no other token needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.trust.finding import Finding
from analysis.trust.survey import Look

# Gu et al. 2024: a head has a sink if the first token gets more, in the mean over queries.
SINK = 0.3


def check_sinks(look: Look) -> Iterator[Finding]:
    """Yield the share of the attention that the first token gets, and that of the other special tokens.

    This is what trained models do (Clark et al. 2019, Gu et al. 2024), so it is never a warning.
    """
    for kind, survey in look.surveys.items():
        att = look.trace[kind]
        if att.n_key < 2 or any(token.seconds is not None for token in att.key_tokens) or att.key_patches:
            continue
        received = survey.of_heads("received")
        totals = received.sum(-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(totals > 0, received / totals, np.nan)
        if not np.isfinite(shares).any():
            continue
        first, which = shares[:, 0], f"{kind} " if len(look.surveys) > 1 else ""
        others = [at for at, token in enumerate(att.key_tokens) if token.special and at]
        n_resting, share = int((first > SINK).sum()), float(np.nanmean(first))
        sentence = (
            f"The first token gets {share:.0%} of the {which}attention, more than {SINK:.0%} in {n_resting:,} of "
            f"{len(first):,} heads"
        )
        if others:
            sentence += f", and the other special tokens get {float(np.nanmean(shares[:, others].sum(-1))):.0%}"
        yield Finding(
            "resting place",
            "note",
            f"{sentence}. Heads put there what no other token needs, so a large weight on them says little.",
            share,
            "Hide special tokens and the first one to compare the others.",
        )
