"""Second readings: who reads an encounter again, and what they decide, apart from what stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "smart_second_decision",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("review_id", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(128), nullable=False),
        sa.Column("encounter", sa.String(128), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("after", sa.String(32)),
        sa.Column("reason", sa.String(32)),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("code_set", sa.String(64), nullable=False),
        sa.Column("user", sa.String(300), nullable=False),
        sa.Column("name", sa.String(100)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("takes_back", sa.Integer()),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.UniqueConstraint("tenant", "patient", "encounter", "code", "follows", name="smart_second_decision_one_after_another"),
        sa.Index("smart_second_decision_of_encounter", "tenant", "patient", "encounter", "id"),
    )
    op.create_table(
        "smart_second_assignment",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(128), nullable=False),
        sa.Column("encounter", sa.String(128), nullable=False),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("assignee", sa.String(300), nullable=False),
        sa.Column("assignee_name", sa.String(100), nullable=False),
        sa.Column("user", sa.String(300), nullable=False),
        sa.Column("name", sa.String(100)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.UniqueConstraint("tenant", "patient", "encounter", "follows", name="smart_second_assignment_one_after_another"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("smart_second_assignment")
    op.drop_table("smart_second_decision")
