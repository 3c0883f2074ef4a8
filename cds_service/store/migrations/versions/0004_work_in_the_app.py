"""The work of the app: order and indicators, the outbox, queries, what decisions stand on, assignments."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAMES = ("smart_arrangement", "smart_outbox", "smart_query", "smart_ground", "smart_assignment")


def _place() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(128), nullable=False),
        sa.Column("encounter", sa.String(128), nullable=False),
    ]


def _actor() -> list[sa.Column[Any]]:
    return [
        sa.Column("user", sa.String(300), nullable=False),
        sa.Column("name", sa.String(100)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
    ]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "smart_arrangement",
        _id(),
        *_place(),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.Column("poa", sa.JSON(), nullable=False),
        *_actor(),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.UniqueConstraint("tenant", "patient", "encounter", "follows", name="smart_arrangement_one_after_another"),
    )
    op.create_table(
        "smart_outbox",
        _id(),
        *_place(),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(300)),
        sa.Column("location", sa.String(200)),
        sa.Column("etag", sa.String(100)),
        sa.Column("after", sa.Integer()),
        *_actor(),
        sa.Column("claimed", sa.DateTime()),
        sa.Column("settled", sa.DateTime()),
        sa.UniqueConstraint("tenant", "identity", "act", name="smart_outbox_once"),
    )
    op.create_index("smart_outbox_of_encounter", "smart_outbox", ["tenant", "patient", "encounter", "id"])
    op.create_table(
        "smart_query",
        _id(),
        *_place(),
        sa.Column("query", sa.String(128), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("words", sa.Text()),
        sa.Column("recipient", sa.String(200)),
        *_actor(),
        sa.Column("review_id", sa.String(64), nullable=False),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.UniqueConstraint("tenant", "patient", "encounter", "query", "follows", name="smart_query_one_after_another"),
    )
    op.create_table(
        "smart_ground",
        sa.Column("decision", sa.Integer(), primary_key=True, autoincrement=False),
        *_place(),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("release", sa.String(32), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("basis", sa.String(160)),
        sa.Column("at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "smart_assignment",
        _id(),
        *_place(),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("assignee", sa.String(300), nullable=False),
        sa.Column("assignee_name", sa.String(100), nullable=False),
        *_actor(),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.UniqueConstraint("tenant", "patient", "encounter", "follows", name="smart_assignment_one_after_another"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_NAMES):
        op.drop_table(name)
