"""Signed links to pictures: whoever has one may fetch the picture until its time is over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from nonette.server.house import Inside
from nonette.server.schemas.openai import Error

router = APIRouter(prefix="/links", tags=["pictures"])


@router.get(
    "/{picture_id}",
    response_class=FileResponse,
    responses={
        404: {"description": "The link was not made here."},
        410: {"model": Error, "description": "The link's time is over."},
    },
)
def fetch(
    picture_id: str,
    house: Inside,
    until: Annotated[int, Query(ge=0, le=2**53)],
    signature: Annotated[str, Query(max_length=64)],
) -> FileResponse:
    """The picture of a link that an answer gave."""
    house.links.check(picture_id, until, signature)
    result = house.queue.picture(picture_id)
    path = house.settings.data_dir / result.path
    return FileResponse(path, media_type=f"image/{result.format}")
