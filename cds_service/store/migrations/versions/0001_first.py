"""Reviews, cards, handles and feedback of the service; sessions and decisions of the app.

Databases older than the steps have some of these tables already: those are taken over as they are.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES: dict[str, tuple[Any, ...]] = {
    "review": (
        lambda: sa.Column("id", sa.String(64), primary_key=True),
        lambda: sa.Column("tenant", sa.String(64), nullable=False),
        lambda: sa.Column("patient", sa.String(64), nullable=False),
        lambda: sa.Column("encounter", sa.String(64)),
        lambda: sa.Column("created", sa.DateTime(), nullable=False),
        lambda: sa.Column("document", sa.JSON(), nullable=False),
        lambda: sa.Index("review_of_encounter", "tenant", "patient", "encounter", "created"),
    ),
    "card": (
        lambda: sa.Column("uuid", sa.String(36), primary_key=True),
        lambda: sa.Column("tenant", sa.String(64), nullable=False),
        lambda: sa.Column("service", sa.String(64), nullable=False),
        lambda: sa.Column("topic", sa.String(100), nullable=False),
        lambda: sa.Column("review_id", sa.String(64), sa.ForeignKey("review.id", ondelete="CASCADE"), nullable=False),
        lambda: sa.Column("suggestions", sa.JSON(), nullable=False),
        lambda: sa.Index("ix_card_review_id", "review_id"),
    ),
    "handle": (
        lambda: sa.Column("digest", sa.String(64), primary_key=True),
        lambda: sa.Column("tenant", sa.String(64), nullable=False),
        lambda: sa.Column("review_id", sa.String(64), sa.ForeignKey("review.id", ondelete="CASCADE"), nullable=False),
        lambda: sa.Column("patient", sa.String(64), nullable=False),
        lambda: sa.Column("user", sa.String(128), nullable=False),
        lambda: sa.Column("expires", sa.DateTime(), nullable=False),
        lambda: sa.Index("ix_handle_review_id", "review_id"),
    ),
    "feedback": (
        lambda: sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        lambda: sa.Column("tenant", sa.String(64), nullable=False),
        lambda: sa.Column("service", sa.String(64), nullable=False),
        lambda: sa.Column("card", sa.String(64), nullable=False),
        lambda: sa.Column("outcome", sa.String(16), nullable=False),
        lambda: sa.Column("accepted", sa.JSON(), nullable=False),
        lambda: sa.Column("reason_system", sa.String(256)),
        lambda: sa.Column("reason_code", sa.String(64)),
        lambda: sa.Column("comment", sa.Text()),
        lambda: sa.Column("outcome_timestamp", sa.DateTime(), nullable=False),
        lambda: sa.Column("received", sa.DateTime(), nullable=False),
        lambda: sa.Index("ix_feedback_card", "card"),
    ),
    "smart_session": (
        lambda: sa.Column("key", sa.String(64), primary_key=True),
        lambda: sa.Column("browser", sa.String(64), nullable=False),
        lambda: sa.Column("user", sa.String(64), nullable=False),
        lambda: sa.Column("expires", sa.Float(), nullable=False),
        lambda: sa.Column("ends", sa.Float(), nullable=False),
        lambda: sa.Column("sealed", sa.LargeBinary(), nullable=False),
        lambda: sa.Index("ix_smart_session_browser", "browser"),
        lambda: sa.Index("ix_smart_session_expires", "expires"),
    ),
    "smart_decision": (
        lambda: sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        lambda: sa.Column("tenant", sa.String(64), nullable=False),
        lambda: sa.Column("review_id", sa.String(64), nullable=False),
        lambda: sa.Column("patient", sa.String(128), nullable=False),
        lambda: sa.Column("encounter", sa.String(128), nullable=False),
        lambda: sa.Column("code", sa.String(32), nullable=False),
        lambda: sa.Column("system", sa.String(200), nullable=False),
        lambda: sa.Column("action", sa.String(16), nullable=False),
        lambda: sa.Column("after", sa.String(32)),
        lambda: sa.Column("reason", sa.String(32)),
        lambda: sa.Column("model", sa.String(200), nullable=False),
        lambda: sa.Column("code_set", sa.String(64), nullable=False),
        lambda: sa.Column("user", sa.String(300), nullable=False),
        lambda: sa.Column("name", sa.String(100)),
        lambda: sa.Column("role", sa.String(16), nullable=False),
        lambda: sa.Column("at", sa.DateTime(), nullable=False),
        lambda: sa.Column("takes_back", sa.Integer()),
        lambda: sa.Column("follows", sa.Integer(), nullable=False),
        lambda: sa.UniqueConstraint("tenant", "patient", "encounter", "code", "follows", name="smart_decision_one_after_another"),
        lambda: sa.Index("smart_decision_of_encounter", "tenant", "patient", "encounter", "id"),
    ),
}


def upgrade() -> None:
    """Make the tables that aren't there."""
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for name, parts in _TABLES.items():
        if name not in there:
            op.create_table(name, *(part() for part in parts))


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_TABLES):
        op.drop_table(name)
