"""What others may see: the gallery, share links, and what people say against a picture.

A published picture shows its title, model and seed, its prompt and its maker where the owner says
so, and never its owner. A share tells no prompt. What an operator takes down leaves the gallery and
every share at once and cannot come back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, select

from nonette.server.database import Database
from nonette.server.errors import not_found
from nonette.server.tables import DONE, Job, PictureRow, Report, Share

KEEP, REMOVE = "keep", "remove"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture as others see it.

    Attributes:
        prompt: None where it is not told.
        maker: Who made it, as they would have it; "" where they do not say.
    """

    number: int
    id: str
    title: str
    model: str
    seed: int
    width: int
    height: int
    format: str
    path: str
    published_at: float | None
    prompt: str | None = None
    maker: str = ""


class Gallery:
    """The pictures that owners show to others."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def published(self, *, before: float | None = None, limit: int = 50) -> list[Shown]:
        """The gallery, newest first; `before` is the `published_at` to go on at."""
        query = (
            select(PictureRow, Job)
            .join(Job, Job.id == PictureRow.job_id)
            .where(PictureRow.published_at.is_not(None), ~PictureRow.is_hidden)
            .order_by(PictureRow.published_at.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(PictureRow.published_at < before)
        with self.database.read() as session:
            return [_published(row, job) for row, job in session.execute(query)]

    def one(self, picture_id: str) -> Shown:
        """A published picture.

        Raises:
            ApiError: 404.
        """
        query = (
            select(PictureRow, Job)
            .join(Job, Job.id == PictureRow.job_id)
            .where(PictureRow.id == picture_id, PictureRow.published_at.is_not(None))
        )
        with self.database.read() as session:
            found = session.execute(query.where(~PictureRow.is_hidden)).first()
        if found is None:
            raise not_found("picture", picture_id)
        return _published(*found)

    def share(self, owner: str, job_id: str, days: float | None) -> Share:
        """Make a link by which anybody may see the pictures of a job of the owner.

        Args:
            owner: Whose job it is.
            job_id: Which.
            days: How long; None is until it is taken back.

        Raises:
            ApiError: 404 where the owner has no such job that is done.
        """
        now = time.time()
        with self.database.write() as session:
            is_it = (Job.id == job_id) & (Job.owner == owner) & (Job.state == DONE)
            if session.scalar(select(Job.id).where(is_it)) is None:
                raise not_found("job", job_id)
            share = Share(
                token=secrets.token_urlsafe(18),
                owner=owner,
                job_id=job_id,
                created_at=now,
                expires_at=None if days is None else now + days * 86_400,
            )
            session.add(share)
        return share

    def shares(self, owner: str) -> list[Share]:
        """The owner's links, oldest first."""
        query = select(Share).where(Share.owner == owner).order_by(Share.created_at)
        with self.database.read() as session:
            return list(session.scalars(query))

    def take_back(self, owner: str, token: str) -> None:
        """End a link.

        Raises:
            ApiError: 404.
        """
        with self.database.write() as session:
            share = session.get(Share, token)
            if share is None or share.owner != owner:
                raise not_found("share", token)
            session.delete(share)

    def shared(self, token: str) -> list[Shown]:
        """The pictures that a link shows, best first.

        Raises:
            ApiError: 404 where there is no such link any more.
        """
        with self.database.read() as session:
            share = session.get(Share, token)
            is_over = share is not None and (share.expires_at or time.time() + 1) < time.time()
            if share is None or is_over:
                raise not_found("share", token)
            query = (
                select(PictureRow, Job.model)
                .join(Job, Job.id == PictureRow.job_id)
                .where(PictureRow.job_id == share.job_id, ~PictureRow.is_hidden)
                .order_by(PictureRow.place)
            )
            return [_shown(row, model) for row, model in session.execute(query)]

    def report(self, picture_id: str, category: str, message: str, contact: str) -> int:
        """Take down what somebody says against a published picture, and number it.

        Raises:
            ApiError: 404 where it is not published.
        """
        self.one(picture_id)
        report = Report(
            picture_id=picture_id,
            category=category,
            message=message,
            contact=contact,
            created_at=time.time(),
            decision=None,
            note="",
            decided_by=None,
            decided_at=None,
        )
        with self.database.write() as session:
            session.add(report)
        return report.number

    def reports(self, *, is_open: bool) -> Sequence[Report]:
        """Reports, oldest first: those to decide, or those decided."""
        is_due = Report.decision.is_(None) if is_open else Report.decision.is_not(None)
        with self.database.read() as session:
            return list(session.scalars(select(Report).where(is_due).order_by(Report.number)))

    def decide(self, number: int, decision: str, note: str, operator: str) -> Report:
        """Keep or remove the picture of a report; all open reports of it are decided alike.

        Raises:
            ApiError: 404.
        """
        with self.database.write() as session:
            report = session.get(Report, number)
            if report is None:
                raise not_found("report", str(number))
            same = (Report.picture_id == report.picture_id) & Report.decision.is_(None)
            for one in [report, *session.scalars(select(Report).where(same))]:
                one.decision, one.note = decision, note
                one.decided_by, one.decided_at = operator, time.time()
            is_it = PictureRow.id == report.picture_id
            row = session.scalar(select(PictureRow).where(is_it))
            if row is not None and decision == REMOVE:
                row.is_hidden, row.published_at = True, None
                session.execute(delete(Share).where(Share.job_id == row.job_id))
            return report


def _published(row: PictureRow, job: Job) -> Shown:
    prompt = job.request["prompt"] if row.tells_prompt else None
    return replace(_shown(row, job.model), prompt=prompt, maker=row.maker)


def _shown(row: PictureRow, model: str) -> Shown:
    return Shown(
        number=row.number,
        id=row.id,
        title=row.title,
        model=model,
        seed=row.seed,
        width=row.width,
        height=row.height,
        format=row.format,
        path=row.path,
        published_at=row.published_at,
    )
