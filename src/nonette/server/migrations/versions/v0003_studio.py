"""What the studio keeps: favourites, collections, the gallery, shares, reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "collections",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("owner", "name", name="uq_collections_owner_name"),
    )
    op.create_table(
        "reports",
        sa.Column("number", Number, nullable=False),
        sa.Column("picture_id", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_reports"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_reports_decision_created_at", "reports", ["decision", "created_at"], unique=False
    )
    op.create_index("ix_reports_picture_id", "reports", ["picture_id"], unique=False)
    op.create_table(
        "shares",
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("token", name="pk_shares"),
    )
    op.create_index("ix_shares_job_id", "shares", ["job_id"], unique=False)
    op.create_index("ix_shares_owner", "shares", ["owner"], unique=False)
    op.create_table(
        "collection_pictures",
        sa.Column("collection_id", sa.String(), nullable=False),
        sa.Column("picture_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_collection_pictures_collection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["picture_id"],
            ["pictures.id"],
            name="fk_collection_pictures_picture_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "picture_id", name="pk_collection_pictures"),
    )
    op.create_index(
        "ix_collection_pictures_picture_id", "collection_pictures", ["picture_id"], unique=False
    )
    op.add_column(
        "pictures",
        sa.Column("is_favourite", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("pictures", sa.Column("title", sa.String(), nullable=False, server_default=""))
    op.add_column("pictures", sa.Column("published_at", sa.Double(), nullable=True))
    op.add_column(
        "pictures", sa.Column("is_hidden", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index("ix_pictures_published_at", "pictures", ["published_at"], unique=False)
