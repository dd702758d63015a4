"""From a wish in the OpenAI dialect to its answer, as JSON or as a stream of server-sent events.

An order queues one job, waits for it at the desk, and answers with its pictures. Whoever leaves
before that cancels the job.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from starlette.background import BackgroundTask

from nonette.core import types
from nonette.core.errors import InputError
from nonette.safety import spelling
from nonette.server import policy
from nonette.server.desk import CallerLeft, checked
from nonette.server.errors import ApiError
from nonette.server.house import House
from nonette.server.identity import Caller, is_still_welcome
from nonette.server.queue import fingerprint
from nonette.server.schemas.openai import Generation, Image, Images, Usage, Variation
from nonette.server.views import JobView, Result, Submission

LEFT = 499  # the status in the log of a caller who left before the answer
PATCH = 16  # pixels; an image token is a square of this side
NAMES = {"num_pictures": "n", "source": "image"}  # our fields by the dialect's names
SAME = {"guidance": "guidance_scale", "steps": "num_inference_steps"}
OF_PICTURES = ("strength", "feather")  # where the task takes them
PLAIN = ("sampler", "temperature", "top_k", "top_p")

RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter is wrong or unsupported, or the policy refuses the prompt."},
    404: {"description": "There is no such model."},
    409: {"description": "The Idempotency-Key had another body, or the job was cancelled."},
    500: {"description": "The model failed."},
}
"""What is particular about failures of routes that draw."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A wish that has been understood: what is queued, and how it is answered.

    Attributes:
        wish: What the caller sent.
        request: What is drawn.
        kind: The door, such as `images.generations`.
        inputs: Uploads by the request's field.
        input_tokens: Image tokens of the pictures that were sent.
        digest: A hash of the pictures that were sent.
    """

    wish: Generation | Variation
    request: types.Request
    kind: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    digest: str = ""

    @property
    def output_format(self) -> Any:
        """What kind of file the pictures are."""
        return getattr(self.wish, "output_format", None) or "png"

    @property
    def revised_prompt(self) -> str | None:
        """What is drawn, where it is not what was sent."""
        used = self.request.prompt
        return None if used == getattr(self.wish, "prompt", used) else used


def drawn_by(wish: Generation | Variation, house: House, **fields: Any) -> types.Request:
    """The request that a wish means, checked against the policy.

    Raises:
        ApiError: There is no such model, or the policy refuses the prompt.
        InputError: A value is beyond its limits, under the dialect's name.
    """
    model = house.queue.model_name(wish.model or "", fields["task"])
    capabilities = house.queue.models()[model] or {}
    values: dict[str, Any] = {
        "prompt": "",
        "model": model,
        "num_pictures": wish.num_pictures,
        "size": wish.size or "auto",
        "candidates": wish.candidates,
        "seed": secrets.randbelow(types.MAX_RANDOM_SEED) if wish.seed is None else wish.seed,
    }
    for name in OF_PICTURES:
        if name in types.TAKES[fields["task"]]:
            values[name] = getattr(wish, name)
    if isinstance(wish, Generation):
        values["prompt"] = spelling.readable(wish.prompt)
        values["negative_prompt"] = spelling.readable(wish.negative_prompt or "")
        values["candidates"] = wish.effort(capabilities.get("default_candidates", 0))
        for name, other in SAME.items():
            given = getattr(wish, name)
            values[name] = getattr(wish, other) if given is None else given
        values |= {name: getattr(wish, name) for name in PLAIN}
    try:
        request = types.Request(**values, **fields)
    except InputError as error:
        name = NAMES.get(error.field, error.field)
        if name in SAME and getattr(wish, SAME[name], None) is not None:
            name = SAME[name]
        raise InputError(name, error.value, error.limit) from error
    policy.check(house.policy, request)
    return request


async def fulfil(order: Order, house: House, caller: Caller, request: Request) -> Response:
    """Queue the order, wait for it, and answer."""
    wish = order.wish
    sent = {"wish": wish.model_dump(mode="json"), "pictures": order.digest}
    submission = Submission(
        owner=caller.owner,
        request=order.request,
        kind=order.kind,
        lane=caller.lane,
        tier=caller.tier,
        inputs=order.inputs,
        format=order.output_format,
        quality=getattr(wish, "output_compression", None),
        previews=bool(getattr(wish, "stream", None) and getattr(wish, "partial_images", None)),
        fingerprint=fingerprint(sent),
        longest_wait=house.settings.longest_wait,
        request_id=request.state.request_id,
    )
    view = await accepted(submission, house, caller, request)
    if getattr(wish, "stream", None):
        headers = await run_sync(rate_headers, house, caller, view)
        events = _events(order, house, caller, request, view)
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    return await answered(view, house, caller, request, partial(_images, order, house, request))


async def accepted(
    submission: Submission, house: House, caller: Caller, request: Request
) -> JobView:
    """The job of a submission, waited for at the desk from now on.

    Raises:
        ApiError, InputError: As `Queue.submit`.
    """
    try:
        return await run_sync(house.desk.accept, submission, request, limiter=house.desk.writers)
    except ApiError as error:
        if error.status == 429:
            error.headers |= await run_sync(rate_headers, house, caller, None)
        raise


async def answered(
    view: JobView,
    house: House,
    caller: Caller,
    request: Request,
    make: Callable[[JobView], BaseModel],
) -> Response:
    """The answer that `make` makes of the accepted job, once it is done.

    Raises:
        ApiError: It ended otherwise, or its caller should come back, or was revoked.
    """
    try:
        done = await house.desk.wait(view, request)
        await run_sync(_check_welcome, house, caller, view)
        await run_sync(house.desk.check, request)
        body = await run_sync(make, done)
        headers = await run_sync(rate_headers, house, caller, done)
    except CallerLeft:
        return Response(status_code=LEFT)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await run_sync(house.desk.release, request)
        raise
    is_answered = BackgroundTask(house.desk.answered, view.id, request)
    return JSONResponse(body.model_dump(mode="json"), headers=headers, background=is_answered)


async def _events(
    order: Order, house: House, caller: Caller, request: Request, view: JobView
) -> AsyncGenerator[bytes]:
    """The job as the dialect's events: previews, then each picture, or an error."""
    has_left = False
    try:
        async with contextlib.aclosing(house.desk.follow(view, request)) as changes:
            num_partial = 0
            async for now in changes:
                await run_sync(_check_welcome, house, caller, view)
                if now is None:
                    yield b": still there\n\n"
                elif now.has_ended:
                    await run_sync(house.desk.check, request)
                    for event in await run_sync(_completed, order, house, checked(now)):
                        yield event
                elif _is_due(now, num_partial, order):
                    preview = await run_sync(house.queue.preview, view.id)
                    if preview is not None:
                        yield _partial(order, preview, num_partial)
                        num_partial += 1
        await run_sync(house.desk.answered, view.id, request)
        has_left = True
    except CallerLeft:
        has_left = True
    except ApiError as error:
        yield _event("error", error.body())
    except (DBAPIError, OSError) as error:
        log.error("stream_failed", reason=str(error))
        away = ApiError(503, "The disk or the database is away.", code="storage_unavailable")
        yield _event("error", away.body())
    finally:
        if not has_left:
            with anyio.CancelScope(shield=True):
                await run_sync(house.desk.release, request)


