"""The gallery, share links and reports: what people without the owner's rights may see and say."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from nonette.server import tables
from nonette.server.errors import not_found
from nonette.server.gallery import Shown
from nonette.server.house import House, Inside
from nonette.server.identity import Asker, Operator, address_of, identify
from nonette.server.routes.jobs import MEDIA_TYPES

router = APIRouter(prefix="/api", tags=["gallery"])

Category = Literal[
    "hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal", "deception",
    "privacy", "rights", "spam", "other",
]  # fmt: skip


class ShownAnswer(BaseModel):
    """A picture as others see it: without its owner; the prompt where the owner tells it."""

    id: str
    url: str
    title: str
    model: str
    seed: int
    width: int
    height: int
    published_at: float | None
    prompt: str | None
    maker: str


class ShownList(BaseModel):
    """Pictures; `published_at` of the last is where a page of the gallery goes on."""

    object: str = "list"
    data: list[ShownAnswer]


class NewShare(BaseModel):
    """Which job's pictures anybody with the link may see, and for how long."""

    model_config = ConfigDict(extra="forbid")

    job: str = Field(max_length=100)
    days: float | None = Field(default=None, gt=0, le=3650)


class ShareAnswer(BaseModel):
    """A link."""

    token: str
    url: str
    job: str
    created_at: float
    expires_at: float | None


class ShareList(BaseModel):
    """Links, oldest first."""

    object: str = "list"
    data: list[ShareAnswer]


class NewReport(BaseModel):
    """What is wrong with a published picture; no account is needed to say so."""

    model_config = ConfigDict(extra="forbid")

    category: Category
    message: str = Field(default="", max_length=2000)
    contact: str = Field(default="", max_length=200)


class ReportNumber(BaseModel):
    """The number of a report."""

    number: int


class ReportAnswer(BaseModel):
    """A report as operators see it."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    picture_id: str
    category: str
    message: str
    contact: str
    created_at: float
    decision: str | None
    note: str
    decided_by: str | None
    decided_at: float | None


class ReportList(BaseModel):
    """Reports, oldest first."""

    object: str = "list"
    data: list[ReportAnswer]


class Decision(BaseModel):
    """What becomes of the picture."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["keep", "remove"]
    note: str = Field(default="", max_length=2000)


@router.get("/gallery")
def published(
    request: Request,
    house: Inside,
    before: float | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ShownList:
    """Published pictures, newest first."""
    _let_in(request, house)
    found = house.gallery.published(before=before, limit=limit)
    return ShownList(data=[_shown(one, f"/api/gallery/{one.id}/file") for one in found])


@router.get("/gallery/{picture_id}/file", response_class=FileResponse)
def published_file(picture_id: str, request: Request, house: Inside) -> FileResponse:
    """The file of a published picture."""
    _let_in(request, house)
    return _file(house, house.gallery.one(picture_id))


@router.post("/gallery/{picture_id}/report", status_code=202)
def report(picture_id: str, what: NewReport, request: Request, house: Inside) -> ReportNumber:
    """Tell the operators what is wrong with a published picture."""
    _let_in(request, house)
    address = address_of(request)
    house.reporters.check(address)
    house.reporters.note(address)  # so that one address cannot fill the list
    number = house.gallery.report(picture_id, what.category, what.message, what.contact)
    return ReportNumber(number=number)


@router.post("/shares", status_code=201)
def share(wish: NewShare, house: Inside, caller: Asker) -> ShareAnswer:
    """Make a link to a job's pictures for people without an account."""
    return _share(house.gallery.share(caller.owner, wish.job, wish.days))


@router.get("/shares")
def shares(house: Inside, caller: Asker) -> ShareList:
    """The caller's links."""
    return ShareList(data=[_share(one) for one in house.gallery.shares(caller.owner)])


@router.delete("/shares/{token}", status_code=204)
def take_back(token: str, house: Inside, caller: Asker) -> None:
    """End a link."""
    house.gallery.take_back(caller.owner, token)


@router.get("/shared/{token}")
def shared(token: str, house: Inside) -> ShownList:
    """What a link shows, to whoever has it."""
    found = house.gallery.shared(token)
    return ShownList(data=[_shown(one, f"/api/shared/{token}/{one.id}/file") for one in found])


@router.get("/shared/{token}/{picture_id}/file", response_class=FileResponse)
def shared_file(token: str, picture_id: str, house: Inside) -> FileResponse:
    """The file of a picture that a link shows."""
    for one in house.gallery.shared(token):
        if one.id == picture_id:
            return _file(house, one)
    raise not_found("picture", picture_id)


@router.get("/admin/reports", tags=["operators"])
def reports(
    house: Inside, caller: Operator, state: Literal["open", "decided"] = "open"
) -> ReportList:
    """Reports, oldest first."""
    found = house.gallery.reports(is_open=state == "open")
    return ReportList(data=[ReportAnswer.model_validate(one) for one in found])


@router.post("/admin/reports/{number}", tags=["operators"])
def decide(number: int, what: Decision, house: Inside, caller: Operator) -> ReportAnswer:
    """Keep a reported picture, or take it down everywhere; all its open reports are decided."""
    if not 0 < number < 2**63:
        raise not_found("report", str(number))
    decided = house.gallery.decide(number, what.decision, what.note, caller.owner)
    return ReportAnswer.model_validate(decided)


def _let_in(request: Request, house: House) -> None:
    """The gallery is for everyone, or for those who are let in."""
    if not house.settings.gallery_is_public:
        identify(request)


def _file(house: House, one: Shown) -> FileResponse:
    return FileResponse(house.settings.data_dir / one.path, media_type=MEDIA_TYPES[one.format])


def _shown(one: Shown, url: str) -> ShownAnswer:
    facts = {name: getattr(one, name) for name in ShownAnswer.model_fields if name != "url"}
    return ShownAnswer(url=url, **facts)


def _share(one: tables.Share) -> ShareAnswer:
    return ShareAnswer(
        token=one.token,
        url=f"/api/shared/{one.token}",
        job=one.job_id,
        created_at=one.created_at,
        expires_at=one.expires_at,
    )
