"""What may talk to the explorer: this machine's own pages, in messages of bounded size."""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from betavae.app.connections import PATIENCE

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


class TooSlow(Exception):
    """A request's body does not come."""


class Guard:
    """Refuse requests that another site or user made, and add headers to answers.

    DNS rebinding lets a foreign page reach this server under the foreign name: so the Host
    header must be this server's own. A page of another origin can send simple requests: so an
    Origin, where given, must be ours. Other users of the machine can connect too: so a request
    must bring the token, in the first address or in the cookie that its answer sets.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None = None) -> None:
        self.app = app
        self.host = host
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = refused(headers.get("host", ""), headers.get("origin"), self.host)
        name = cookie_name(headers.get("host", ""))
        brought = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        welcome = self._is_token(brought)
        if not refusal and not (welcome or self._is_token(_cookie(headers, name))):
            refusal = "open the address that betavae explore printed, with its token"
        if refusal:
            await JSONResponse({"error": refusal}, 403)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                if welcome and self.token is not None:
                    cookie = f"{name}={self.token}; Path=/; HttpOnly; SameSite=Strict"
                    extra.append((b"set-cookie", cookie.encode()))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self.app(scope, receive, with_headers)

    def _is_token(self, given: str) -> bool:
        return self.token is None or hmac.compare_digest(given.encode(), self.token.encode())


def cookie_name(host: str) -> str:
    """Return the cookie's name, which holds the port: cookies of one host are not told apart by it.

    >>> cookie_name("127.0.0.1:8600")
    'betavae-8600'
    """
    port = host.rpartition(":")[2]
    return f"betavae-{port}" if port.isdecimal() else "betavae"


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


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
    if not _is_own(name, bound):
        return f"host '{host}' is not this server"
    if origin is not None and origin != f"http://{host}":
        return f"origin '{origin}' is not this server"
    return ""


def _is_own(name: str, bound: str) -> bool:
    """Say whether a server bound to an address is reached under a name."""
    if name == bound:
        return True
    try:
        home = ipaddress.ip_address("127.0.0.1" if bound == "localhost" else bound)
    except ValueError:
        return False
    if name == "localhost":
        return home.is_loopback or home.is_unspecified
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return home.is_unspecified or (home.is_loopback and address.is_loopback)


async def body(request: Request, most: int) -> bytes:
    """Return a request's body, reading no more than `most` bytes of it.

    Raises:
        TooLarge: when there is more.
        TooSlow: when it does not come.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise TooLarge
    content = bytearray()
    try:
        with anyio.fail_after(PATIENCE):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise TooLarge
    except TimeoutError:
        raise TooSlow from None
    return bytes(content)
