"""Where callers wait for their pictures: accepted once, answered once, cancelled when they leave.

Clients retry by themselves when a connection breaks. A retry (`x-stainless-retry-count` above 0)
with the same body takes over the job that its first attempt left behind, if nobody waits for it and
nobody was answered with it; a first attempt never takes over anything, so two wanted drawings of
one sentence stay two. With an `Idempotency-Key` the key alone decides.

Who waits is in the database (`retries.py`), so that several API processes may serve it: each has a
desk there, named in every waiter's row, and says every few seconds that it is still open.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request

from nonette.server import retries, tables
from nonette.server.errors import ApiError, try_later
from nonette.server.hub import Hub
from nonette.server.queue import Queue
from nonette.server.views import JobView, Submission

RETRY_COUNT = "x-stainless-retry-count"  # what OpenAI's clients count their attempts in
PATIENCE = 45.0  # seconds beyond the longest estimate that a caller is kept waiting
COME_BACK = 5.0  # seconds to come back after, where the job goes on without its caller
LAST_LOOK = 0.05  # seconds to find out whether the connection is gone
MOST_SUBMITTING = 8  # threads that submit at once; they share transactions
MOST_LOOKING = 4  # threads that look at jobs at once; more would only wait for each other
MOST_DECODING = 2  # uploads at once: each can take a few hundred megabytes
BEAT = 15.0  # seconds of silence after which a stream says that it is still there
STATUSES = {tables.REFUSED: 400, tables.CANCELLED: 409, tables.FAILED: 500}


class CallerLeft(Exception):
    """The caller's connection is gone; nobody reads an answer."""


class Desk:
    """The waiting callers of one API process.

    Attributes:
        id: What other processes know it by.
        decoders: Bounds how many uploads are decoded at once.
        writers: Bounds how many threads wait to submit, so that readers are not behind them.
        readers: Bounds how many threads look at jobs.
    """

    def __init__(self, queue: Queue, hub: Hub) -> None:
        self.queue = queue
        self.hub = hub
        self.id = f"api_{secrets.token_hex(8)}"
        self.decoders = anyio.CapacityLimiter(MOST_DECODING)
        self.writers = anyio.CapacityLimiter(MOST_SUBMITTING)
        self.readers = anyio.CapacityLimiter(MOST_LOOKING)

    def report(self) -> None:
        """Open the desk, or say that it is open still."""
        database = self.queue.database
        with database.write() as session:
            now = database.clock(session)
            retries.report(session, now, self.id)
            retries.close_silent(session, now, self.id)

    def close(self) -> None:
        """Close the desk: whoever still waits at it waits no longer."""
        with self.queue.database.write() as session:
            retries.close(session, [self.id])

    def accept(self, submission: Submission, request: Request) -> JobView:
        """Queue the submission, or take over what an earlier attempt left; then it is waited for.

        Whoever calls this calls `leave`, `release` or `answered` in the end.

        Raises:
            ApiError, InputError: As `Queue.submit`.
        """
        key = request.headers.get("idempotency-key") or None
        if key is not None and len(key) > 255:
            raise ApiError(400, "Idempotency-Key is longer than 255 characters.", param=None)
        is_retry = request.headers.get(RETRY_COUNT, "0") not in ("", "0")
        return self.queue.submit(
            dataclasses.replace(
                submission,
                idempotency_key=key,
                is_retry=is_retry,
                desk=self.id,
                request_id=request.state.request_id,
            )
        )

    def release(self, request: Request) -> None:
        """This caller waits no longer."""
        self.queue.release(request.state.request_id)

    def answered(self, job_id: str, request: Request) -> None:
        """The job's caller has the answer: no retry takes it over, and nobody waits."""
        self.queue.answered(job_id, request.state.request_id)

    def check(self, request: Request) -> None:
        """Make sure that this caller may be answered.

        Raises:
            ApiError: 503, its job was taken over while this process slept.
        """
        if not self.queue.is_waiting(request.state.request_id):
            raise _come_back("The server slept too long.", 503)

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
                    waiter = request.state.request_id
                    await anyio.to_thread.run_sync(self.queue.leave, view.id, waiter)

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
