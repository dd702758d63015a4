"""Who waits for which job, how large its pictures are, cases of revoked keys; faster counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables, columns and indexes."""
    op.create_table(
        "desks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_desks"),
    )
    op.create_table(
        "waiters",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_waiters"),
    )
    op.create_index("ix_waiters_job_id", "waiters", ["job_id"], unique=False)
    op.create_index("ix_waiters_desk", "waiters", ["desk"], unique=False)
    op.add_column(
        "jobs", sa.Column("pixels", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("api_keys", sa.Column("case_id", sa.String(), nullable=True))
    op.drop_index("ix_jobs_state_turn_number", "jobs")
    columns = ["state", "turn", "number", "model", "cost"]
    op.create_index("ix_jobs_state_turn_number_model_cost", "jobs", columns, unique=False)
    op.create_index("ix_jobs_lane_state", "jobs", ["lane", "state"], unique=False)
