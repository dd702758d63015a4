"""An owner's pictures: history with search, favourites, collections, deletion.

A picture that is another's is not there, as everywhere. Pages go on by the number of the last
picture seen, so that new pictures do not shift them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nonette.server.database import Database
from nonette.server.errors import ApiError, not_found
from nonette.server.tables import Collection, CollectionPicture, Job, PictureRow

MOST_COLLECTIONS = 500  # of one owner


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A picture as its owner sees it."""

    number: int
    id: str
    job_id: str
    task: str
    prompt: str
    model: str
    seed: int
    score: float | None
    width: int
    height: int
    format: str
    path: str
    created_at: float
    is_favourite: bool
    title: str
    tells_prompt: bool
    maker: str
    published_at: float | None
    is_hidden: bool


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A collection and the ids of its pictures."""

    id: str
    name: str
    created_at: float
    pictures: Sequence[str]


class Album:
    """What owners keep. Every method takes whose it is."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def history(
        self,
        owner: str,
        *,
        search: str = "",
        favourites: bool = False,
        collection: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Kept]:
        """The owner's pictures, newest first.

        Args:
            owner: Whose.
            search: Words that the prompt must hold, all of them, in any case.
            favourites: Only those marked so.
            collection: Only those of this collection.
            before: Only those with a smaller number, to go on.
            limit: How many at most.
        """
        query = _of(owner).order_by(PictureRow.number.desc()).limit(limit)
        prompt = Job.request["prompt"].as_string()
        for word in search.split():
            query = query.where(prompt.icontains(word, autoescape=True))
        if favourites:
            query = query.where(PictureRow.is_favourite)
        if collection is not None:
            inside = select(CollectionPicture.picture_id).where(
                CollectionPicture.collection_id == collection
            )
            query = query.where(PictureRow.id.in_(inside))
        if before is not None:
            query = query.where(PictureRow.number < before)
        with self.database.read() as session:
            return [kept(row, job) for row, job in session.execute(query)]

    def picture(self, owner: str, picture_id: str) -> Kept:
        """One of the owner's pictures.

        Raises:
            ApiError: 404.
        """
        with self.database.read() as session:
            found = session.execute(_of(owner).where(PictureRow.id == picture_id)).first()
        if found is None:
            raise not_found("picture", picture_id)
        return kept(*found)

    def change(
        self,
        owner: str,
        picture_id: str,
        *,
        is_favourite: bool | None = None,
        title: str | None = None,
        tells_prompt: bool | None = None,
        maker: str | None = None,
        is_published: bool | None = None,
    ) -> Kept:
        """Mark, name, publish or take back a picture; None leaves it as it is.

        Args:
            owner: Whose it is.
            picture_id: Which.
            is_favourite: Whether it is marked.
            title: What the gallery calls it.
            tells_prompt: Whether the gallery tells its prompt.
            maker: Who the gallery says made it.
            is_published: Whether the gallery shows it.

        Raises:
            ApiError: 404; 403 for publishing what an operator has taken down.
        """
        with self.database.write() as session:
            row = find(session, owner, picture_id)
            plain = {
                "is_favourite": is_favourite,
                "title": title,
                "tells_prompt": tells_prompt,
                "maker": maker,
            }
            for name, value in plain.items():
                if value is not None:
                    setattr(row, name, value)
            if is_published and row.is_hidden:
                message = "An operator has taken this picture down; it cannot be published."
                raise ApiError(403, message, code="picture_taken_down")
            if is_published is not None:
                row.published_at = (row.published_at or time.time()) if is_published else None
        return self.picture(owner, picture_id)

    def delete(self, owner: str, picture_id: str) -> Path:
        """Forget a picture, and give the path of its file, relative to the data folder.

        Raises:
            ApiError: 404.
        """
        with self.database.write() as session:
            row = find(session, owner, picture_id)
            session.delete(row)
            return Path(row.path)

    def collections(self, owner: str) -> list[Folder]:
        """The owner's collections by name, each with its pictures."""
        query = select(Collection).where(Collection.owner == owner).order_by(Collection.name)
        with self.database.read() as session:
            return [_folder(session, row) for row in session.scalars(query)]

    def new_collection(self, owner: str, name: str) -> Folder:
        """Make an empty collection.

        Raises:
            ApiError: 409 where the owner has one of this name, or too many.
        """
        try:
            with self.database.write() as session:
                query = select(Collection.id).where(Collection.owner == owner)
                if len(session.scalars(query).all()) >= MOST_COLLECTIONS:
                    message = f"You have {MOST_COLLECTIONS} collections, which is all there may be."
                    raise ApiError(409, message, code="too_many_collections")
                row = Collection(
                    id=f"col_{secrets.token_hex(8)}",
                    owner=owner,
                    name=name,
                    created_at=time.time(),
                )
                session.add(row)
        except IntegrityError as error:
            raise _name_taken() from error
        return Folder(id=row.id, name=row.name, created_at=row.created_at, pictures=())

    def rename_collection(self, owner: str, collection_id: str, name: str) -> Folder:
        """Give a collection another name.

        Raises:
            ApiError: 404; 409 where the owner has another of this name.
        """
        try:
            with self.database.write() as session:
                row = _collection(session, owner, collection_id)
                row.name = name
                session.flush()
                return _folder(session, row)
        except IntegrityError as error:
            raise _name_taken() from error

    def delete_collection(self, owner: str, collection_id: str) -> None:
        """Forget a collection; its pictures stay.

        Raises:
            ApiError: 404.
        """
        with self.database.write() as session:
            session.delete(_collection(session, owner, collection_id))

    def put(self, owner: str, collection_id: str, picture_id: str, *, is_in: bool) -> Folder:
        """Put a picture into a collection, or take it out.

        Raises:
            ApiError: 404 where either is not the owner's.
        """
        with self.database.write() as session:
            row = _collection(session, owner, collection_id)
            find(session, owner, picture_id)
            key = {"collection_id": collection_id, "picture_id": picture_id}
            if is_in:
                session.merge(CollectionPicture(**key))
            else:
                session.execute(delete(CollectionPicture).filter_by(**key))
            session.flush()
            return _folder(session, row)


