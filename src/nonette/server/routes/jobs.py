"""The jobs API: submit, look, follow, cancel, fetch. A job outlives the connection it came over."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from nonette.core import types
from nonette.server import forms, policy, sources
from nonette.server.errors import not_found
from nonette.server.forms import Sent
from nonette.server.house import House, Inside
from nonette.server.identity import Asker, Caller, is_still_welcome
from nonette.server.keeper import delete_jobs
from nonette.server.queue import fingerprint
from nonette.server.tables import Job
from nonette.server.views import JobView, Submission

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

BEAT = 15.0  # seconds of silence after which a stream says that it is still there
STILL_THERE = b": still there\n\n"
MEDIA_TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}


Name = Annotated[str | None, Field(default=None, pattern=sources.NAMES)]


EVENT = {
    "type": "object",
    "description": "One event of the stream; its fields are what the lines say, `data` is JSON.",
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
}
"""OpenAPI before 3.2 has the schema of an event stream describe each event."""


class EventStream(StreamingResponse):
    """Server-sent events, which no proxy is to hold back."""

    media_type = "text/event-stream"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """The headers, with the one that nginx reads."""
        super().init_headers({"X-Accel-Buffering": "no", **(headers or {})})


class Wish(BaseModel):
    """What to draw; what is left out is as the model's own settings say.

    `edit` needs a `source` and takes a `mask`; `extend` needs a `source` and one of `left`, `top`,
    `right` and `bottom`; `vary` and `enlarge` need a `source`; `blend` needs `source` and
    `second_source`, or `prompt` and `second_prompt`. Each takes only what is its own.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    task: types.Task = "draw"
    prompt: str = Field(
        default="",
        description="Needed by `draw`, `edit` and `extend`.",
        examples=["a kangaroo made of cheese on the moon"],
    )
    model: str = ""
    negative_prompt: str = ""
    num_pictures: int = Field(default=9, description="`enlarge` gives one.")
    candidates: int | None = None
    size: str = "auto"
    seed: int | None = Field(default=None, description="By lot where it is left out.")
    guidance: float | None = None
    steps: int | None = None
    sampler: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    ranks: bool = True
    format: Literal["png", "webp", "jpeg"] = "png"
    previews: bool = False
    source: Name = Field(description="The id of a picture or upload; in a form also a file.")
    mask: Name = Field(
        description="The name of an upload; in a form also a file as large as the source, which "
        "repaints where it is transparent or, where nothing of it is, white."
    )
    strength: float | None = Field(
        default=None, description="Of `edit` and `vary`: 0 is the source itself, 1 is all anew."
    )
    feather: int | None = Field(
        default=None,
        description="Pixels over which `edit` (else 0) and `extend` (else 6) fade in what is new.",
    )
    left: int | None = Field(default=None, description="Pixels that `extend` adds on that side.")
    top: int | None = None
    right: int | None = None
    bottom: int | None = None
    second_source: Name = Field(description="What `blend` goes towards, as `source`.")
    second_prompt: str | None = Field(default=None, description="What `blend` goes towards.")
    mix: float | None = Field(default=None, description="How far `blend` goes, 0 to 1.")
    factor: float | None = Field(
        default=None, description="How many times as wide and high `enlarge` makes it, 1 to 16."
    )


def _body() -> dict[str, Any]:
    """What the OpenAPI page says of a wish: JSON, or a form that may bring pictures along."""
    schema = Wish.model_json_schema()
    properties = schema["properties"]
    files = {
        name: {"type": "string", "format": "binary", "description": properties[name]["description"]}
        for name in types.ARRAYS
    }
    form = schema | {"properties": properties | files}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


class ResultAnswer(BaseModel):
    """One picture of a job."""

    id: str
    url: str
    seed: int
    score: float | None
    width: int
    height: int


