"""The routes of the app besides Streamlit's: what the instrument in a browser requests of a trace."""

from __future__ import annotations

from functools import partial

import anyio
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit import config

from models.errors import BadSelection
from ui.messages import describe_error
from ui.services.instrument_answers import Answer, NoAnswer, answer, is_slow

# Requests that are computed at a time. Those that read all heads of a trace have places of their own, so that tiles do
# not wait for them; both leave threads of the server to Streamlit.
QUICK_THREADS, SLOW_THREADS = 4, 2
_QUICK: RunVar[anyio.CapacityLimiter] = RunVar("headlight quick requests")
_SLOW: RunVar[anyio.CapacityLimiter] = RunVar("headlight slow requests")
LASTS = "private, max-age=3600, immutable"
CHANGES = "no-store"


def instrument_routes() -> list[Route]:
    """Return the routes of this app, below the base path of the server."""
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return [Route(f"{f'/{base}' if base else ''}/instrument/{{trace}}/{{path:path}}", answer_request, methods=["GET"])]


async def answer_request(request: Request) -> Response:
    """Answer a request of the instrument; the event loop goes on while a thread computes."""
    trace, path = request.path_params["trace"], request.path_params["path"]
    options = dict(request.query_params)
    try:
        found = await anyio.to_thread.run_sync(partial(answer, trace, path, options), limiter=_limiter(path))
    except NoAnswer:
        return _refuse(404, "There is no such trace, or nothing is known under this path: reload the page.")
    except BadSelection as error:
        return _refuse(400, str(error))
    except Exception as error:
        return _refuse(500, describe_error(error, "looking at a head"))
    return _respond(found)


def _respond(found: Answer) -> Response:
    headers = {"cache-control": LASTS if found.lasts else CHANGES}
    if found.dense:
        # Streamlit would compress it, which takes longer than sending it and saves a tenth.
        headers["content-encoding"] = "identity"
    return Response(found.body, headers=headers, media_type=found.media_type)


def _refuse(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence, status, headers={"cache-control": CHANGES})


def _limiter(path: str) -> anyio.CapacityLimiter:
    """Return the places for a request; a limiter belongs to one event loop."""
    places, most = (_SLOW, SLOW_THREADS) if is_slow(path) else (_QUICK, QUICK_THREADS)
    try:
        return places.get()
    except LookupError:
        places.set(anyio.CapacityLimiter(most))
        return places.get()