def find(session: Session, owner: str, picture_id: str) -> PictureRow:
    """The row of one of the owner's pictures.

    Raises:
        ApiError: 404.
    """
    is_it = (PictureRow.id == picture_id) & (PictureRow.owner == owner)
    row = session.scalar(select(PictureRow).where(is_it))
    if row is None:
        raise not_found("picture", picture_id)
    return row


def kept(row: PictureRow, job: Job) -> Kept:
    """A picture of a job as its owner sees it."""
    return Kept(
        number=row.number,
        id=row.id,
        job_id=row.job_id,
        task=job.request["task"],
        prompt=job.request["prompt"],
        model=job.model,
        seed=row.seed,
        score=row.score,
        width=row.width,
        height=row.height,
        format=row.format,
        path=row.path,
        created_at=row.created_at,
        is_favourite=row.is_favourite,
        title=row.title,
        tells_prompt=row.tells_prompt,
        maker=row.maker,
        published_at=row.published_at,
        is_hidden=row.is_hidden,
    )


def _of(owner: str) -> Select[PictureRow, Job]:
    return (
        select(PictureRow, Job)
        .join(Job, Job.id == PictureRow.job_id)
        .where(PictureRow.owner == owner)
    )


def _collection(session: Session, owner: str, collection_id: str) -> Collection:
    row = session.get(Collection, collection_id)
    if row is None or row.owner != owner:
        raise not_found("collection", collection_id)
    return row


def _name_taken() -> ApiError:
    return ApiError(409, "You have a collection of that name.", code="name_taken", param="name")


def _folder(session: Session, row: Collection) -> Folder:
    query = (
        select(CollectionPicture.picture_id)
        .join(PictureRow, PictureRow.id == CollectionPicture.picture_id)
        .where(CollectionPicture.collection_id == row.id)
        .order_by(PictureRow.number.desc())
    )
    pictures = tuple(session.scalars(query))
    return Folder(id=row.id, name=row.name, created_at=row.created_at, pictures=pictures)
