"""What may talk to the explorer: this machine's own pages, in messages of bounded size."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class TooLarge(Exception):
    """A request's body is larger than is read."""


class Guard:
    """Refuse requests that another site made a browser send, and add headers to answers.

    DNS rebinding lets a foreign page reach this server under the foreign name: so the Host
    header must be localhost, an address in figures, or the name that the server was bound to.
    A page of another origin can send simple requests: so an Origin, where given, must be ours.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = refused(headers.get("host", ""), headers.get("origin"), self.host)
        if refusal:
            await JSONResponse({"error": refusal}, 403)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self.app(scope, receive, with_headers)


def refused(host: str, origin: str | None, bound: str) -> str:
    """Say why a request is refused; an empty line when it is not.

    >>> refused("127.0.0.1:8600", "http://127.0.0.1:8600", "127.0.0.1")
    ''
    >>> refused("evil.example:8600", None, "127.0.0.1")
    "host 'evil.example:8600' is not this server"
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if name not in ("localhost", bound) and not _is_address(name):
        return f"host '{host}' is not this server"
    if origin is not None and origin != f"http://{host}":
        return f"origin '{origin}' is not this server"
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def body(request: Request, most: int) -> bytes:
    """Return a request's body, reading no more than `most` bytes of it.

    Raises:
        TooLarge: when there is more.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise TooLarge
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise TooLarge
    return bytes(content)
