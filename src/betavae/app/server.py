"""The explorer's server: one page, and a handful of answers to it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from betavae._system.errors import InputError
from betavae.app.connections import check_port, serve_page
from betavae.app.explorer import MOST_FRAMES, Explorer, open_explorer
from betavae.app.guard import Guard, TooLarge, TooSlow, body
from betavae.app.map_view import MapView
from betavae.app.turns import Busy, Turns
from betavae.config import explain
from betavae.runs.latent_names import write_names

PORT = 8600
MOST_JSON = 2 << 20  # bytes: a film's codes, with room
MOST_UPLOAD = 20 << 20  # bytes: a large photograph
PAGE = Path(__file__).parent / "page"
FILES = {
    "/": "index.html",
    "/explore.js": "explore.js",
    "/runs.js": "runs.js",
    "/map.js": "map.js",
    "/explore.css": "explore.css",
    "/icon.svg": "icon.svg",
}


class Json(JSONResponse):
    """JSON in which names that are no text go as escapes."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of an answer."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False).encode("ascii")


Code = Annotated[list[FiniteFloat], Field(max_length=4096)]


class Message(BaseModel):
    """What the page may send."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Decode(Message):
    """Draw one code."""

    run: int
    code: Code


class Film(Message):
    """Draw several codes into one file."""

    run: int
    codes: Annotated[list[Code], Field(min_length=2, max_length=MOST_FRAMES)]
    kind: Literal["png", "gif"]
    labels: Annotated[
        list[Annotated[str, Field(max_length=20)]], Field(max_length=MOST_FRAMES)
    ] = []


class Names(Message):
    """Name latents of a run."""

    run: int
    names: dict[int, str]


Given = TypeVar("Given", bound=Message)


def create_app(explorer: Explorer, host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """Return the explorer as an ASGI application.

    Args:
        explorer: the open runs.
        host: the address it is served at; others are not answered under.
        token: the secret in the page's first address, which a cookie then keeps; anybody who
            can connect is answered if None.
    """
    rng = np.random.default_rng()
    view = MapView(explorer)
    pictures = Turns(patience=0.5)  # what a slider asks for
    others = Turns(patience=10.0)  # what takes time, or memory: a decoded photograph 200 MB

    async def session(request: Request) -> Response:
        return Json(await others.run(explorer.session))  # it measures

    async def image(request: Request) -> Response:
        given = request.query_params.get("row", "")
        if given == "random":
            row = int(rng.integers(len(explorer.runs[0].dataset.images)))
        elif given.isascii() and given.isdigit() and len(given) < 19:
            row = int(given)
        else:
            raise InputError(f"row must be a whole number >= 0 or 'random', got '{given[:40]}'")
        return Json(await pictures.run(explorer.rows, row))

    async def upload(request: Request) -> Response:
        content = await body(request, MOST_UPLOAD)
        invert = request.query_params.get("invert") == "1"
        return Json(await others.run(explorer.upload, content, invert=invert))

    async def decode(request: Request) -> Response:
        asked = await _read(request, Decode)
        drawn = await pictures.run(explorer.picture, asked.run, asked.code)
        return Response(drawn, media_type="image/png")

    async def film(request: Request) -> Response:
        asked = await _read(request, Film)
        content = await others.run(explorer.film, asked.run, asked.codes, asked.kind, asked.labels)
        return Response(content, media_type=f"image/{asked.kind}")

    async def map_of_images(request: Request) -> Response:
        given = request.query_params.get("run", "")
        if given not in ("0", "1"):
            raise InputError(f"run must be 0 or 1, got '{given[:40]}'")
        return Json(await others.run(view.session, int(given)))

    async def neighbours(request: Request) -> Response:
        asked = await _read(request, Decode)
        found = await others.run(view.nearest, asked.run, asked.code)
        return Json({"images": found})

    async def names(request: Request) -> Response:
        asked = await _read(request, Names)
        if not 0 <= asked.run < len(explorer.runs):
            raise InputError(f"run must be in 0..{len(explorer.runs) - 1}, got {asked.run}")
        run = explorer.runs[asked.run]
        kept = await run_in_threadpool(
            write_names, run.folder, asked.names, run.model.latents, run.weights
        )
        return Json({"names": kept})

    async def static(request: Request) -> Response:
        return FileResponse(PAGE / FILES[request.url.path])

    return Starlette(
        routes=[
            *(Route(path, static) for path in FILES),
            Route("/api/session", session),
            Route("/api/image", image),
            Route("/api/upload", upload, methods=["POST"]),
            Route("/api/decode", decode, methods=["POST"]),
            Route("/api/film", film, methods=["POST"]),
            Route("/api/map", map_of_images),
            Route("/api/neighbours", neighbours, methods=["POST"]),
            Route("/api/names", names, methods=["PUT"]),
        ],
        middleware=[Middleware(Guard, host=host, token=token)],
        exception_handlers={
            InputError: _refused,
            TooLarge: _too_large,
            TooSlow: _too_slow,
            ClientDisconnect: _gone,
            Busy: _busy,
        },
    )


async def _read(request: Request, kind: type[Given]) -> Given:
    """Return a JSON body as the message it must be."""
    try:
        return kind.model_validate_json(await body(request, MOST_JSON))
    except ValidationError as error:
        raise InputError(explain(error, kind)) from None


async def _refused(request: Request, error: Exception) -> Response:
    return Json({"error": str(error)[:400]}, 400)


async def _too_large(request: Request, error: Exception) -> Response:
    most = MOST_UPLOAD if request.url.path == "/api/upload" else MOST_JSON
    return Json({"error": f"larger than {most >> 20} MB, which is the limit"}, 413)


async def _too_slow(request: Request, error: Exception) -> Response:
    return Json({"error": "the request took too long"}, 408)


async def _busy(request: Request, error: Exception) -> Response:
    said = {"error": "busy with other requests, try again in a moment"}
    return Json(said, 503, headers={"Retry-After": "1"})


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it: the page was left in the middle


def serve(
    folders: Sequence[Path],
    *,
    data: str | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    browser: bool = True,
) -> None:
    """Open runs in the explorer and serve it until Ctrl-C.

    Args:
        folders: one run folder, or two to compare.
        data: another place of the runs' images.
        host: the address to listen on; other than loopback, others on the network can look too.
        port: the port; 0 takes a free one.
        browser: open the page in the browser.

    Raises:
        InputError: when a run cannot be opened, or the port is taken.
    """
    check_port(port)
    token = secrets.token_urlsafe(16)
    app = create_app(open_explorer(folders, data=data), host, token)
    what = f"exploring {' and '.join(map(str, folders))}"
    serve_page(app, what, host=host, port=port, query=f"?token={token}", browser=browser)
