"""The worker's loop: claim a batch, draw it in one call, put the pictures on disk, record them.

It is handed an engine and never imports one. While the engine draws, a second thread (`Pulse`)
renews the leases and tells the progress; between steps the engine asks whether to stop, and it
stops once nobody wants any of the batch, or when the worker is to end at once. To put pictures on
disk is mostly to wait for the disk, so the next batch is drawn meanwhile; a third is not begun
before the first one's pictures are there.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sqlalchemy.exc import DBAPIError

from nonette.core import allocator
from nonette.core.errors import InputError, Stopped
from nonette.core.types import Drawing, Engine, Picture, Progress, Request
from nonette.provenance import grid
from nonette.provenance.encode import encode
from nonette.server import results, tables
from nonette.server.database import Database
from nonette.server.leases import Claim, Leases
from nonette.server.settings import Settings
from nonette.server.uploads import Uploads

IDLE_SECONDS = 0.1  # between looks at an empty queue
BEAT_SECONDS = 0.2  # between reports of progress
STOP_SECONDS = 0.1  # between questions to the database whether anybody still wants the batch
MOST_BACK_OFF = 30.0  # seconds to rest after the disk or the database failed

log = structlog.get_logger(__name__)


class WorkerLoop:
    """One worker: draws until told to end.

    Args:
        engine: What draws.
        database: The queue's.
        settings: For limits and the data folder.

    Attributes:
        draining: Set it, and the batch at hand is the last.
        stopping: Set it, and the batch at hand is put back within a step.
    """

    def __init__(self, engine: Engine, database: Database, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.capabilities = engine.capabilities()
        self.leases = Leases(database, settings, f"wrk_{secrets.token_hex(8)}")
        self.draining = threading.Event()
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until `draining` or `stopping` is set."""
        back_off = 0.0
        is_registered = False
        model = self.capabilities.model
        beat = 0.0
        kept: Future[None] | None = None
        with ThreadPoolExecutor(1, "keeper") as keeper:
            while not self.draining.is_set():
                try:
                    if not is_registered:
                        self.leases.register(self.capabilities)
                        is_registered = True
                        log.info("worker_ready", worker=self.leases.worker, model=model)
                    if time.monotonic() >= beat:
                        self.leases.renew([])
                        allocator.give_back()
                        beat = time.monotonic() + self.settings.lease_seconds / 3
                    claims = self.leases.claim(model) if self.leases.has_work(model) else []
                    drawn = self._draw(claims) if claims else None
                    before, kept = kept, None
                    if before is not None:
                        wait([before])
                    if drawn is not None:
                        kept = keeper.submit(self._keep, drawn)
                    if before is not None:
                        before.result()
                    if not claims:
                        self.draining.wait(IDLE_SECONDS)
                    back_off = 0.0
                except (OSError, DBAPIError) as error:
                    back_off = min(MOST_BACK_OFF, max(0.5, 2 * back_off))
                    _note_failure(error, back_off)
                    self.draining.wait(back_off)
        if kept is not None and (failure := kept.exception()) is not None:
            _note_failure(failure, 0.0)
        if is_registered:
            self.leases.leave()
        log.info("worker_ends", worker=self.leases.worker)

    def work(self, claims: Sequence[Claim]) -> None:
        """Bring each of these jobs to its end, or put it back.

        Raises:
            OSError: The disk failed; the jobs that were not finished wait again.
            DBAPIError: The database failed; they wait again once their lease has run out.
        """
        drawn = self._draw(claims)
        if drawn is not None:
            self._keep(drawn)

    def _draw(self, claims: Sequence[Claim]) -> _Drawn | None:
        """Draw these jobs; None where nothing is to be kept. The pulse beats until it is."""
        requests: list[Request] = []
        readable: list[Claim] = []
        for claim in claims:
            try:
                requests.append(request_of(claim, self.settings.data_dir))
                readable.append(claim)
            except InputError as error:
                self._refuse(claim, error)
        if not readable:
            return None
        pulse = Pulse(self.leases, readable, self.stopping)
        pulse.start()
        try:
            drawings = self.engine.draw(requests, pulse.note, pulse.should_stop)
        except Stopped:
            pulse.stop()
            self.leases.release(readable)  # those that were cancelled have ended already
            return None
        except Exception as error:
            try:
                self._recover(readable, error)
            finally:
                pulse.stop()
            return None
        return _Drawn(claims=readable, drawings=drawings, pulse=pulse)

    def _keep(self, drawn: _Drawn) -> None:
        """Put the pictures on disk and record them; see `work` for what is raised."""
        start = time.perf_counter()
        try:
            for claim, drawing in zip(drawn.claims, drawn.drawings, strict=True):
                self._keep_one(claim, drawing)
        except OSError:
            self.leases.release(drawn.claims)  # those that were finished have ended already
            raise
        finally:
            drawn.pulse.stop()
        # The engine's own seconds, since loading a network happens once and not for every batch;
        # the next batch is drawn while this one is kept, so the longer of the two is what counts.
        drawing_seconds = max(drawing.seconds for drawing in drawn.drawings)
        seconds = max(drawing_seconds, time.perf_counter() - start)
        cost = sum(claim.cost for claim in drawn.claims)
        self.leases.measured(self.capabilities.model, cost, seconds)

    def _keep_one(self, claim: Claim, drawing: Drawing) -> None:
        if claim.id not in self.leases.held([claim]):
            return
        rows = results.write(self.settings.data_dir, claim, drawing.pictures)
        is_recorded = self.leases.finish(
            claim, rows, unknown_words=drawing.unknown_words, seconds=drawing.seconds
        )
        if not is_recorded:
            log.warning("too_late", job=claim.id, lease=claim.lease)
            results.remove(self.settings.data_dir, rows)
        else:
            log.info("job_done", job=claim.id, request_id=claim.request_id)

    def _recover(self, claims: Sequence[Claim], error: Exception) -> None:
        """After the engine failed: find out by drawing alone whose fault it was, or end the one."""
        if len(claims) > 1:
            log.warning("batch_failed", jobs=len(claims), error=type(error).__name__)
            held = self.leases.held(claims)
            for claim in claims:
                if claim.id in held and not self.stopping.is_set():
                    self.work([claim])
                elif claim.id in held:
                    self.leases.release([claim])
        elif isinstance(error, InputError):
            self._refuse(claims[0], error)
        else:
            log.error("job_failed", job=claims[0].id, error=type(error).__name__, exc_info=error)
            is_memory = "memory" in type(error).__name__.lower()  # torch's has a name of its own
            code = "out_of_memory" if is_memory else "engine_failed"
            what = "It needs more memory than there is" if is_memory else "The model failed on it"
            message = f"{what} ({type(error).__name__})."
            reason = {"code": code, "message": message}
            self.leases.give_up(claims[0], tables.FAILED, reason)

    def _refuse(self, claim: Claim, error: InputError) -> None:
        reason = {"code": "invalid_value", "message": str(error), "param": error.field}
        self.leases.give_up(claim, tables.REFUSED, reason)
        log.info("job_refused", job=claim.id, param=error.field)


