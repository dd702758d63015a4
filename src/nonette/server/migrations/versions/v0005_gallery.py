"""What the gallery tells of a picture: its sentence and its maker, where the maker says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; what is published already goes on telling neither."""
    op.add_column(
        "pictures",
        sa.Column("tells_prompt", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("pictures", sa.Column("maker", sa.String(), nullable=False, server_default=""))
