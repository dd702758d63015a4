"""What goes into the queue, and what is seen of it: values without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nonette.core.types import Request
from nonette.provenance.encode import Format
from nonette.server.limits import Tier
from nonette.server.outlook import Outlook
from nonette.server.tables import ENDED, PictureRow


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is asked of the queue.

    Attributes:
        owner: Whose the job and its pictures are, as `Caller.owner` says.
        request: What to draw; model "" is the server's default.
        kind: The door it came through, such as `images.generations`.
        lane: Who takes turns and is counted; "" is the owner.
        tier: What the lane may have; its weight is its share of the machine.
        inputs: Uploads by field of the request, as `{"source": "upl_…"}`.
        format: What the pictures' files are.
        quality: Of JPEG and WebP files, 0 to 100; None is as good as the format can.
        with_prompt: Whether the files tell the prompt.
        previews: Whether to keep previews while it is drawn.
        idempotency_key: Two submissions of one owner with one key are one job.
        fingerprint: Of what the caller sent; the same key with another one is refused.
        longest_wait: Refuse at once if the estimate is above these seconds.
        request_id: Of the HTTP request, for the logs.
        desk: The API process at which the caller waits for the answer; "" where nobody waits.
        is_retry: Whether it may take over what an earlier attempt left behind.
    """

    owner: str
    request: Request
    kind: str = "jobs"
    lane: str = ""
    tier: Tier = field(default_factory=Tier)
    inputs: Mapping[str, str] = field(default_factory=dict)
    format: Format = "png"
    quality: int | None = None
    with_prompt: bool = False
    previews: bool = False
    idempotency_key: str | None = None
    fingerprint: str = ""
    longest_wait: float | None = None
    request_id: str = ""
    desk: str = ""
    is_retry: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """One picture of a finished job; `path` is relative to the data folder."""

    id: str
    path: str
    format: str
    width: int
    height: int
    seed: int
    score: float | None


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as it is at one moment.

    Attributes:
        version: Larger at every later moment; what server-sent events carry as their id.
        state: waiting, running, done, failed, cancelled or refused.
        position: 1 is next; None where it does not wait.
        estimated_seconds: Until it is done, from measured speed; None while nothing was measured.
        inputs: Uploads by the request's field, such as `{"source": "upl_…"}`.
        reason: `code` and `message`, where it ended otherwise than done.
        results: Its pictures, best first, once it is done.
    """

    id: str
    owner: str
    kind: str
    model: str
    request: Mapping[str, Any]
    state: str
    version: int
    position: int | None
    estimated_seconds: float | None
    done_steps: int
    total_steps: int
    phase: str
    reason: Mapping[str, Any] | None
    unknown_words: Sequence[str]
    seconds: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[Result] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in ENDED


def result_of(row: PictureRow) -> Result:
    """A picture as its job tells it."""
    return Result(
        id=row.id,
        path=row.path,
        format=row.format,
        width=row.width,
        height=row.height,
        seed=row.seed,
        score=row.score,
    )


def view_of(job: Any, found: Outlook, results: Sequence[Result] = ()) -> JobView:
    """A job, given as its row, as it is seen."""
    return JobView(
        id=job.id,
        owner=job.owner,
        kind=job.kind,
        model=job.model,
        request=job.request,
        state=job.state,
        version=job.version,
        position=found.position,
        estimated_seconds=found.seconds,
        done_steps=job.done_steps,
        total_steps=job.total_steps,
        phase=job.phase,
        reason=job.reason,
        unknown_words=tuple(job.unknown_words),
        seconds=job.seconds,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        inputs=job.inputs,
        results=tuple(results),
    )
