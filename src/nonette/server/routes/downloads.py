"""Pictures leave and come back: files that tell what drew them, all of a job, one sheet, recall.

The files that the queue keeps do not tell the prompt. Whoever owns a job may have files that do;
they are made here, when they are asked for, of the same pixels.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from nonette.core.types import Drawing, Picture
from nonette.provenance import decode, encode
from nonette.server.errors import ApiError, not_found
from nonette.server.house import House, Inside
from nonette.server.identity import Asker
from nonette.server.views import JobView, Result

router = APIRouter(prefix="/api", tags=["files"])

MEDIA_TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
MAX_NAME = 60  # characters of a file's name that are the sentence's

OWN = (encode.KEYWORD, "model", "seed", "score", "num_pictures", "candidates")
"""What a file's record says of the file, or of its one picture alone."""
ASKED = ("seed", "num_pictures", "candidates", *encode.SPOKEN)

WithPrompt = Annotated[bool, Query(description="Whether the files tell the prompt.")]


class Sentence(BaseModel):
    """A prompt to be judged."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(max_length=10_000)


class BrokenRule(BaseModel):
    """A rule that a prompt breaks, and the words that break it."""

    name: str
    title: str
    title_fr: str
    words: list[str]


class Judgement(BaseModel):
    """What the policy says of a prompt; no rules where it may be drawn."""

    rules: list[BrokenRule]


@router.get("/jobs/{job_id}/files/{picture_id}", response_class=Response)
def save(
    job_id: str, picture_id: str, house: Inside, caller: Asker, with_prompt: WithPrompt = True
) -> Response:
    """One picture as a file to keep."""
    view = house.queue.look(job_id, caller.owner)
    for place, result in enumerate(view.results):
        if result.id == picture_id:
            content = _file(house, view, result, with_prompt)
            name = _name(view, place, result)
            return _attachment(content, name, MEDIA_TYPES[result.format])
    raise not_found("picture", picture_id)


@router.get(
    "/jobs/{job_id}/files",
    response_class=Response,
    responses={409: {"description": "It has no pictures, or none yet."}},
)
def save_all(job_id: str, house: Inside, caller: Asker, with_prompt: WithPrompt = True) -> Response:
    """All pictures of a job as a ZIP archive, the best one first."""
    view = _done(house, job_id, caller.owner)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored: pictures are compressed already
        for place, result in enumerate(view.results):
            entry = zipfile.ZipInfo(_name(view, place, result))
            archive.writestr(entry, _file(house, view, result, with_prompt))
    return _attachment(buffer.getvalue(), f"{_slug(view)}.zip", "application/zip")


@router.post("/jobs/{job_id}/sheet", response_class=Response)
def save_sheet(job_id: str, caption: UploadFile, house: Inside, caller: Asker) -> Response:
    """All pictures of a job as one PNG above a caption, which tells the prompt for all to see.

    The caption is a strip a whole number of times as wide as the pictures in their grid, which are
    enlarged as many times; it is drawn by whoever asks, who has fonts.
    """
    view = _done(house, job_id, caller.owner)
    strip = decode.decode(caption.file.read(), "caption").pixels
    pictures = [
        Picture(
            pixels=_pixels(house, result),
            seed=result.seed,
            score=result.score,
            model=view.model,
            settings=_settings(house, view, result),
        )
        for result in view.results
    ]
    drawing = Drawing(
        pictures=tuple(pictures),
        unknown_words=tuple(view.unknown_words),
        seconds=view.seconds or 0.0,
        model=view.model,
        prompt=view.request["prompt"],
    )
    content = encode.encode_grid(drawing, with_prompt=True, caption=strip)
    return _attachment(content, f"{_slug(view)}.png", "image/png")


@router.post("/recall")
def recall(picture: UploadFile, caller: Asker) -> dict[str, Any]:
    """What a file of Nonette says of how it was drawn: settings to draw it again with.

    A picture that says nothing is answered 422 with the code `no_settings`.
    """
    try:
        return encode.read(picture.file.read())
    except encode.NoRecord as error:
        raise ApiError(422, str(error), code="no_settings", param="picture") from error


@router.post("/judgement")
def judge(sentence: Sentence, house: Inside, caller: Asker) -> Judgement:
    """The rules that a prompt breaks."""
    return Judgement(
        rules=[
            BrokenRule(
                name=hit.rule.name,
                title=hit.rule.title,
                title_fr=hit.rule.title_fr,
                words=list(hit.words),
            )
            for hit in house.policy.judge(sentence.prompt)
        ]
    )


def _done(house: House, job_id: str, owner: str) -> JobView:
    view = house.queue.look(job_id, owner)
    if not view.results:
        raise ApiError(409, f"It is {view.state}, so there are no pictures.", code="no_pictures")
    return view


def _file(house: House, view: JobView, result: Result, with_prompt: bool) -> bytes:
    """The picture's file, telling the prompt or not."""
    content = (house.settings.data_dir / result.path).read_bytes()
    if not with_prompt or "prompt" in encode.read(content):
        return content
    picture = Picture(
        pixels=decode.decode(content).pixels,
        seed=result.seed,
        score=result.score,
        model=view.model,
        settings=_settings(house, view, result),
    )
    return encode.encode(picture, result.format, with_prompt=True)  # type: ignore[arg-type]


def _pixels(house: House, result: Result) -> Any:
    return decode.decode((house.settings.data_dir / result.path).read_bytes()).pixels


def _settings(house: House, view: JobView, result: Result) -> dict[str, Any]:
    """The settings as drawn, of the file, with the words, of the job."""
    record = encode.read((house.settings.data_dir / result.path).read_bytes())
    drawn = {name: value for name, value in record.items() if name not in OWN}
    return drawn | {name: view.request[name] for name in ASKED if name in view.request}


def _name(view: JobView, place: int, result: Result) -> str:
    return f"{_slug(view)}-{place + 1}-{result.seed}.{result.format}"


def _slug(view: JobView) -> str:
    """The sentence as a file's name."""
    words = re.sub(r"[\W_]+", "-", str(view.request["prompt"]).lower()).strip("-")
    return words[:MAX_NAME].strip("-") or "nonette"


def _attachment(content: bytes, name: str, media_type: str) -> Response:
    plain = name.encode("ascii", "ignore").decode().lstrip("-.") or "nonette"
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    }
    return Response(content, headers=headers, media_type=media_type)
