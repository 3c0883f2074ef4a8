"""Deleting: what is older than a tenant keeps, and everything of one patient. Found by the tables' own columns, so that no table is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, delete, func, or_, select, text
from sqlalchemy.engine import CursorResult

from cds_service.store.schema import CardRow, FeedbackRow, ReviewRow, every_table

EVERY_OTHER = "default"  # the tenant's name in the setting that stands for all that aren't named
Deleted = dict[str, dict[str, int]]  # tenant -> table -> rows


def retain(connection: Connection, days: Mapping[str, int], *, now: datetime, dry: bool = False) -> Deleted:
    """Delete what is older than each tenant keeps, and return what was deleted.

    Args:
        connection: in a transaction that writes.
        days: tenant -> days; "default" for the others. 0 or absent: nothing is deleted.
        now: UTC, without a zone.
        dry: only count.
    """
    deleted: Deleted = {}
    for table in every_table().sorted_tables[::-1]:
        column = table.info.get("kept_from")
        if column is None:
            continue
        for tenant in connection.scalars(select(table.c.tenant).distinct()).all():
            kept = days.get(tenant, days.get(EVERY_OTHER, 0))
            if kept:
                old = (table.c.tenant == tenant) & (table.c[column] < now - timedelta(days=kept))
                count = _count(connection, table, old) if dry else _delete(connection, table, old)
                if count:
                    deleted.setdefault(tenant, {})[table.name] = count
    return deleted


def erase(connection: Connection, patient: str, *, tenant: str) -> dict[str, int]:
    """Delete all that is kept of one patient of a tenant, and return the number of rows for each table. The audit stays: law asks for it."""
    bare = patient.rsplit("/", 1)[-1]
    deleted: dict[str, int] = {}
    reviews = select(ReviewRow.id).where(ReviewRow.tenant == tenant, ReviewRow.patient == bare)
    cards = select(CardRow.uuid).where(CardRow.review_id.in_(reviews))
    count = _delete(connection, _table(FeedbackRow), (FeedbackRow.tenant == tenant) & FeedbackRow.card.in_(cards))
    deleted[FeedbackRow.__tablename__] = count
    deleted[CardRow.__tablename__] = _delete(connection, _table(CardRow), CardRow.review_id.in_(reviews))
    for table in every_table().sorted_tables[::-1]:
        if {"tenant", "patient"} <= set(table.c.keys()):
            of_patient = or_(table.c.patient == bare, table.c.patient.like(f"%/{_escaped(bare)}", escape="\\"))
            deleted[table.name] = _delete(connection, table, (table.c.tenant == tenant) & of_patient)
    return {name: number for name, number in deleted.items() if number}


def tidy(connection: Connection) -> None:
    """Have SQLite bring the write-ahead log home and empty it, so that what was deleted is in no file. Not within a transaction."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _table(row: type[FeedbackRow] | type[CardRow]) -> Table:
    return every_table().tables[row.__tablename__]


def _count(connection: Connection, table: Table, condition: object) -> int:
    return int(connection.scalar(select(func.count()).select_from(table).where(condition)) or 0)  # type: ignore[arg-type]


def _delete(connection: Connection, table: Table, condition: object) -> int:
    result = connection.execute(delete(table).where(condition))  # type: ignore[arg-type]
    return result.rowcount if isinstance(result, CursorResult) else 0


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
