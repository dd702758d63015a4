"""What every request goes through: an id, a limit on its body, a line in the log, safe headers.

Written for ASGI itself, so that streams pass through untouched.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders

from nonette.server.errors import ApiError, unforeseen
from nonette.server.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPENAI_VERSION = "2020-10-01"  # what its clients read in every answer
TAKES_PICTURES = ("/v1/images/edits", "/sdapi/v1/img2img")  # as base64 in JSON
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by machines

log = structlog.get_logger(__name__)


class Frame:
    """Numbers a request, bounds its body, and logs how it ended.

    Args:
        app: What answers.
        settings: For the limits.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        status = 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "same-origin")
                headers.setdefault("cache-control", "no-store")
                if scope["path"].startswith("/v1/"):
                    headers["openai-version"] = OPENAI_VERSION
                    headers["openai-processing-ms"] = str(
                        round(1e3 * (time.perf_counter() - start))
                    )
            await send(message)

        try:
            await self._answer(scope, receive, send_framed)
        finally:
            if scope["path"] not in QUIET:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    seconds=round(time.perf_counter() - start, 4),
                )

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        has_files = is_form or scope["path"] in TAKES_PICTURES
        most = self.settings.max_upload_bytes if has_files else self.settings.max_body_bytes
        too_large = ApiError(413, f"The body is larger than {most:,} bytes.", code="body_too_large")
        if headers.get("content-encoding", "identity") != "identity":
            packed = ApiError(415, "Bodies are taken as they are, not compressed.")
            await packed.response()(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await too_large.response()(scope, receive, send)
            return
        received = 0
        has_started = has_refused = False

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                return {"type": "http.disconnect"}  # whoever reads stops; the answer is below
            return message

        async def send_own(message: Message) -> None:
            nonlocal has_started, has_refused
            if received > most and not has_started:
                if not has_refused:
                    has_refused = True
                    await too_large.response()(scope, receive, send)
                return
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive_bounded, send_own)
        except Exception as error:
            if has_started:
                raise
            if not has_refused:
                is_large = received > most
                own = too_large if is_large else unforeseen(error, scope["state"]["request_id"])
                await own.response()(scope, receive, send)
