"""`/sdapi/v1`: the dialect of Stable Diffusion web interfaces, so that their clients can connect.

Progress and interruption are about the caller's own work through this door, never another's.
Settings that a model does not have (steps of one that writes its pictures) change nothing here, as
this dialect's clients send them by habit; `info` names them.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from PIL import Image, ImageOps

from nonette.core import types
from nonette.core.errors import InputError
from nonette.provenance.decode import decode
from nonette.safety import spelling
from nonette.server import forms, policy
from nonette.server.house import House, Inside
from nonette.server.identity import Asker, Caller
from nonette.server.orders import RESPONSES, accepted, answered, content
from nonette.server.queue import fingerprint
from nonette.server.schemas.sdapi import (
    MOST_PICTURES,
    SAMPLERS,
    Img2Img,
    ModelItem,
    Nothing,
    Options,
    Pictures,
    Progress,
    SamplerItem,
    State,
    Txt2Img,
)
from nonette.server.tables import RUNNING, WAITING
from nonette.server.views import JobView, Submission

router = APIRouter(prefix="/sdapi/v1", tags=["Stable Diffusion dialect"])

WRITERS = ("dalle", "dalle_mini", "parti")  # systems without steps, samplers and this guidance
MOST_CHOICES = 10_000  # owners whose chosen model is remembered
NAMES = {"size": "width", "num_pictures": "batch_size", "guidance": "cfg_scale", "source": "image"}


@router.post("/txt2img", response_model=Pictures, responses=RESPONSES)
async def txt2img(wish: Txt2Img, house: Inside, caller: Asker, request: Request) -> Response:
    """Pictures of a sentence."""
    submission = await run_sync(lambda: _submission(wish, house, caller, request, {}))
    return await _answer(submission, wish, house, caller, request)


@router.post("/img2img", response_model=Pictures, responses=RESPONSES)
async def img2img(wish: Img2Img, house: Inside, caller: Asker, request: Request) -> Response:
    """A picture drawn anew, wholly or where its mask is white."""

    def prepared() -> Submission:
        return _submission(wish, house, caller, request, _pictures(wish))

    submission = await run_sync(prepared, limiter=house.desk.decoders)
    return await _answer(submission, wish, house, caller, request)


@router.get("/progress")
def progress(house: Inside, caller: Asker) -> Progress:
    """How far the caller's newest open job of this door is."""
    jobs = _open_jobs(house, caller)
    if not jobs:
        return Progress(progress=0.0, eta_relative=0.0, state=State())
    newest = jobs[0]
    share = newest.done_steps / newest.total_steps if newest.total_steps else 0.0
    return Progress(
        progress=share,
        eta_relative=newest.estimated_seconds or 0.0,
        state=State(
            job=newest.id,
            job_count=len(jobs),
            sampling_step=newest.done_steps,
            sampling_steps=newest.total_steps,
        ),
    )


@router.post("/interrupt")
def interrupt(house: Inside, caller: Asker) -> Nothing:
    """Cancel the caller's open jobs of this door."""
    for job in _open_jobs(house, caller):
        house.queue.cancel(job.id, caller.owner)
    return Nothing()


@router.get("/options")
def options(house: Inside, caller: Asker) -> Options:
    """The model that the caller chose."""
    return Options(sd_model_checkpoint=_chosen(house, caller))


@router.post("/options")
def choose(wish: Options, house: Inside, caller: Asker) -> Nothing:
    """Choose the model of the caller's next requests, until the server restarts."""
    if wish.sd_model_checkpoint is not None:
        name = house.queue.model_name(wish.sd_model_checkpoint)
        house.chosen[caller.owner] = name
        while len(house.chosen) > MOST_CHOICES:
            house.chosen.pop(next(iter(house.chosen)), None)
    return Nothing()


@router.get("/samplers")
def samplers(caller: Asker) -> list[SamplerItem]:
    """What `sampler_name` may be, for models that have samplers."""
    return [SamplerItem(name=name, aliases=[ours]) for name, ours in SAMPLERS.items()]


@router.get("/sd-models")
def models(house: Inside, caller: Asker) -> list[ModelItem]:
    """The models that can be asked for."""
    return [ModelItem(title=name, model_name=name) for name in house.settings.models]


def _submission(
    wish: Txt2Img, house: House, caller: Caller, request: Request, pictures: dict[str, np.ndarray]
) -> Submission:
    drawn = _drawn(wish, house, caller, pictures)
    policy.check(house.policy, drawn)
    return Submission(
        owner=caller.owner,
        request=drawn,
        kind="sdapi.img2img" if pictures else "sdapi.txt2img",
        lane=caller.lane,
        tier=caller.tier,
        inputs={name: house.uploads.keep(value) for name, value in pictures.items()},
        fingerprint=fingerprint(wish.model_dump(mode="json")),
        longest_wait=house.settings.longest_wait,
        request_id=request.state.request_id,
    )


