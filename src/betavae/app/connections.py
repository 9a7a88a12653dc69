"""The pages' servers: how many connections there may be, how long they may say nothing.

A connection that stays silent would otherwise be kept for ever: uvicorn only minds those that
have had an answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 256  # connections at a time; a further one is answered 503
PATIENCE = 10.0  # seconds that the head of a request may take, and its body


class Patient(H11Protocol):
    """Closes a connection that does not finish the head of a request in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
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


class Announced(uvicorn.Server):
    """A server that says where it is once it answers and ends by Ctrl-C, not before."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        self._announce()
