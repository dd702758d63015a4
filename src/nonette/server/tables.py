"""What the database holds. Times are Unix seconds; `lease_until` and `seen` are of its own clock.

`migrations/versions` makes these tables; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, CANCELLED, REFUSED = "done", "failed", "cancelled", "refused"
STATES = (WAITING, RUNNING, DONE, FAILED, CANCELLED, REFUSED)
ENDED = (DONE, FAILED, CANCELLED, REFUSED)

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only as INTEGER


class Base(DeclarativeBase):
    """All tables, with constraints named so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True), list[str]: JSON}  # noqa: RUF012


class QueueState(Base):
    """One row that every change of a job locks first, so that changes are in one order.

    Attributes:
        changes: How many there were; a job's `version` is the number of its last one.
        turn: The largest `turn` that has been begun: where newcomers join the round.
    """

    __tablename__ = "queue_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    changes: Mapped[int] = mapped_column(Number)
    turn: Mapped[float]


class Job(Base):
    """One wish for pictures, from its acceptance to its one end.

    Attributes:
        number: The order of arrival, whatever clocks say.
        owner: Whose it is: `account:…`, `guest:…`, `address:…` or `local`.
        lane: Who takes turns: the account, or the address where there is none.
        kind: Which door it came through, such as `jobs` or `images.generations`.
        request: The fields of `core.types.Request` that are JSON.
        inputs: Uploads by field of the request, such as `{"source": "upl_…"}`.
        output: How pictures become files: `format`, `with_prompt`, `previews`.
        batch_key: Jobs of one key may be drawn in one call.
        cost: Candidates to draw.
        num_pictures: Pictures asked for, which is what quotas count.
        pixels: Of all its pictures, as large as they are asked for; 0 while nobody knows.
        turn: Its place in the round; the lowest is next, the oldest among equals.
        turn_end: Where the next job of its lane may join.
        lease: Raised at every claim and cancel; a worker that knows an older one is too late.
        reason: Why it did not end as done: `code` and `message`.
        version: The number of its last change.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index(None, "state", "turn", "number", "model", "cost"),  # counts are read from it alone
        Index(None, "lane", "turn_end"),
        Index(None, "lane", "state"),
        Index(None, "owner", "number"),
        Index(None, "version"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    owner: Mapped[str]
    lane: Mapped[str]
    kind: Mapped[str]
    model: Mapped[str]
    request: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    output: Mapped[dict[str, Any]]
    batch_key: Mapped[str]
    cost: Mapped[float]
    num_pictures: Mapped[int]
    pixels: Mapped[int] = mapped_column(BigInteger)
    turn: Mapped[float]
    turn_end: Mapped[float]
    state: Mapped[str]
    reason: Mapped[dict[str, Any] | None]
    attempts: Mapped[int]
    lease: Mapped[int]
    lease_until: Mapped[float | None]
    worker: Mapped[str | None]
    done_steps: Mapped[int]
    total_steps: Mapped[int]
    phase: Mapped[str]
    version: Mapped[int] = mapped_column(Number)
    request_id: Mapped[str]
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str]
    unknown_words: Mapped[list[str]]
    seconds: Mapped[float | None]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class Preview(Base):
    """What a running job looks like so far: one JPEG of all its pictures, replaced as it grows."""

    __tablename__ = "previews"

    job_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Number)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PictureRow(Base):
    """One picture that a job became; its file lies in the data folder under `path`.

    Attributes:
        place: 0 is the best match.
        path: Relative to the data folder.
        title: What its owner calls it in the gallery.
        tells_prompt: Whether the gallery tells the prompt, too.
        maker: Who the gallery says made it; "" for nobody.
        published_at: Since when it is in the gallery, or None.
        is_hidden: Taken down by an operator; it cannot be published or shared again.
    """

    __tablename__ = "pictures"
    __table_args__ = (
        UniqueConstraint("job_id", "place"),
        Index(None, "owner", "created_at"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    job_id: Mapped[str]
    owner: Mapped[str]
    place: Mapped[int]
    path: Mapped[str]
    format: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    num_bytes: Mapped[int]
    sha256: Mapped[str]
    seed: Mapped[int] = mapped_column(Number)
    score: Mapped[float | None]
    created_at: Mapped[float]
    is_favourite: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(default="")
    tells_prompt: Mapped[bool] = mapped_column(default=False)
    maker: Mapped[str] = mapped_column(default="")
    published_at: Mapped[float | None] = mapped_column(index=True)
    is_hidden: Mapped[bool] = mapped_column(default=False)


class Collection(Base):
    """Pictures that an owner put together under a name."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[float]


class CollectionPicture(Base):
    """That a picture is in a collection."""

    __tablename__ = "collection_pictures"

    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    picture_id: Mapped[str] = mapped_column(
        ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Share(Base):
    """A link by which anybody may see a job's pictures, until it ends or is taken back."""

    __tablename__ = "shares"

    token: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    job_id: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float | None]


class Report(Base):
    """What somebody says against a published picture.

    Attributes:
        contact: Where to answer, if they want one.
        decision: `keep` or `remove` once an operator has decided, with a `note`.
    """

    __tablename__ = "reports"
    __table_args__ = (
        Index(None, "decision", "created_at"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    picture_id: Mapped[str] = mapped_column(index=True)
    category: Mapped[str]
    message: Mapped[str]
    contact: Mapped[str]
    created_at: Mapped[float]
    decision: Mapped[str | None]
    note: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[float | None]


class Desk(Base):
    """An API process at which callers wait for answers.

    Attributes:
        host: The machine it runs on, and `pid` its process there.
        seen: When it last reported, by the database's clock.
    """

    __tablename__ = "desks"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    seen: Mapped[float]


class Waiter(Base):
    """A caller who waits at a desk for a job's answer; whoever has no row here must not answer.

    Attributes:
        id: Of the HTTP request.
        desk: The process that holds its connection.
    """

    __tablename__ = "waiters"

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(index=True)
    desk: Mapped[str] = mapped_column(index=True)


class Worker(Base):
    """A worker process that has reported.

    Attributes:
        seen: When it last did, by the database's clock.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[float]
    seen: Mapped[float]


class Model(Base):
    """A model that some worker can draw with, and how fast it was.

    Attributes:
        capabilities: The fields of `core.types.Capabilities`.
        seconds_per_candidate: A moving average over batches; None before the first.
    """

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(primary_key=True)
    capabilities: Mapped[dict[str, Any]]
    seconds_per_candidate: Mapped[float | None]


class Account(Base):
    """Somebody who may use the server, or has asked to.

    Attributes:
        state: `waiting` for approval, `active`, or `suspended` with a `reason`.
        is_operator: Whether it may approve, suspend and see reports.
    """

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    about: Mapped[str]
    tier: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    is_operator: Mapped[bool]
    created_at: Mapped[float]


class ApiKey(Base):
    """A key of an account; the key itself is nowhere.

    Attributes:
        prefix: The part of the key that finds it and may be shown.
        hash: SHA-256 of the whole key, whose secret part has 256 random bits.
        case_id: What a revoked key's owner names when they ask why.
    """

    __tablename__ = "api_keys"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str]
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]
    case_id: Mapped[str | None]


class LoginSession(Base):
    """A browser in which an account is signed in; `hash` is of the cookie's token."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float] = mapped_column(index=True)


class Bucket(Base):
    """How many requests a lane has left this minute: a token bucket.

    Attributes:
        tokens: What was left at `filled`, by the database's clock.
    """

    __tablename__ = "buckets"

    lane: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    filled: Mapped[float]
