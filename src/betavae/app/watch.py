"""The report of a running training, in the browser, made anew as the training goes on."""

from __future__ import annotations

import html
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from betavae._system.errors import InputError
from betavae.app.connections import check_port, serve_page
from betavae.app.guard import refused
from betavae.report.write import write_report
from betavae.training import checkpoint
from betavae.training.records import RECORDS, read_records

HOST = "127.0.0.1"
PORT = 8601
REFRESH = 10  # seconds between the browser's questions
LEAST = 30.0  # seconds between two reports of one checkpoint: they take time from the training
HEADERS = {
    "Refresh": str(REFRESH),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Watched:
    """A run folder's report as it now stands.

    It is made anew when there is a new checkpoint, and for new records alone every 30 s at most.

    Args:
        folder: the run's.
        data: another place of its images.
        clock: returns seconds.
    """

    def __init__(
        self, folder: Path, data: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._data, self._clock = folder, data, clock
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._when = 0.0
        self._page = ""

    def page(self) -> str:
        """Return the report, or before the first checkpoint where the training stands."""
        with self._lock:
            there = self._folder / checkpoint.NAME
            if not there.is_file():
                return self._waiting()
            seen = there.stat().st_mtime_ns, _size(self._folder / RECORDS)
            new = self._seen is None or seen[0] != self._seen[0]
            if new or (seen != self._seen and self._clock() - self._when >= LEAST):
                try:
                    self._page = self._report()
                except InputError as error:  # a file changed while it was read: the next time
                    return self._page or _plain(str(error))
                self._seen, self._when = seen, self._clock()
            return self._page

    def _report(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = write_report(self._folder, Path(folder) / "report.html", data=self._data)
            return path.read_text(encoding="utf-8")

    def _waiting(self) -> str:
        records = read_records(self._folder / RECORDS)
        if not records:
            return _plain(f"{self._folder}: waiting for the training to begin.")
        terms = ", ".join(f"{name} {value:.4g}" for name, value in records[-1].terms.items())
        return _plain(
            f"{self._folder}: {records[-1].images:,} images seen, {terms}. "
            "The report comes with the first checkpoint."
        )


def create_watch(watched: Watched) -> Starlette:
    """Return the page as an ASGI application, for this machine's own browser only."""

    async def page(request: Request) -> Response:
        headers = request.headers
        refusal = refused(headers.get("host", ""), headers.get("origin"), HOST)
        if refusal:
            return HTMLResponse(_plain(refusal), 403)
        return HTMLResponse(await run_in_threadpool(watched.page), headers=HEADERS)

    return Starlette(routes=[Route("/", page)])


def watch(folder: Path, *, data: str | None = None, port: int = PORT, browser: bool = True) -> None:
    """Serve the report of a training, refreshed as it goes, until Ctrl-C.

    Args:
        folder: the run folder; the training may begin later.
        data: another place of its images.
        port: the port on loopback; 0 takes a free one.
        browser: open the page in the browser.

    Raises:
        InputError: when the port is taken.
    """
    check_port(port)
    app = create_watch(Watched(folder, data))
    serve_page(app, f"watching {folder}", host=HOST, port=port, browser=browser)


def _plain(line: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>betavae watch</title>'
        f"</head><body><main><h1>betavae watch</h1><p>{html.escape(line)}</p></main></body></html>"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
