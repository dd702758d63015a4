"""Where callers wait for their pictures: accepted once, answered once, cancelled when they leave.

Clients retry by themselves when a connection breaks. A retry (`x-stainless-retry-count` above 0)
with the same body takes over the job that its first attempt left behind, if nobody waits for it and
nobody was answered with it; a first attempt never takes over anything, so two wanted drawings of
one sentence stay two. With an `Idempotency-Key` the key alone decides.

Who waits is known in this process only: one API process at a time serves a data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request

from nonette.server import retries, tables
from nonette.server.errors import ApiError, try_later
from nonette.server.hub import Hub
from nonette.server.queue import JobView, Queue, Submission

RETRY_COUNT = "x-stainless-retry-count"  # what OpenAI's clients count their attempts in
PATIENCE = 45.0  # seconds beyond the longest estimate that a caller is kept waiting
COME_BACK = 5.0  # seconds to come back after, where the job goes on without its caller
LAST_LOOK = 0.05  # seconds to find out whether the connection is gone
MOST_DECODING = 2  # uploads at once: each can take a few hundred megabytes
BEAT = 15.0  # seconds of silence after which a stream says that it is still there
STATUSES = {tables.REFUSED: 400, tables.CANCELLED: 409, tables.FAILED: 500}


class CallerLeft(Exception):
    """The caller's connection is gone; nobody reads an answer."""


class Desk:
    """The waiting callers of one API process.

    Attributes:
        decoders: Bounds how many uploads are decoded at once.
    """

    def __init__(self, queue: Queue, hub: Hub) -> None:
        self.queue = queue
        self.hub = hub
        self.decoders = anyio.CapacityLimiter(MOST_DECODING)
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def accept(self, submission: Submission, request: Request) -> JobView:
        """Queue the submission, or take over what an earlier attempt left; then it is waited for.

        Whoever calls this calls `leave` in the end.

        Raises:
            ApiError, InputError: As `Queue.submit`.
        """
        key = request.headers.get("idempotency-key") or None
        if key is not None and len(key) > 255:
            raise ApiError(400, "Idempotency-Key is longer than 255 characters.", param=None)
        submission = dataclasses.replace(submission, idempotency_key=key)
        with self._lock:
            if key is None and request.headers.get(RETRY_COUNT, "0") not in ("", "0"):
                left = retries.left_behind(self.queue.database, submission, list(self._waiting))
                if left is not None:
                    self._waiting[left] += 1
                    return self.queue.look(left)
            view = self.queue.submit(submission)
            self._waiting[view.id] += 1
            return view

    def leave(self, job_id: str) -> None:
        """One caller waits no longer."""
        with self._lock:
            self._waiting[job_id] -= 1
            if self._waiting[job_id] <= 0:
                del self._waiting[job_id]

    def answered(self, job_id: str) -> None:
        """The job's caller has the answer: no retry takes it over, and nobody waits."""
        retries.answered(self.queue.database, job_id)
        self.leave(job_id)

    async def follow(self, view: JobView, request: Request) -> AsyncGenerator[JobView | None]:
        """The accepted job after each change until it has ended; None for each beat of silence.

        Raises:
            CallerLeft: The connection is gone; the job is cancelled, unless others wait for it.
            ApiError: 429 or 503 where it goes on but the caller should come back for it.
        """
        changes = self.hub.watch(view.id).__aiter__()
        gone: asyncio.Future[Any] = asyncio.ensure_future(_gone(request))
        coming: asyncio.Future[Any] = asyncio.ensure_future(anext(changes))
        patience = self.queue.settings.longest_wait + PATIENCE
        end = asyncio.get_running_loop().time() + patience
        try:
            while True:
                left = end - asyncio.get_running_loop().time()
                tasks = {gone, coming}
                done, _ = await asyncio.wait(
                    tasks, timeout=min(BEAT, left), return_when=asyncio.FIRST_COMPLETED
                )
                if coming in done:
                    try:
                        view = coming.result()
                    except StopAsyncIteration:  # the server closes, and the job goes on
                        raise _come_back("The server restarts; the job goes on.", 503) from None
                    yield view
                    if view.has_ended:
                        return
                    coming = asyncio.ensure_future(anext(changes))
                elif gone in done:
                    raise CallerLeft
                elif left <= 0:
                    raise _come_back("It takes longer than estimated, and goes on.", 429)
                else:
                    yield None
        finally:
            coming.cancel()
            with anyio.CancelScope(shield=True):
                if not view.has_ended:  # whether the caller left, or the server closes
                    await asyncio.wait({gone}, timeout=LAST_LOOK)
                has_left = gone.done() and not view.has_ended
                gone.cancel()
                await asyncio.wait({gone, coming})
                await changes.aclose()  # type: ignore[attr-defined]
                if has_left:
                    await anyio.to_thread.run_sync(self._abandon, view.id)

    async def wait(self, view: JobView, request: Request) -> JobView:
        """The accepted job once it is done.

        Raises:
            CallerLeft: As `follow`.
            ApiError: As `follow`; or it ended otherwise than done, as `checked` says.
        """
        async with contextlib.aclosing(self.follow(view, request)) as changes:
            async for now in changes:
                if now is not None and now.has_ended:
                    return checked(now)
        raise AssertionError(f"{view.id} was followed, but neither ended nor was abandoned")

    def _abandon(self, job_id: str) -> None:
        with self._lock:
            is_alone = self._waiting[job_id] <= 1
        if is_alone:
            self.queue.cancel(job_id)


def checked(view: JobView) -> JobView:
    """The ended job, if it is done.

    Raises:
        ApiError: 400 where it was refused, 409 where it was cancelled, 500 where it failed; none is
            worth a retry.
    """
    if view.state == tables.DONE:
        return view
    reason: dict[str, Any] = dict(view.reason or {})
    message = reason.get("message", f"It ended as {view.state}.")
    raise ApiError(
        STATUSES[view.state],
        message,
        code=reason.get("code", view.state),
        param=reason.get("param"),
        headers={"x-should-retry": "false"},
    )


async def _gone(request: Request) -> None:
    """Ends when the caller's connection does; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _come_back(message: str, status: int) -> ApiError:
    code = "server_is_overloaded"
    return try_later(f"{message} Please ask again.", seconds=COME_BACK, code=code, status=status)