def _drawn(
    wish: Txt2Img, house: House, caller: Caller, pictures: dict[str, np.ndarray]
) -> types.Request:
    """The request that a wish means."""
    num_pictures = wish.batch_size * wish.n_iter
    if num_pictures > MOST_PICTURES:
        limit = f"with n_iter it makes {num_pictures} pictures, and {MOST_PICTURES} is the most"
        raise InputError("batch_size", wish.batch_size, limit)
    name = (wish.override_settings or {}).get("sd_model_checkpoint") or _chosen(house, caller)
    model = house.queue.model_name(str(name))
    values: dict[str, Any] = {
        "prompt": spelling.readable(wish.prompt),
        "negative_prompt": spelling.readable(wish.negative_prompt),
        "model": model,
        "num_pictures": num_pictures,
        "seed": secrets.randbelow(types.MAX_RANDOM_SEED) if wish.seed == -1 else wish.seed,
    }
    if not _is_writer(house, model):
        values |= {"steps": wish.steps, "guidance": wish.cfg_scale, "sampler": _sampler(wish)}
    if pictures and isinstance(wish, Img2Img):
        values |= {"task": "edit", "strength": wish.denoising_strength, **pictures}
        if not wish.prompt.strip() and "mask" not in pictures:
            values["task"] = "vary"
    elif wish.width is not None or wish.height is not None:
        values["size"] = f"{wish.width or wish.height}x{wish.height or wish.width}"
    try:
        return types.Request(**values)
    except InputError as error:
        raise InputError(NAMES.get(error.field, error.field), error.value, error.limit) from error


def _pictures(wish: Img2Img) -> dict[str, np.ndarray]:
    """The picture and the mask, decoded and brought to the size asked for."""
    if len(wish.init_images) != 1:
        raise InputError("init_images", len(wish.init_images), "one picture can be drawn from")
    image = Image.fromarray(decode(forms.from_text(wish.init_images[0], "init_images")).pixels)
    size = (wish.width or image.width, wish.height or image.height)
    pictures = {"source": np.array(_resized(image, size, wish.resize_mode))}
    if wish.mask is not None:
        light = decode(forms.from_text(wish.mask, "mask"), "mask").pixels.mean(axis=2)
        marked = Image.fromarray((light >= 128) != bool(wish.inpainting_mask_invert))
        mask = np.array(_resized(marked.resize(image.size, 0), size, wish.resize_mode, exact=True))
        if not mask.any():
            raise InputError("mask", "empty", "it must be white where the picture is drawn anew")
        pictures["mask"] = mask
    return pictures


def _resized(image: Image.Image, size: tuple[int, int], mode: int, *, exact: bool = False) -> Any:
    """The picture stretched to a size (mode 0), or cropped to its shape first (1)."""
    method = Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS
    if mode == 1:
        return ImageOps.fit(image, size, method)
    return image.resize(size, method)


async def _answer(
    submission: Submission, wish: Txt2Img, house: House, caller: Caller, request: Request
) -> Response:
    view = await accepted(submission, house, caller, request)
    return await answered(view, house, caller, request, lambda done: _made(done, wish, house))


def _made(view: JobView, wish: Txt2Img, house: House) -> Pictures:
    """The finished job in this dialect."""
    seeds = [result.seed for result in view.results]
    best = view.results[0]
    info = {
        "prompt": view.request["prompt"],
        "all_prompts": [view.request["prompt"]] * len(seeds),
        "negative_prompt": view.request["negative_prompt"],
        "seed": seeds[0],
        "all_seeds": seeds,
        "width": best.width,
        "height": best.height,
        "steps": view.request.get("steps"),
        "cfg_scale": view.request.get("guidance"),
        "sampler_name": view.request.get("sampler"),
        "batch_size": len(seeds),
        "sd_model_name": view.model,
        "job": view.id,
        "unknown_words": list(view.unknown_words),
        "ignored": _ignored(wish, house, view.model),
    }
    images = [content(house, result) for result in view.results] if wish.send_images else []
    told = wish.model_dump(mode="json", exclude={"init_images", "mask"})
    return Pictures(images=images, parameters=told, info=json.dumps(info))


def _ignored(wish: Txt2Img, house: House, model: str) -> list[str]:
    """The names of what was given and changes nothing."""
    names = list(wish.model_extra or {})
    if _is_writer(house, model):
        dialect = ("steps", "cfg_scale", "sampler_name", "sampler_index")
        names += [name for name in dialect if getattr(wish, name) is not None]
    return names


def _sampler(wish: Txt2Img) -> str | None:
    """Our name of the sampler asked for."""
    name = wish.sampler_name or wish.sampler_index
    if not name:
        return None
    for theirs, ours in SAMPLERS.items():
        if name.lower() in (theirs.lower(), ours):
            return ours
    choices = ", ".join(SAMPLERS)
    raise InputError("sampler_name", name, f"there is none of that name; choices: {choices}")


def _is_writer(house: House, model: str) -> bool:
    capabilities = house.queue.models()[model]
    return capabilities is not None and capabilities["system"] in WRITERS


def _chosen(house: House, caller: Caller) -> str:
    return house.chosen.get(caller.owner) or house.settings.models[0]


def _open_jobs(house: House, caller: Caller) -> list[JobView]:
    """The caller's jobs of this door that wait or run, newest first."""
    jobs = house.queue.jobs_of(caller.owner, limit=100)
    return [
        job for job in jobs if job.kind.startswith("sdapi.") and job.state in (WAITING, RUNNING)
    ]
