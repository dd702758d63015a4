"""Which names the server answers to, and which sites' pages may change something here.

A page of any site can make a browser send requests to a server on its reader's own machine. So
whatever changes something is refused where the browser says that another site's page asked for it
(`Origin`, `Sec-Fetch-Site`), and a server on loopback answers to loopback's names only, so that no
foreign name can be made to point at it. Programs send neither header and are not concerned.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from nonette.server.errors import ApiError
from nonette.server.middleware import App, Receive, Send
from nonette.server.settings import Settings, is_loopback

SAFE = ("GET", "HEAD", "OPTIONS")
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s@:/?#\[\]]+))(?::[0-9]{1,5})?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Origins:
    """Lets requests through that come by an allowed name, and from an allowed page if from one.

    Args:
        app: What answers.
        settings: For `host`, `allowed_hosts` and `cors_origins`.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.origins = frozenset(settings.cors_origins)
        self.hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        if not self.hosts and is_loopback(settings.host):
            self.hosts = frozenset({*LOOPBACK, settings.host})
        if self.origins:
            self.app = CORSMiddleware(
                app,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST", "PATCH", "DELETE"),
                allow_headers=("Authorization", "Content-Type", "Idempotency-Key"),
                expose_headers=("x-request-id", "Retry-After"),
            )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refusal.response()(scope, receive, send)

    def _refusal(self, scope: MutableMapping[str, Any]) -> ApiError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.hosts and _name(host) not in self.hosts:
            message = "This server does not answer to that name; its setting allowed_hosts says so."
            return ApiError(403, message, code="host_not_allowed")
        if scope["method"] in SAFE:
            return None
        origin = headers.get("origin")
        if origin is None:
            is_foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        else:
            is_foreign = origin not in self.origins and not _is_of(origin, host)
        if not is_foreign:
            return None
        message = "Pages of other sites may not ask for this; the setting cors_origins lists those "
        return ApiError(403, message + "that may.", code="origin_not_allowed")


def _name(host: str) -> str:
    """The name in a `Host` header, without its port and brackets; "" where it is none."""
    found = HOST.fullmatch(host.lower())
    return (found[1] or found[2]) if found else ""


def _is_of(origin: str, host: str) -> bool:
    """Whether the origin is a page of this host and port; `null` never is."""
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place.lower() == host.lower()
