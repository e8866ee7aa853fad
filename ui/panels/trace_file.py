"""A trace from a file in place of a model: the visitor opens it, sees where it comes from, and closes it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from models import AttentionTrace, Model
from models.errors import BadTrace
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.model_picker import choose_model
from ui.services.jobs import Job
from ui.services.settings import server_trace, upload_bytes
from ui.services.trace_files import SUFFIXES, OwnFile, name_file, read_server_file, read_upload
from ui.services.traces import traces
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT, SERVERS, forget_head

# Most files are read within this time. After it the page offers Stop.
QUICK_SECONDS = 1.5
# Between two checks whether a file has been read.
UPDATE_SECONDS = 0.6
LONGEST_LABEL = 40
# What a visitor finds again after the trace is closed.
_LEFT = ("kind", "layer", "head", "token", "partner", "region", "heads")


@dataclass(frozen=True)
class Opened:
    """A trace from a file; `own` says that the file is the server's, which every visitor may open."""

    name: str
    trace: AttentionTrace
    own: bool


@dataclass(frozen=True)
class Shown:
    """What the page shows: a model or an opened trace; neither while one is loaded, or if none opens.

    `files` is the popover of traces, with the notice that it has no room for while it is closed.
    """

    model: Model | None
    opened: Opened | None
    files: DeltaGenerator | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Upload:
    key: OwnFile
    name: str


def choose_source(row: DeltaGenerator, title: str = "Headlight") -> Shown:
    """Show the page's title, and the trace that the visitor has opened or the model picker, in a row of the page."""
    row.markdown(f"# {title}", width="content")
    reading = _settle_upload()
    try:
        opened = _find_opened(row)
    except BaseException as error:
        _refuse(describe_error(error, "reading a trace"))
        INSPECT.update(trace="")
        opened = None
    waits = opened is None and INSPECT.current().trace != ""
    model = choose_model(row) if opened is None and not waits else None
    files, notices = _files(row, opened)
    if reading is not None:
        with row:
            _show_reading(*reading)
    return Shown(model, opened, files, notices)


def _settle_upload() -> tuple[Job[AttentionTrace], str] | None:
    """Open the visitor's upload if it has been read; return its job and its name while it is read."""
    session = st.session_state
    upload = session.get("trace upload")
    if upload is None:
        return None
    job = traces().find(upload.key)
    if job is not None and not job.wait(QUICK_SECONDS):
        return job, upload.name
    del session["trace upload"]
    if job is None:  # the visitor stopped it
        return None
    try:
        job.result()
    except BaseException as error:
        traces().forget(upload.key)
        _refuse(describe_error(error, "reading a trace"))
        return None
    _open(upload)
    return None


def _open(upload: _Upload) -> None:
    """Show the trace of an upload, and let the one before go."""
    session, choice = st.session_state, INSPECT.now()
    before = session.get("trace upload shown")
    if before is not None:
        traces().forget(before.key)
    if not choice.trace:
        session["left for trace"] = {name: getattr(choice, name) for name in _LEFT}
    session["trace upload shown"] = upload
    session["trace file"] = False  # closes the popover, which covers the pictures
    INSPECT.update(trace=upload.key.number, kind="", heads="")
    forget_head()


def _close() -> None:
    """Go back to the model and to what was selected there."""
    left = st.session_state.pop("left for trace", None)
    if left is None:
        INSPECT.update(trace="", kind="")
        forget_head()
        return
    kind = left.pop("kind")
    INSPECT.update(trace="", kind=kind)
    INSPECT.select(**left)


def _find_opened(row: DeltaGenerator) -> Opened | None:
    """Return the trace that the visitor has opened; None if there is none, or while the server's own one is read.

    Raises:
        BadTrace: it cannot be opened, or is no longer in memory.
    """
    chosen = INSPECT.current().trace
    if not chosen:
        return None
    if chosen != SERVERS:
        upload = st.session_state.get("trace upload shown")
        job = traces().find(upload.key) if upload is not None and upload.key.number == chosen else None
        if upload is None or job is None:
            raise BadTrace("The trace of this address is in no link and no longer in memory: open its file again.")
        return _opened(upload.name, job, own=False)
    path = server_trace()
    if path is None:
        raise BadTrace("The address names the trace of another server: this server opens no trace at its start.")
    job = read_server_file(path, visitor())
    if not job.wait(QUICK_SECONDS):
        with row:
            _show_reading(job, path.name)
        return None
    return _opened(name_file(path.name), job, own=True)


