"""An owner's pictures: history and search, favourites, collections, publishing, zip files."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from nonette.server.album import Folder, Kept
from nonette.server.house import House, Inside
from nonette.server.identity import Asker
from nonette.server.routes.jobs import MEDIA_TYPES

router = APIRouter(prefix="/api", tags=["pictures"])

MOST_IN_ZIP = 500
IN_MEMORY = 8 << 20  # bytes of a zip file before it goes to disk
PIECE = 1 << 16


class PictureAnswer(BaseModel):
    """A picture as its owner sees it; `number` is where a page goes on."""

    number: int
    id: str
    job_id: str
    url: str
    task: str
    prompt: str
    model: str
    seed: int
    score: float | None
    width: int
    height: int
    created_at: float
    is_favourite: bool
    title: str
    tells_prompt: bool
    maker: str
    published_at: float | None
    is_hidden: bool


class PictureList(BaseModel):
    """Pictures, newest first."""

    object: str = "list"
    data: list[PictureAnswer]


class PictureChange(BaseModel):
    """What to change about a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    is_favourite: bool | None = None
    is_published: bool | None = None
    title: str | None = Field(default=None, max_length=200)
    tells_prompt: bool | None = None
    maker: str | None = Field(default=None, max_length=100)


class CollectionName(BaseModel):
    """A name for pictures that belong together."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"\S")


class CollectionAnswer(BaseModel):
    """A collection and the ids of its pictures."""

    id: str
    name: str
    created_at: float
    pictures: list[str]


class CollectionList(BaseModel):
    """Collections by name."""

    object: str = "list"
    data: list[CollectionAnswer]


class ZipWish(BaseModel):
    """Which pictures to pack."""

    model_config = ConfigDict(extra="forbid")

    pictures: list[str] = Field(min_length=1, max_length=MOST_IN_ZIP)


@router.get("/pictures")
def history(
    house: Inside,
    caller: Asker,
    search: Annotated[str, Query(max_length=500)] = "",
    favourites: bool = False,
    collection: Annotated[str | None, Query(max_length=100)] = None,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> PictureList:
    """The caller's pictures, newest first, by words of the prompt, favourites or collection."""
    found = house.album.history(
        caller.owner,
        search=search,
        favourites=favourites,
        collection=collection,
        before=before,
        limit=limit,
    )
    return PictureList(data=[_answer(one) for one in found])


@router.get("/pictures/{picture_id}")
def look(picture_id: str, house: Inside, caller: Asker) -> PictureAnswer:
    """One picture."""
    return _answer(house.album.picture(caller.owner, picture_id))


@router.get("/pictures/{picture_id}/file", response_class=FileResponse)
def file(picture_id: str, house: Inside, caller: Asker) -> FileResponse:
    """Its file."""
    one = house.album.picture(caller.owner, picture_id)
    return FileResponse(house.settings.data_dir / one.path, media_type=MEDIA_TYPES[one.format])


@router.patch("/pictures/{picture_id}")
def change(picture_id: str, wish: PictureChange, house: Inside, caller: Asker) -> PictureAnswer:
    """Mark it, name it, publish it, take it back."""
    changes = wish.model_dump(exclude_unset=True)
    return _answer(house.album.change(caller.owner, picture_id, **changes))


@router.delete("/pictures/{picture_id}", status_code=204)
def delete(picture_id: str, house: Inside, caller: Asker) -> None:
    """Delete it for good."""
    path = house.album.delete(caller.owner, picture_id)
    (house.settings.data_dir / path).unlink(missing_ok=True)


@router.post("/pictures/zip", response_class=Response)
def pack(wish: ZipWish, house: Inside, caller: Asker) -> Response:
    """These pictures as one zip file, each byte for byte as it was made."""
    found = [house.album.picture(caller.owner, one) for one in dict.fromkeys(wish.pictures)]
    return zipped(house, found, "pictures.zip")


@router.get("/collections")
def list_collections(house: Inside, caller: Asker) -> CollectionList:
    """The caller's collections by name."""
    return CollectionList(data=[_collection(one) for one in house.album.collections(caller.owner)])


@router.post("/collections", status_code=201)
def new_collection(wish: CollectionName, house: Inside, caller: Asker) -> CollectionAnswer:
    """Make an empty collection."""
    return _collection(house.album.new_collection(caller.owner, wish.name.strip()))


@router.patch("/collections/{collection_id}")
def rename_collection(
    collection_id: str, wish: CollectionName, house: Inside, caller: Asker
) -> CollectionAnswer:
    """Give a collection another name."""
    name = wish.name.strip()
    return _collection(house.album.rename_collection(caller.owner, collection_id, name))


@router.delete("/collections/{collection_id}", status_code=204)
def delete_collection(collection_id: str, house: Inside, caller: Asker) -> None:
    """Forget a collection; its pictures stay."""
    house.album.delete_collection(caller.owner, collection_id)


@router.put("/collections/{collection_id}/pictures/{picture_id}")
def put(collection_id: str, picture_id: str, house: Inside, caller: Asker) -> CollectionAnswer:
    """Put a picture into a collection."""
    return _collection(house.album.put(caller.owner, collection_id, picture_id, is_in=True))


@router.delete("/collections/{collection_id}/pictures/{picture_id}")
def take(collection_id: str, picture_id: str, house: Inside, caller: Asker) -> CollectionAnswer:
    """Take a picture out of a collection."""
    return _collection(house.album.put(caller.owner, collection_id, picture_id, is_in=False))


def zipped(house: House, pictures: list[Kept], name: str) -> StreamingResponse:
    """The pictures' files as a zip file, stored: they are compressed already."""
    packed = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # closed by `pieces`
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for one in pictures:
            archive.write(house.settings.data_dir / one.path, f"{one.id}-{one.seed}.{one.format}")
    size = packed.tell()
    packed.seek(0)

    def pieces() -> Iterator[bytes]:
        with packed:
            while piece := packed.read(PIECE):
                yield piece

    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    return StreamingResponse(pieces(), media_type="application/zip", headers=headers)


def _answer(one: Kept) -> PictureAnswer:
    facts = {name: getattr(one, name) for name in PictureAnswer.model_fields if name != "url"}
    return PictureAnswer(url=f"/api/pictures/{one.id}/file", **facts)


def _collection(one: Folder) -> CollectionAnswer:
    return CollectionAnswer(
        id=one.id, name=one.name, created_at=one.created_at, pictures=list(one.pictures)
    )
