"""What every request goes through: an id, a limit on its body, a line in the log, safe headers.

Written for ASGI itself, so that streams pass through untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from nonette.server.errors import ApiError, unforeseen
from nonette.server.metrics import Metrics
from nonette.server.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPENAI_VERSION = "2020-10-01"  # what its clients read in every answer
TAKES_PICTURES = ("/v1/images/edits", "/sdapi/v1/img2img")  # as base64 in JSON
BODY_SECONDS, PIECE_SECONDS = 120.0, 20.0  # for a whole body, and for its next piece
DRAIN_BYTES, DRAIN_SECONDS = 64 << 20, 5.0  # of a refused body, read on and forgotten
CLOSE = {"Connection": "close"}  # the rest of the body is not awaited
GONE: Message = {"type": "http.disconnect"}
LEFT = 499  # the status in the log of a caller who left before the answer
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by machines

log = structlog.get_logger(__name__)


class Frame:
    """Numbers a request, bounds its body, and logs how it ended.

    Args:
        app: What answers.
        settings: For the limits.
        metrics: Counts the answers.
    """

    def __init__(self, app: App, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics

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
            status = status or LEFT
            seconds = time.perf_counter() - start
            self.metrics.requests.labels(scope["method"], str(status)).inc()
            self.metrics.request_seconds.observe(seconds)
            code = scope["state"].get("code")
            if status >= 400:
                self.metrics.refusals.labels(code or "none").inc()
            if scope["path"] not in QUIET:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    code=code,
                    seconds=round(seconds, 4),
                )

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        has_files = is_form or scope["path"] in TAKES_PICTURES
        most = self.settings.max_upload_bytes if has_files else self.settings.max_body_bytes
        if headers.get("content-encoding", "identity") != "identity":
            packed = ApiError(415, "Bodies are taken as they are, not compressed.")
            await packed.response()(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await _refuse(_too_large(most), scope, receive, send)
            return
        exchange = _Exchange(receive, send, most)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:  # in the middle of the body, or so it looks once it was refused
            if exchange.has_started:
                raise
        except Exception as error:
            if exchange.has_started:
                raise
            exchange.refusal = exchange.refusal or unforeseen(error, scope["state"]["request_id"])
        if exchange.refusal is not None and not exchange.has_started:
            scope["state"]["code"] = exchange.refusal.code
            if exchange.refusal.status == 413 and not exchange.is_whole:
                await _refuse(exchange.refusal, scope, receive, send)
            else:
                await exchange.refusal.response()(scope, receive, send)


class _Exchange:
    """One request's body and answer: a body too large or too slow ends, and is what is answered."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive = receive
        self._send = send
        self._most = most
        self._received = 0
        self._end = time.monotonic() + BODY_SECONDS
        self.is_whole = False
        self.has_started = False
        self.refusal: ApiError | None = None

    async def receive(self) -> Message:
        """The next piece of the body, or, after the last, that the caller left."""
        if self.is_whole:
            return await self._receive()
        try:
            left = self._end - time.monotonic()
            async with asyncio.timeout(min(PIECE_SECONDS, left)):
                message = await self._receive()
        except TimeoutError:
            said = "The body came too slowly."
            self.refusal = ApiError(408, said, code="body_too_slow", headers=CLOSE)
            return GONE
        self.is_whole = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            self.refusal = _too_large(self._most)
            return GONE
        return message

    async def send(self, message: Message) -> None:
        """Pass on the answer, unless the body was refused before it began."""
        if self.refusal is None or self.has_started:
            self.has_started = True
            await self._send(message)


async def _refuse(
    refusal: ApiError, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    """Answer before a large body is whole, then read on for a while.

    A connection that is closed while its caller still sends is reset, and a reset may take away the
    answer before the caller has read it.
    """

    async def send_open(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "more_body": True} if is_body else message)

    await refusal.response()(scope, receive, send_open)
    left = DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):  # all of it, or the caller left
                    break
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _too_large(most: int) -> ApiError:
    message = f"The body is larger than {most:,} bytes."
    return ApiError(413, message, code="body_too_large", headers=CLOSE)