class JobAnswer(BaseModel):
    """A job as it is now."""

    id: str
    object: Literal["job"] = "job"
    state: Literal["waiting", "running", "done", "failed", "cancelled", "refused"]
    version: int
    model: str
    request: dict[str, Any]
    inputs: dict[str, str] = Field(
        description="The uploads that it is drawn from, by field; they may be named in one's next "
        "jobs, and are kept for a day."
    )
    position: int | None = Field(description="1 is next; null where it does not wait.")
    estimated_seconds: float | None = Field(
        description="Until it is done, from measured speed; null while nothing was measured."
    )
    progress: dict[str, Any]
    reason: dict[str, Any] | None
    unknown_words: list[str]
    seconds: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    results: list[ResultAnswer]


class JobList(BaseModel):
    """Jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[JobAnswer]


@router.post("", status_code=202, response_model=JobAnswer, openapi_extra=_body())
async def submit(
    house: Inside,
    caller: Asker,
    request: Request,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Response:
    """Accept a job; once this is answered, it is on disk and will end.

    Files come in a form. JSON names pictures that are here: one's own, published ones, and what
    one's earlier jobs were drawn from.
    """
    sent = await forms.read(request, types.ARRAYS, ids=types.ARRAYS)
    wish = sent.wish(Wish)
    names = {name: getattr(wish, name) for name in types.ARRAYS}
    has_pictures = bool(sent.files) or any(names.values())

    def accepted() -> tuple[JobView, Mapping[str, str]]:
        view = house.queue.submit(
            _submission(wish, sent, names, house, caller, request, idempotency_key)
        )
        return view, house.queue.allowance(caller.lane, caller.tier).headers()

    view, headers = await run_sync(
        accepted, limiter=house.desk.decoders if has_pictures else house.desk.writers
    )
    return _told(view, 202, {"Location": f"/api/jobs/{view.id}", **headers})


@router.get("")
def list_jobs(
    house: Inside, caller: Asker, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> JobList:
    """The caller's jobs, newest first."""
    return JobList(data=[answer(view) for view in house.queue.jobs_of(caller.owner, limit=limit)])


@router.get("/{job_id}")
async def look(job_id: str, house: Inside, caller: Asker) -> JobAnswer:
    """The job as it is now."""
    return answer(house.queue.look(job_id, caller.owner))


@router.post("/{job_id}/cancel")
def cancel(job_id: str, house: Inside, caller: Asker) -> JobAnswer:
    """End the job as cancelled, unless it has ended already."""
    return answer(house.queue.cancel(job_id, caller.owner))


@router.delete("/{job_id}", status_code=204)
def delete(job_id: str, house: Inside, caller: Asker) -> None:
    """Delete the job with its pictures; one that has not ended is cancelled first."""
    house.queue.cancel(job_id, caller.owner)
    with house.database.write() as session:
        jobs = list(session.scalars(select(Job).where(Job.id == job_id)))
        paths = delete_jobs(session, house.settings, jobs)
    for path in paths:
        path.unlink(missing_ok=True)