def _check_welcome(house: House, caller: Caller, view: JobView) -> None:
    """Cancel the job of a caller whose key or account was taken away meanwhile.

    Raises:
        ApiError: 403.
    """
    if not is_still_welcome(house, caller):
        house.queue.cancel(view.id)
        raise ApiError(403, "Your key or account was revoked meanwhile.", code="access_revoked")


def _is_due(view: JobView, num_partial: int, order: Order) -> bool:
    """Whether the drawing is far enough for the next of the wanted previews."""
    wanted = getattr(order.wish, "partial_images", None) or 0
    share = view.done_steps / view.total_steps if view.total_steps else 0.0
    return num_partial < wanted and share >= (num_partial + 1) / (wanted + 1)


def _partial(order: Order, preview: bytes, index: int) -> bytes:
    data = {
        "b64_json": base64.b64encode(preview).decode(),
        "partial_image_index": index,
        "created_at": int(time.time()),
        "size": order.request.size,
        "quality": _quality(order.wish),
        "background": "opaque",
        "output_format": "jpeg",
    }
    return _event(f"{_family(order)}.partial_image", data)


def _completed(order: Order, house: House, view: JobView) -> list[bytes]:
    """One event a picture, the best match first; each tells the usage of them all."""
    usage = _usage(order, view).model_dump(mode="json")
    events = []
    for result in view.results:
        data = {
            "b64_json": content(house, result),
            "created_at": int(time.time()),
            "size": f"{result.width}x{result.height}",
            "quality": _quality(order.wish),
            "background": "opaque",
            "output_format": result.format,
            "usage": usage,
            "id": result.id,
            "seed": result.seed,
            "score": result.score,
            "job": view.id,
            "revised_prompt": order.revised_prompt,
            "unknown_words": list(view.unknown_words),
        }
        events.append(_event(f"{_family(order)}.completed", data))
    return events


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    told = data if name == "error" else {"type": name, **data}
    return f"event: {name}\ndata: {json.dumps(told)}\n\n".encode()


