"""The audit: a chain of events that the database itself refuses to change, its end, and its signed checkpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEPT = ("audit_event", "audit_checkpoint")


def upgrade() -> None:
    """Make the tables and the triggers that keep them append-only."""
    op.create_table(
        "audit_event",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("about", sa.String(128)),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Index("audit_event_of_tenant", "tenant", "seq"),
        sa.Index("ix_audit_event_about", "about"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    op.create_table(
        "audit_checkpoint",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$")
        for table in _KEPT:
            op.execute(f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()")
    else:
        for table in _KEPT:
            for deed in ("UPDATE", "DELETE"):
                op.execute(f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END")


def downgrade() -> None:
    """Drop the audit. Export it first: `marginalia audit export`."""
    for table in ("audit_checkpoint", "audit_head", "audit_event"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refuses()")