@router.get(
    "/{job_id}/events",
    response_class=EventStream,
    responses={
        200: {"content": {EventStream.media_type: {"schema": EVENT}}},
        204: {"description": "It has ended, and `Last-Event-ID` was its last event."},
    },
)
async def follow(
    job_id: str,
    house: Inside,
    caller: Asker,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The job as server-sent events, until it has ended; each event is the whole job."""
    changes = house.hub.watch(job_id, caller.owner, beat=BEAT)
    first = await anext(changes)
    if first.has_ended and str(first.version) == last_event_id:
        await changes.aclose()
        return Response(status_code=204)  # tells a browser to stop coming back
    return EventStream(_events(first, changes, house, caller, last_event_id))


async def _events(
    first: JobView,
    changes: AsyncGenerator[JobView],
    house: House,
    caller: Caller,
    told: str | None,
) -> AsyncGenerator[bytes]:
    """The job's changes as they go over the wire; `told` is the version that its reader has."""
    async with contextlib.aclosing(changes):
        last = first
        if str(first.version) != told:
            yield _event(first)
        async for view in changes:
            if caller.account and not await run_sync(is_still_welcome, house, caller):
                return
            yield STILL_THERE if view is last else _event(view)
            last = view


def _told(view: JobView, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The job as an answer, written once: the framework would check what is of its type anyway."""
    content = answer(view).model_dump_json()
    return Response(content, status, headers=headers, media_type="application/json")


def _event(view: JobView) -> bytes:
    data = answer(view).model_dump_json()
    return f"event: {view.state}\ndata: {data}\nid: {view.version}\n\n".encode()


@router.get("/{job_id}/preview", response_class=Response)
def preview(job_id: str, house: Inside, caller: Asker) -> Response:
    """A JPEG of what is drawn so far; 404 while there is nothing."""
    content = house.queue.preview(job_id, caller.owner)
    if content is None:
        raise not_found("preview", job_id)
    return Response(content, media_type="image/jpeg")


@router.get("/{job_id}/pictures/{picture_id}", response_class=FileResponse)
def picture(job_id: str, picture_id: str, house: Inside, caller: Asker) -> FileResponse:
    """One of the job's pictures."""
    for result in house.queue.look(job_id, caller.owner).results:
        if result.id == picture_id:
            path = house.settings.data_dir / result.path
            return FileResponse(path, media_type=MEDIA_TYPES[result.format])
    raise not_found("picture", picture_id)


@router.get(
    "/{job_id}/inputs/{field}",
    response_class=FileResponse,
    responses={200: {"content": {"image/png": {}}}},
)
def brought(
    job_id: str,
    field: Literal["source", "mask", "second_source"],
    house: Inside,
    caller: Asker,
) -> FileResponse:
    """A picture that the job is drawn from, or its mask, white where it is repainted: a PNG."""
    name = house.queue.look(job_id, caller.owner).inputs.get(field, "")
    path = house.uploads.path(name)
    if not name or not path.is_file():
        raise not_found("upload", name or field)
    return FileResponse(path, media_type="image/png")


def _submission(
    wish: Wish,
    sent: Sent,
    names: Mapping[str, str | None],
    house: House,
    caller: Caller,
    request: Request,
    key: str | None,
) -> Submission:
    """What is queued, with its pictures on disk."""
    values: dict[str, Any] = wish.model_dump(exclude={"format", "previews", *types.ARRAYS})
    if values["seed"] is None:
        values["seed"] = secrets.randbelow(types.MAX_RANDOM_SEED)
    if wish.task == "enlarge" and "num_pictures" not in wish.model_fields_set:
        values["num_pictures"] = 1
    pictures = sources.gather(wish.task, sent, names, house, caller.owner)
    drawn = types.Request(**(values | pictures))
    policy.check(house.policy, drawn)
    return Submission(
        owner=caller.owner,
        request=drawn,
        lane=caller.lane,
        tier=caller.tier,
        inputs={name: house.uploads.keep(pixels) for name, pixels in pictures.items()},
        format=wish.format,
        previews=wish.previews,
        idempotency_key=key,
        fingerprint=fingerprint({"wish": wish.model_dump(mode="json"), "pictures": sent.digest}),
        request_id=request.state.request_id,
    )


def answer(view: JobView) -> JobAnswer:
    """The job as JSON."""
    return JobAnswer(
        id=view.id,
        state=view.state,  # type: ignore[arg-type]
        version=view.version,
        model=view.model,
        request=dict(view.request),
        inputs=dict(view.inputs),
        position=view.position,
        estimated_seconds=view.estimated_seconds,
        progress={"done": view.done_steps, "total": view.total_steps, "phase": view.phase},
        reason=None if view.reason is None else dict(view.reason),
        unknown_words=list(view.unknown_words),
        seconds=view.seconds,
        created_at=view.created_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        results=[
            ResultAnswer(
                id=result.id,
                url=f"/api/jobs/{view.id}/pictures/{result.id}",
                seed=result.seed,
                score=result.score,
                width=result.width,
                height=result.height,
            )
            for result in view.results
        ],
    )
