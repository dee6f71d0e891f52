"""What stands before every request: who may ask, from where, and how much may come.

The address that is printed holds a random token, for which a browser gets a cookie that other sites' pages cannot have
sent (`SameSite=Strict`) and no script can read (`HttpOnly`). Beside it each request must name a host that the studio
listens at, so that no other name that leads to this machine (DNS rebinding) is answered, and what changes something
must come from the studio's own pages.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD")
MOST_BYTES = 512 << 20  # of one request
TOKEN = "token"  # in the printed address

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all, forms of ours would come from "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
NOT_YOURS = "Open the address that `convolens studio` printed: it holds the token that this browser does not have yet."


class TooLargeError(Exception):
    """More came than `MOST_BYTES`."""


class Guard:
    """Refuses requests that are not from the studio's own pages, and puts the headers on every answer.

    Args:
        app: what is guarded.
        token: what the printed address holds.
        host: where the studio listens.
        port: as above; part of the cookie's name, as cookies do not know ports.
    """

    def __init__(self, app: ASGIApp, token: str, host: str, port: int) -> None:
        self.app, self.token, self.host, self.port = app, token, host, port
        self.cookie = f"convolens_studio_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or has it answered."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope)
        if answer is not None:
            await answer(scope, receive, sending)
            return
        await self._capped(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why not, or the way in; None where the request may pass."""
        headers = Headers(scope=scope)
        if not self._is_our_host(headers.get("host", "")):
            return PlainTextResponse("The studio has no such name.", 421)
        if not _is_from_here(scope["method"], headers):
            return PlainTextResponse("Only the studio's own pages may ask for this.", 403)
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN, [""])[0]
        if given and scope["path"] == "/" and _same(given, self.token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            return answer
        if not _same(_cookies(headers.get("cookie", "")).get(self.cookie, ""), self.token):
            return PlainTextResponse(NOT_YOURS, 403)
        if int(headers.get("content-length", "0") or 0) > MOST_BYTES:
            return PlainTextResponse(f"A request may have {MOST_BYTES >> 20} MB.", 413)
        return None

    def _is_our_host(self, text: str) -> bool:
        """Whether a `Host` is where the studio listens. Any number will do where it listens at all of them."""
        name, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "80")
        name = name.removeprefix("[").removesuffix("]")
        if port != str(self.port):
            return False
        if name.lower() in (*LOCAL, self.host.lower(), socket.gethostname().lower()):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.host not in LOCAL  # a number is no name that somebody else may have lead here

    async def _capped(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and ends it where it says nothing of its length and does not end."""
        came, begun, over = 0, False, False

        async def receiving() -> Message:
            nonlocal came, over
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                over = True
                raise TooLargeError
            return message

        async def noticing(message: Message) -> None:
            nonlocal begun
            if over and not begun:
                return  # a parser of forms makes an answer of its own of any error
            begun = True
            await send(message)

        with suppress(TooLargeError):
            await self.app(scope, receiving, noticing)
        if over and not begun:
            await PlainTextResponse(f"A request may have {MOST_BYTES >> 20} MB.", 413)(scope, receive, send)


def new_token() -> str:
    """256 random bits, as they can stand in an address."""
    return secrets.token_urlsafe(32)


def _is_from_here(method: str, headers: Headers) -> bool:
    """Whether the studio's own page asks. A browser says where from; what is no browser has the token alone."""
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers['host']}":
        return False
    site = headers.get("sec-fetch-site", "same-origin")
    return method in SAFE or site in ("same-origin", "none")


def _cookies(text: str) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(text).items()}
    except CookieError:
        return {}


def _same(given: str, known: str) -> bool:
    return secrets.compare_digest(given.encode(), known.encode())