def _family(order: Order) -> str:
    return "image_edit" if order.kind == "images.edits" else "image_generation"


def _images(order: Order, house: House, request: Request, view: JobView) -> Images:
    """The answer of a finished job."""
    base = house.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    data = []
    for result in view.results:
        has_url = order.wish.wants_url
        image = Image(
            b64_json=None if has_url else content(house, result),
            url=f"{base}{house.links.make(result.id)}" if has_url else None,
            revised_prompt=order.revised_prompt,
            id=result.id,
            seed=result.seed,
            score=result.score,
        )
        data.append(image)
    best = view.results[0]
    return Images(
        created=int(view.finished_at or time.time()),
        data=data,
        output_format=order.output_format,
        quality=_quality(order.wish),
        size=f"{best.width}x{best.height}",
        usage=_usage(order, view),
        safety_identifier=getattr(order.wish, "safety_identifier", None),
        model=view.model,
        job=view.id,
        unknown_words=list(view.unknown_words),
        ignored=order.wish.ignored,
    )


def content(house: House, result: Result) -> str:
    """The picture's file in base64."""
    return base64.b64encode((house.settings.data_dir / result.path).read_bytes()).decode()


def _quality(wish: Generation | Variation) -> str:
    return getattr(wish, "quality", None) or "auto"


def _usage(order: Order, view: JobView) -> Usage:
    words = len(order.request.prompt.split())
    drawn = sum(num_patches(result.width, result.height) for result in view.results)
    read = words + order.input_tokens
    return Usage(
        input_tokens=read,
        output_tokens=drawn,
        total_tokens=read + drawn,
        input_tokens_details={"text_tokens": words, "image_tokens": order.input_tokens},
        output_tokens_details={"text_tokens": 0, "image_tokens": drawn},
    )


def num_patches(width: int, height: int) -> int:
    """The image tokens of a picture of this size in pixels."""
    return -(-width // PATCH) * -(-height // PATCH)


def rate_headers(house: House, caller: Caller, view: JobView | None) -> dict[str, str]:
    """How many more jobs the caller may have open, and when the open ones will be done.

    Where the caller's tier bounds requests a minute, they tell of these instead.
    """
    most = caller.tier.max_waiting or house.settings.max_waiting_per_owner
    num_open = house.queue.num_open(caller.lane)
    seconds = 0.0
    if num_open:
        seconds = (view and (view.estimated_seconds or view.seconds)) or float(num_open)
    minutes, rest = divmod(round(seconds), 60)
    return {
        "x-ratelimit-limit-requests": str(most),
        "x-ratelimit-remaining-requests": str(max(0, most - num_open)),
        "x-ratelimit-reset-requests": f"{minutes}m{rest}s" if minutes else f"{rest}s",
        **house.queue.allowance(caller.lane, caller.tier).headers(),
    }
