"""Tells who waits what happens to their jobs: one look at the database for all of them.

A task asks for the number of the last change a few times a second, and only where there was one
looks at the jobs that somebody watches. So a thousand open streams cost one small query each tick.
Positions and estimates of those who wait move all the time without a change of their own job; they
are told in turn, a few each tick, so that a thousand readers never make one long pause.

What is told is the job as it is now (`JobView`), never a difference: a reader who missed something
misses nothing, and `JobView.version` is where to go on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator
from typing import Any

import anyio.to_thread
import structlog
from sqlalchemy.exc import DBAPIError

from nonette.server.queue import Queue
from nonette.server.views import JobView

TICK = 0.1  # seconds between looks for changes
OUTLOOK_SECONDS = 2.0  # between fresh positions and estimates for one who waits
OUTLOOK_TICKS = 3  # between two groups of those who are told where they stand
MOST_OUTLOOKS = 30  # in one group; where more wait than that allows, each is told later
MOST_OPENING = 4  # streams that are opened at once; the others stay out of readers' way

log = structlog.get_logger(__name__)


class Hub:
    """The watchers of one API process. Its methods belong to the event loop it was started in."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._watchers: OrderedDict[str, set[asyncio.Queue[JobView]]] = OrderedDict()
        self._due = 0.0  # how many watched jobs are to be told by now where they stand
        self._openers = anyio.CapacityLimiter(MOST_OPENING)
        self._version: int | None = None
        self._is_closed = False

    @property
    def num_watchers(self) -> int:
        """How many streams are open."""
        return sum(len(queues) for queues in self._watchers.values())

    async def run(self) -> None:
        """Look for changes until cancelled."""
        for tick in itertools.count():
            await asyncio.sleep(TICK)
            if not self._watchers:
                self._version = None
                continue
            try:
                told = await self._changed()
                if tick % OUTLOOK_TICKS == 0:
                    told |= self._in_turn()
                if told:
                    await self._tell(told)
            except DBAPIError as error:  # a database that is away may come back
                log.error("database_error", reason=str(error.orig))
                await asyncio.sleep(1.0)

    def close(self) -> None:
        """End every stream; those who watched come back with their last id."""
        self._is_closed = True
        for queues in self._watchers.values():
            for queue in queues:
                queue.put_nowait(_END)

    async def watch(
        self, job_id: str, owner: str | None = None, *, beat: float | None = None
    ) -> AsyncGenerator[JobView]:
        """The job now, and again after each change, until it has ended or the server closes.

        Args:
            job_id: Which one.
            owner: Whose it must be; None watches anybody's.
            beat: Seconds of silence after which the last view is given again.

        Raises:
            ApiError: 404 where there is no such job, or it is another's.
        """
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._watchers.setdefault(job_id, set()).add(inbox)
        try:
            last = await anyio.to_thread.run_sync(
                self.queue.look, job_id, owner, limiter=self._openers
            )
            yield last
            while not last.has_ended and not self._is_closed:
                try:
                    async with asyncio.timeout(beat):
                        view = await inbox.get()
                except TimeoutError:
                    yield last
                    continue
                while not inbox.empty():  # a slow reader gets the newest alone
                    view = inbox.get_nowait()
                if view is _END:
                    return
                if view != last:
                    last = view
                    yield view
        finally:
            watchers = self._watchers[job_id]
            watchers.discard(inbox)
            if not watchers:
                del self._watchers[job_id]

    async def wait(self, job_id: str, timeout: float) -> JobView:
        """The job once it has ended.

        Raises:
            TimeoutError: It had not after `timeout` seconds, or the server closes.
            ApiError: 404 where there is no such job.
        """
        async with asyncio.timeout(timeout):
            async for view in self.watch(job_id):
                if view.has_ended:
                    return view
        raise TimeoutError(f"the server closes while {job_id} goes on")

    async def _changed(self) -> set[str]:
        """Watched jobs that changed since the last look; all, where there was none."""
        before = self._version
        last, changed = await anyio.to_thread.run_sync(self.queue.changes_since, before)
        self._version = last
        return self._watchers.keys() & (self._watchers if before is None else set(changed))

    def _in_turn(self) -> set[str]:
        """The watched jobs whose turn it is to be told where they stand."""
        share = OUTLOOK_TICKS * TICK / OUTLOOK_SECONDS
        self._due += min(MOST_OUTLOOKS, len(self._watchers) * share)
        num_due = math.floor(self._due)
        self._due -= num_due
        chosen = set(itertools.islice(self._watchers, num_due))
        for job_id in chosen:
            self._watchers.move_to_end(job_id)
        return chosen

    async def _tell(self, job_ids: set[str]) -> None:
        views = await anyio.to_thread.run_sync(self.queue.look_at, list(job_ids))
        for job_id, view in views.items():
            for inbox in self._watchers.get(job_id, ()):
                inbox.put_nowait(view)
        for job_id in job_ids - views.keys():  # deleted while it was watched
            for inbox in self._watchers.get(job_id, ()):
                inbox.put_nowait(_END)


_END: Any = dataclasses.make_dataclass("End", [])()
