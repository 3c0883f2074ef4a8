"""Who may call: tokens that were used, keys and access tokens of the API, as hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables of access."""
    op.create_table(
        "used_token",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.Index("ix_used_token_expires", "expires"),
    )
    op.create_table(
        "api_key",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(16), nullable=False, unique=True),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("expires", sa.DateTime()),
        sa.Column("revoked", sa.DateTime()),
    )
    op.create_table(
        "access_token",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(200), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.Index("ix_access_token_expires", "expires"),
    )


def downgrade() -> None:
    """Drop the tables of access. API keys must then be made anew."""
    for table in ("access_token", "api_key", "used_token"):
        op.drop_table(table)
