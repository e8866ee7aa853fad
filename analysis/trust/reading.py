"""A reading that differs from the model's own: its special tokens, its chat template, the order in which it reads."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.trust.finding import Finding
from analysis.trust.survey import Look
from models.checkpoints.architectures import reads_both_ways


def check_special_tokens(look: Look) -> Iterator[Finding]:
    """Yield whether the text was read without the special tokens that the tokenizer adds."""
    source, tokenizer = look.trace.source, look.model.tokenizer if look.model is not None else None
    if source.messages or source.image is not None or source.audio is not None:
        return
    if source.ids is not None:
        yield Finding("reading", "note", "The token ids were given, and the model read them exactly as they are.")
    tokens = look.trace[look.trace.kinds[0]].key_tokens
    if tokenizer is None:
        if not source.add_special_tokens:
            yield Finding("special tokens", "note", "The tokenizer was told to add no special tokens to the text.")
        return
    n_added = tokenizer.num_special_tokens_to_add(pair=False)
    declared = bool(getattr(tokenizer, "add_bos_token", False)) and tokenizer.bos_token_id is not None
    if n_added and not any(token.special for token in tokens):
        yield Finding(
            "special tokens",
            "warning",
            f"The text was read without the {n_added} special tokens that the tokenizer adds to every text: the model "
            "was trained with them, and many heads rest on them.",
            n_added,
            "Let the tokenizer add special tokens, or put them into the text.",
        )
    elif declared and tokens[0].id != tokenizer.bos_token_id:
        yield Finding(
            "special tokens",
            "warning",
            f"The text does not begin with the start token {tokenizer.bos_token!r}, with which the tokenizer says that "
            "every text begins.",
            None,
            "Put it before the text, or repair the tokenizer (add_bos_token).",
        )


def check_template(look: Look) -> Iterator[Finding]:
    """Yield whether a model of conversations read a plain text."""
    model, source = look.model, look.trace.source
    if model is None or not model.card.chats or source.messages or source.ids is not None or not source.text:
        return
    yield Finding(
        "chat template",
        "note",
        "This model was trained on conversations too, and the text was read as it is, without its chat template.",
        None,
        "Inspect it as a conversation to see what the model does in one.",
    )


def check_order(look: Look) -> Iterator[Finding]:
    """Yield whether the tokens of a decoder attend to later ones, which it cannot see when it writes."""
    trace, model = look.trace, look.model
    if model is not None and model.card.modality == "text and image":
        return  # some read a picture in both directions (PaliGemma)
    kinds = [kind for kind in trace if kind == "decoder"]
    if model is not None and trace.kinds == ("encoder",) and model.module.can_generate():
        kinds = [] if reads_both_ways(model.module.config) else ["encoder"]
    for kind in kinds:
        later = float(look.surveys[kind].of_heads("later").max())
        if later > 0:
            yield Finding(
                "causal mask",
                "fault",
                f"A token attends to a later one with a weight of up to {later:.2g}, but this model writes texts from "
                "left to right: its causal mask is missing.",
                later,
                "Trace it with its own mask (is_causal), as it was trained.",
            )
