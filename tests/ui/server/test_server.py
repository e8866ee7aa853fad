"""The middleware and the checks at the start, called as a web server calls them (ASGI)."""

import asyncio
import gc
import gzip
import hashlib
import tomllib
from pathlib import Path
from types import SimpleNamespace

import plotly
import pytest
from plotly.offline import get_plotlyjs_version
from starlette.responses import PlainTextResponse
from streamlit import config
from streamlit.file_util import get_static_dir
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from tests.helpers.paths import ROOT
from ui.server import middleware, prepare, refuse_open_server
from ui.server.start import LOCAL_HOSTS, is_local
from viz.browser.bundle import script, script_file

PLOTLY = f"/vendor/plotly-{get_plotlyjs_version()}.min.js"


def ask(path, *, method="GET", encoding="gzip"):
    """Return status, headers and body of the middleware's answer, around an app that answers "the app"."""
    app = PlainTextResponse("the app")
    for part in reversed(middleware()):
        app = part.cls(app)
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("path", ["/", "/steps", PLOTLY, "/_stcore/health", "/no/such/file"])
def test_every_response_has_the_security_headers(path):
    _, headers, _ = ask(path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["frame-ancestors"] == "'self'"
    assert rules["object-src"] == "'none'"
    assert rules["default-src"] == "'self'"
    assert "unsafe" not in rules["script-src"]


def test_the_middleware_lets_the_start_of_the_server_pass():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    for part in reversed(middleware()):
        app = part.cls(app)
    asyncio.run(app({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


def test_the_policy_names_every_inline_script_of_the_page():
    index = Path(get_static_dir(), "index.html").read_text()
    policy = ask("/")[1]["content-security-policy"]
    assert index.count("<script>") == policy.count("'sha256-") == 1


@pytest.mark.parametrize("name", ["js", "css"])
def test_scripts_and_styles_are_compressed_and_cached(name):
    path = next(Path(get_static_dir(), "static", name).iterdir())
    status, headers, body = ask(f"/static/{name}/{path.name}")
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "accept-encoding")
    assert headers["cache-control"] == "public, immutable, max-age=31536000"
    assert gzip.decompress(body) == path.read_bytes()
    assert int(headers["content-length"]) == len(body)
    _, headers, plain = ask(f"/static/{name}/{path.name}", encoding="")
    assert plain == path.read_bytes()
    assert "content-encoding" not in headers


def test_plotly_is_sent_at_a_third_of_its_size():
    status, headers, body = ask(PLOTLY)
    original = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(body) == original
    assert len(body) < len(original) / 3


def test_the_code_of_the_instrument_has_a_name_that_changes_with_it_and_lasts_in_the_browser():
    path = f"/vendor/{script_file('instrument_on_page')}"
    code = script("instrument_on_page").encode()
    assert path == f"/vendor/instrument_on_page-{hashlib.sha256(code).hexdigest()[:16]}.js"
    status, headers, body = ask(path)
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "accept-encoding")
    assert headers["cache-control"] == "public, immutable, max-age=31536000"
    # A browser imports a module only with this type.
    assert headers["content-type"].startswith("text/javascript")
    assert int(headers["content-length"]) == len(body) < len(code) / 3
    assert gzip.decompress(body) == code
    _, headers, plain = ask(path, encoding="")
    assert plain == code
    assert "content-encoding" not in headers
    assert ask(path, method="HEAD")[1]["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "path",
    [
        "/static/js/../../index.html",
        "/static/js/none.js",
        "/vendor/plotly.min.js",
        "/vendor/instrument_on_page.js",
        "/",
    ],
)
def test_no_other_file_is_served(path):
    assert ask(path)[2] == b"the app"


def test_a_page_below_a_base_path_finds_its_files(monkeypatch):
    monkeypatch.setitem(
        config._config_options, "server.baseUrlPath", SimpleNamespace(value="/tools/", is_default=False)
    )
    assert ask(f"/tools{PLOTLY}")[1]["content-encoding"] == "gzip"


@pytest.fixture
def uploads(monkeypatch):
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr("ui.server.uploads.runtime.get_instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))

    def upload(session, name):
        assert ask(f"/base/_stcore/upload_file/{session}/{name}", method="PUT")[0] == 200
        manager.add_file(session, UploadedFileRec(file_id=name, name="a.png", type="image/png", data=b"1" * 1000))

    upload.manager = manager
    return upload


def test_uploads_under_invented_ids_do_not_fill_the_memory(uploads):
    for number in range(30):
        uploads("one", f"invented {number}")
    uploads("another", "its own")
    stored = {session: list(files) for session, files in uploads.manager.file_storage.items()}
    assert stored == {"one": ["invented 28", "invented 29"], "another": ["its own"]}


def test_the_picture_on_the_page_stays_until_its_successor_has_arrived(uploads):
    uploads("one", "first")
    uploads("one", "first")
    uploads("one", "second")
    assert list(uploads.manager.file_storage["one"]) == ["first", "second"]


def test_an_invented_session_is_not_created(uploads):
    ask("/_stcore/upload_file/nobody/file", method="PUT")
    assert not uploads.manager.file_storage


@pytest.fixture
def server(monkeypatch):
    """Set the options of the server, and restore them after the test."""
    monkeypatch.delenv("HEADLIGHT_MODELS", raising=False)
    before = {name: config.get_option(name) for name in ("server.address", "server.allowedHosts")}

    def started(address, hosts=(), models=None):
        config.set_option("server.address", address)
        config.set_option("server.allowedHosts", list(hosts))
        if models is not None:
            monkeypatch.setenv("HEADLIGHT_MODELS", models)
        refuse_open_server()

    yield started
    for name, value in before.items():
        config.set_option(name, value)


@pytest.mark.parametrize("address", ["0.0.0.0", None, "", "192.0.2.7", "::", "example.com"])
def test_a_public_server_without_a_list_of_models_does_not_start(server, address):
    with pytest.raises(SystemExit) as refusal:
        server(address)
    assert "set HEADLIGHT_MODELS" in str(refusal.value)


@pytest.mark.parametrize("models", ["minilm", "*"])
def test_a_public_server_starts_with_a_list_of_models(server, models):
    server("0.0.0.0", models=models)
    assert config.get_option("server.allowedHosts") == []


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "::1"])
def test_a_local_server_answers_only_to_local_names(server, address):
    server(address)
    assert is_local(address)
    assert all(is_host_allowed(host) for host in ("localhost:8501", "127.0.0.1:8501", "[::1]:8501"))
    assert not any(is_host_allowed(host) for host in ("evil.example", "localhost.evil.example", None))


def test_the_operators_own_hosts_stay(server):
    server("localhost", hosts=["app.example"])
    assert config.get_option("server.allowedHosts") == ["app.example"]
    assert "app.example" not in LOCAL_HOSTS


@pytest.mark.slow
def test_permanent_objects_are_hidden_from_the_garbage_collector():
    async def serve():
        async with prepare(None):
            return gc.get_freeze_count(), len(gc.get_objects())

    try:
        frozen, seen = asyncio.run(serve())
    finally:
        gc.unfreeze()
    assert frozen > 100_000
    assert seen < frozen / 10


def test_no_run_of_the_page_ends_with_a_full_collection():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["runner"] == {"postScriptGC": False}
    assert settings["server"]["address"] == "localhost"


@pytest.mark.slow
def test_no_progress_bar_is_written_into_the_log(monkeypatch):
    import huggingface_hub.utils as hub
    from transformers.utils import logging as transformers_logging

    async def serve():
        async with prepare(None):
            return hub.are_progress_bars_disabled(), transformers_logging.is_progress_bar_enabled()

    hub.enable_progress_bars()
    transformers_logging.enable_progress_bar()
    try:
        assert asyncio.run(serve()) == (True, False)
    finally:
        gc.unfreeze()
        hub.enable_progress_bars()
        transformers_logging.disable_progress_bar()  # as tests/conftest.py
