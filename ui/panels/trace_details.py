"""What the page says of a trace from a file, and the buttons that save a trace or open its model."""

from __future__ import annotations

from functools import partial

import streamlit as st

from models import AttentionTrace, Source
from models.checkpoints import fetched
from models.conversation import write_messages
from models.memory import readable
from ui.messages import escape_markdown
from ui.panels.export import short_model
from ui.panels.trace_file import Opened, Shown, shorten
from ui.services.settings import allowed_models, file_bytes
from ui.services.trace_files import SAVED, written
from ui.state.inspect import INSPECT, MOST_GENERATED

LONGEST_TEXT = 120
NEEDS_MODEL = "This trace was loaded from a file: another text needs its model."


def save_controls(shown: Shown, trace: AttentionTrace) -> None:
    """Offer the trace as a file, in the popover while it is open."""
    if shown.files is None:
        return
    most = file_bytes()
    with shown.files:
        st.markdown("**Save this trace**")
        with st.container(horizontal=True, gap="small"):
            for suffix, longer in SAVED.items():
                if trace.n_bytes * longer <= most:
                    st.download_button(
                        f"Save as {suffix.upper()}",
                        data=partial(written, trace, suffix),
                        file_name=f"{short_model(trace.source)}-trace.{suffix}",
                        key=f"save trace {suffix}",
                        on_click="ignore",
                        icon=":material/save:",
                    )
        if trace.n_bytes * max(SAVED.values()) > most:
            st.caption(
                f"This trace takes about {readable(trace.n_bytes)}, and this page makes files up to {readable(most)}: "
                "write larger ones in Python, with `trace.save`."
            )
        st.caption("NPZ holds every number as it is; JSON is for other languages. Both open here and in Python again.")


def describe_trace(opened: Opened) -> None:
    """Say where the trace comes from and what it lacks, with a button that opens its model if that is here."""
    source, outputs = opened.trace.source, opened.trace.outputs
    sentences = [_describe_source(source), NEEDS_MODEL]
    if not outputs:
        given = source.capture == "given"
        sentences.append("Weights alone do not say what their model answers." if given else outputs.reason)
    with st.container(key="trace-row", horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(escape_markdown(" ".join(sentences)))
        name = _name_of_model(source)
        if name is not None:
            st.button(
                "Open its model with this text",
                key="open its model",
                on_click=_open_model,
                args=(name, source),
                help=escape_markdown(f"Closes the trace and traces the text anew with {name}."),
            )


def _describe_source(source: Source) -> str:
    """Return model, revision and text of a trace, as far as they are known, in a sentence."""
    if source.capture == "given" and not source.revision:
        return f"{source.model[:1].upper()}{source.model[1:]}."
    made_by = f"{source.model}, revision {source.revision[:19]}" if source.revision else source.model
    text = shorten(" ".join(source.text.split()), LONGEST_TEXT)
    return f"{made_by}: “{text}”" if text else f"{made_by}."


def _name_of_model(source: Source) -> str | None:
    """Return the name under which this server opens the trace's model; None if it cannot read the same text."""
    name, allowed = fetched.short_name(source.model, source.revision), allowed_models()
    if name in fetched.missing_names():
        return None
    is_text = source.text and all(each is None for each in (source.words, source.ids, source.image, source.audio))
    return name if is_text and (allowed is None or name in allowed) else None


def _open_model(name: str, source: Source) -> None:
    """Close the trace and open its model with its text, at the same head."""
    st.session_state.pop("left for trace", None)
    messages = write_messages(source.messages) if source.messages else ""
    INSPECT.update(
        trace="",
        model=name,
        revision="",
        # The text of a conversation is its template, filled in.
        text=INSPECT.now().text if messages else source.text,
        pair=source.text_pair or "",
        target=source.target or "",
        messages=messages,
        generate=min(max(source.generate, 0), MOST_GENERATED),
        add_special_tokens=source.add_special_tokens,
        lines=False,
        sentence=0,
    )
