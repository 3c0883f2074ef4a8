"""The database of the app: sessions and decisions, beside the service's own tables."""

from __future__ import annotations

from contextlib import closing
from sqlite3 import Connection

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import StaticPool

from smart_app.errors import ConfigurationError


class Base(DeclarativeBase):
    """Base of the app's tables. No column holds note text, and no token in clear."""


def open_database(url: str) -> Engine:
    """Return an engine on `url` with the app's tables made; raises ConfigurationError."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            engine = create_engine(parsed, pool_pre_ping=True)
        elif parsed.database in (None, "", ":memory:"):
            # One connection for all threads: another one would see another, empty database.
            engine = create_engine(parsed, connect_args={"check_same_thread": False}, poolclass=StaticPool)
        else:
            engine = create_engine(parsed)
            event.listen(engine, "connect", _prepare_sqlite)
        Base.metadata.create_all(engine)
    except (ArgumentError, SQLAlchemyError) as error:
        raise ConfigurationError(
            "smart.database", f"The database of the SMART app can't be opened ({type(error).__name__}).", "Check the setting 'database_url'."
        ) from error
    return engine


def _prepare_sqlite(connection: Connection, _record: object) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for the writer
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=5000")