def _note_failure(error: BaseException, seconds: float) -> None:
    reason = str(getattr(error, "orig", None) or error)
    log.error("storage_failed", reason=reason, seconds=seconds)


class Pulse:
    """Keeps leases alive and tells progress while a batch is drawn and kept.

    Args:
        leases: The worker's.
        claims: The batch; the preview is of the first.
        stopping: Ends the batch within a step.
    """

    def __init__(self, leases: Leases, claims: Sequence[Claim], stopping: threading.Event) -> None:
        self.leases = leases
        self.claims = claims
        self.stopping = stopping
        self._latest: Progress | None = None
        self._over = threading.Event()
        self._is_unwanted = False
        self._next_question = 0.0
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._over.set()
        self._thread.join()

    def note(self, progress: Progress) -> None:
        """Remember how far the engine is; told by the other thread."""
        self._latest = progress

    def should_stop(self) -> bool:
        """Whether nobody wants any of the batch any more, or the worker is to end at once."""
        now = time.monotonic()
        if self.stopping.is_set() or self._is_unwanted:
            return True
        if now >= self._next_question:
            self._next_question = now + STOP_SECONDS
            self._is_unwanted = not self.leases.held(self.claims)
        return self._is_unwanted

    def _beat(self) -> None:
        told: Progress | None = None
        next_renewal = 0.0
        while not self._over.wait(BEAT_SECONDS):
            try:
                if time.monotonic() >= next_renewal:
                    self.leases.renew(self.claims)
                    next_renewal = time.monotonic() + self.leases.settings.lease_seconds / 3
                latest = self._latest
                if latest is not None and latest is not told:
                    told = latest
                    self.leases.report(self.claims, latest, _preview(self.claims[0], latest))
            except DBAPIError as error:  # the next beat may succeed; if none does, the lease ends
                log.error("beat_failed", reason=str(error.orig))


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """A batch whose pictures are not on disk yet."""

    claims: Sequence[Claim]
    drawings: Sequence[Drawing]
    pulse: Pulse


def request_of(claim: Claim, data_dir: Path) -> Request:
    """The claim's request.

    Raises:
        InputError: It cannot be understood by this version, or its uploads are gone.
    """
    known = {field.name for field in dataclasses.fields(Request)}
    for name in claim.request:
        if name not in known:
            raise InputError(name, claim.request[name], "this worker does not know that setting")
    uploads = Uploads(data_dir)
    pictures = {name: uploads.load(upload) for name, upload in claim.inputs.items()}
    return Request(**{**claim.request, **pictures})


def _preview(claim: Claim, progress: Progress) -> bytes | None:
    """What there is so far as one JPEG, where the job asked for it."""
    if progress.previews is None or not claim.output.get("previews"):
        return None
    shown: np.ndarray = progress.previews[: claim.request["num_pictures"]]
    sheet = grid.compose(list(shown))
    settings: dict[str, Any] = {"preview": progress.done}
    model = str(claim.request["model"])
    picture = Picture(pixels=sheet, seed=0, score=None, model=model, settings=settings)
    return encode(picture, "jpeg", with_prompt=False)
