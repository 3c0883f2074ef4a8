"""Backup into one file and restore out of it, the same for SQLite and PostgreSQL: what was kept on one can go on on the other.

The file is gzip of JSON lines: a head (format, step of the database), the rows of each table as they are (sealed stays
sealed), and a tail with the number of rows and a SHA-256 over all lines before it. The keys are not in it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, DateTime, Engine, LargeBinary, MetaData, Table, func, insert, inspect, select, text

from cds_service.errors import StoreError
from cds_service.store.cipher import Cipher
from cds_service.store.engine import snapshot, writing
from cds_service.store.migrate import current, upgrade

_FORMAT = 1
_BATCH = 500
_NOT_KEPT = frozenset({"alembic_version"})


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: the database's step, when it was made, rows for each table."""

    step: str
    made: str
    rows: dict[str, int]


def back_up(engine: Engine, path: Path) -> Backup:
    """Write all that is kept, as of one moment and while the service runs, to a new file with access for its owner only.

    Raises:
        StoreError: the file is there already or can't be written; a half-written one is removed.
    """
    draft = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise StoreError(f"{path} is there already.", "Give another name, or remove it.")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as file:
                made = _write(engine, file)
            raw.flush()
            os.fsync(raw.fileno())
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"The backup can't be written ({error.strerror}).", "Give a place with enough space that can be written.") from error
    finally:
        draft.unlink(missing_ok=True)
    return made


def look(path: Path) -> Backup:
    """Read a backup to its end and return what it holds.

    Raises:
        StoreError: it is no backup, or is damaged or cut off.
    """
    head, made = "", ""
    rows: dict[str, int] = {}
    for line in _lines(path):
        if "head" in line:
            head, made = str(line["head"]["step"]), str(line["head"]["made"])
        elif "row" in line:
            rows[line["table"]] = rows.get(line["table"], 0) + 1
    return Backup(head, made, rows)


def restore(engine: Engine, path: Path, cipher: Cipher) -> Backup:
    """Fill an empty database from a backup and bring it to this version. The whole file is checked before the first row is written.

    Raises:
        StoreError: the file is damaged, the keys don't open it, or the database isn't empty.
    """
    found = look(path)
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        tables = _tables(connection) if names else []
        if any(connection.scalar(select(func.count()).select_from(t)) for t in tables if t.name != "audit_head"):
            raise StoreError("The database isn't empty.", "Restore into a new database, then point 'database_url' at it.")
    _check_keys(path, cipher)
    if current(engine) is None:
        upgrade(engine, cipher, found.step)
    if current(engine) != found.step:
        raise StoreError(f"The database stands at another step than the backup ({found.step}).", "Restore into a new database: it is brought to this version.")
    with writing(engine).begin() as connection:
        known = {table.name: table for table in _tables(connection)}
        if "audit_head" in known:
            connection.execute(known["audit_head"].delete())
        waiting: list[dict[str, Any]] = []
        name = ""
        for line in _lines(path):
            if "row" not in line:
                continue
            if line["table"] != name or len(waiting) >= _BATCH:
                _put(connection, known.get(name), waiting)
                name, waiting = line["table"], []
            waiting.append(line["row"])
        _put(connection, known.get(name), waiting)
        _reset_numbers(connection, known.values())
    upgrade(engine, cipher)
    return found


def _write(engine: Engine, file: gzip.GzipFile) -> Backup:
    total = hashlib.sha256()
    counts: dict[str, int] = {}

    def put(value: dict[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        total.update(line)
        file.write(line)

    made = datetime.now(UTC).isoformat(timespec="seconds")
    with snapshot(engine).begin() as connection:
        tables = _tables(connection)  # the first reading: from here on one state is seen
        step = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
        put({"head": {"format": _FORMAT, "step": step, "made": made}})
        for table in tables:
            counts[table.name] = 0
            order = list(table.primary_key.columns)
            for row in connection.execution_options(yield_per=_BATCH).execute(select(table).order_by(*order)).mappings():
                put({"table": table.name, "row": {name: _told(value) for name, value in row.items()}})
                counts[table.name] += 1
    file.write(json.dumps({"tail": {"rows": sum(counts.values()), "sha256": total.hexdigest()}}).encode() + b"\n")
    return Backup(step, made, counts)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    total = hashlib.sha256()
    rows = 0
    tail: dict[str, Any] | None = None
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file):
                value = json.loads(line)
                if number == 0 and value.get("head", {}).get("format") != _FORMAT:
                    raise StoreError(f"{path.name} is no backup that this version reads.", "Give a file that `marginalia store backup` wrote.")
                if "tail" in value:
                    tail = value["tail"]
                    break
                total.update(line)
                rows += "row" in value
                yield value
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise StoreError(f"The backup {path.name} can't be read: it is damaged or no backup ({type(error).__name__}).", "Use another backup.") from error
    if tail is None or tail["rows"] != rows or tail["sha256"] != total.hexdigest():
        raise StoreError(f"The backup {path.name} is damaged or cut off.", "Use another backup.")


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [t for t in metadata.sorted_tables if t.name not in _NOT_KEPT]


def _check_keys(path: Path, cipher: Cipher) -> None:
    sealed = next((line["row"]["sealed"] for line in _lines(path) if line.get("table") == "review" and "sealed" in line.get("row", {})), None)
    if sealed is not None:
        cipher.unseal(sealed)


def _put(connection: Connection, table: Table | None, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    if table is None:
        raise StoreError("The backup holds a table that this version doesn't know.", "Restore with the version that made it.")
    connection.execute(insert(table), [{name: _back(table.c[name].type, value) for name, value in row.items()} for row in rows])


def _reset_numbers(connection: Connection, tables: Any) -> None:
    """Have PostgreSQL count on after the numbers that came with the rows."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key.columns:
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name})
            if sequence and (highest := connection.scalar(select(func.max(column)))):
                connection.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})


def _told(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def _back(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    return base64.b64decode(value["base64"]) if isinstance(kind, LargeBinary) else value
