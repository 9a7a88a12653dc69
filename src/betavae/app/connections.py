"""How pages are served: at a port that is free, to so many connections, for so long.

A connection that stays silent would otherwise be kept for ever: uvicorn only minds those that
have had an answer.
"""

from __future__ import annotations

import asyncio
import socket
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from betavae._system.errors import InputError

MOST = 256  # connections at a time; a further one is refused
PATIENCE = 10.0  # seconds that the head of a request may take, and its body


FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"
)


class Patient(H11Protocol):
    """Refuses connections that are too many, and closes one that does not finish a head in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.write(FULL)
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and wait for the rest where a request's head is not complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        super().connection_lost(exc)

    @property
    def _waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._waiting:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(PATIENCE, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._waiting and not self.transport.is_closing():
            self.transport.close()


def serve_page(
    app: Starlette,
    what: str,
    *,
    host: str,
    port: int,
    query: str = "",
    browser: bool = True,
) -> None:
    """Serve an application until Ctrl-C, and say where it is.

    Args:
        app: what answers.
        what: is being done, for the line that names the address.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        query: what the page's first address ends with.
        browser: open the page in the browser.

    Raises:
        InputError: when the port is taken.
    """
    try:
        listening = listen(host, port)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/{query}"

    def announce() -> None:
        print(f"{what} at {address}; Ctrl-C ends", flush=True)
        if browser:
            webbrowser.open(address)

    config = uvicorn.Config(app, log_level="error", access_log=False, http=Patient)
    with listening:
        _Announced(config, announce).run(sockets=[listening])


def check_port(port: int) -> None:
    """Refuse a number that is no port.

    Raises:
        InputError: says the range.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port must be in 0..65535, got {port}")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to a port that nobody else has.

    It names its protocol: asyncio sends small packets at once (TCP_NODELAY) only on sockets
    that do, and without that every picture waits 40 ms for the browser's delayed receipt.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


class _Announced(uvicorn.Server):
    """A server that says where it is once it answers and ends by Ctrl-C, not before."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        self._announce()