def _opened(name: str, job: Job[AttentionTrace], *, own: bool) -> Opened:
    trace = job.result()
    job.n_bytes = trace.n_bytes  # known only now: a file may be compressed
    return Opened(name, trace, own)


def _refuse(sentence: str) -> None:
    """Say that a trace was not opened, until the visitor closes the popover or chooses something else."""
    st.session_state["trace problem"] = (sentence, _chosen())


def _chosen() -> tuple[str, ...]:
    choice = INSPECT.current()
    return choice.model, choice.revision, choice.text


def _files(row: DeltaGenerator, opened: Opened | None) -> tuple[DeltaGenerator | None, tuple[str, ...]]:
    """Show the popover that opens and saves traces; return it if it is open, and the problem that it does not show."""
    session = st.session_state
    with row:
        label = "Open a trace" if opened is None else f"Trace: {_label(opened)}"
        popover = st.popover(label, icon=":material/file_open:", key="trace file", on_change=_toggled)
        if opened is not None:
            st.button(
                "Close",
                key="close trace",
                icon=":material/close:",
                on_click=_close,
                help="Back to the model and its text.",
            )
    sentence, chosen = session.get("trace problem", ("", None))
    problem = sentence if chosen == _chosen() else ""
    if not popover.open:
        return None, (problem,) if problem else ()
    with popover:
        _uploader()
        if problem:
            st.error(escape_markdown(problem), icon=":material/error:")
    return popover, ()


def _toggled() -> None:
    if not st.session_state["trace file"]:
        st.session_state.pop("trace problem", None)


def _label(opened: Opened) -> str:
    sizes = {(att.n_layers, att.n_heads) for att in opened.trace.attentions.values()}
    layers, heads = max(sizes)
    size = f" · {layers} layer{'' if layers == 1 else 's'} × {heads} heads" if len(sizes) == 1 else ""
    return escape_markdown(shorten(opened.name, LONGEST_LABEL)) + size


def _uploader() -> None:
    # Another key for each file, so that the box is empty again when a file has been taken.
    key = f"trace upload {st.session_state.get('traces opened', 0)}"
    st.file_uploader(
        "A trace, or weights that exist already",
        type=list(SUFFIXES),
        key=key,
        max_upload_size=max(1, int(upload_bytes() / 10**6)),
        on_change=_take,
        args=(key,),
        help="It stays in this server's memory, for you alone, and is in no link.",
    )
    st.caption(
        'A file that `trace.save("head.npz")` wrote in Python or that this page saved, a table of Export, or arrays of '
        "weights [layer, head, query, key] as .npy, .npz or .safetensors."
    )


def _take(key: str) -> None:
    """Start to read what the visitor has uploaded, and delete the upload: its bytes are read once."""
    session = st.session_state
    uploaded = session.get(key)
    if not isinstance(uploaded, UploadedFile):
        return
    session["traces opened"] = session.get("traces opened", 0) + 1
    upload = _Upload(OwnFile(visitor(), str(session["traces opened"])), name_file(uploaded.name))
    session.pop("trace problem", None)
    _stop_reading()
    read_upload(upload.key, upload.name, uploaded.getvalue())
    session["trace upload"] = upload
    context = get_script_run_ctx()
    assert context is not None  # a callback runs in a session
    manager = context.uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)  # Streamlit has no other one
    manager.remove_file(context.session_id, uploaded.file_id)


def _stop_reading() -> None:
    upload = st.session_state.pop("trace upload", None)
    job = traces().find(upload.key) if upload is not None else None
    if job is not None:
        job.leave(visitor())
        traces().forget(upload.key)


@st.fragment(run_every=UPDATE_SECONDS)
@guarded
def _show_reading(job: Job[AttentionTrace], name: str) -> None:
    """Say that a file is read, with a Stop button for an upload; rerun the page when it has been read."""
    if job.finished or job.stopped:
        st.rerun()
    job.watch(visitor())
    st.markdown(f"Reading {escape_markdown(shorten(name, LONGEST_LABEL))} …", width="content")
    if "trace upload" in st.session_state:
        st.button("Stop", key="stop trace", on_click=_stop_reading)


def shorten(text: str, most: int) -> str:
    """Return at most `most` characters of a text."""
    return text if len(text) <= most else text[: most - 1] + "…"
