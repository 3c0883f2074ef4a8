"""Opening the database: SQLite by default, PostgreSQL for several machines. The service and the app open it in the same way."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from cds_service.errors import ConfigurationError

LOCK_WAIT_MS = 5000  # how long a write waits for others before the caller is told
_CONNECT_S = 3  # how long a connection to PostgreSQL may take


def open_engine(url: str) -> Engine:
    """Return an engine on `url`; nothing is connected or made yet, but the folder of an SQLite file.

    Raises:
        ConfigurationError: the URL names no known kind of database, its driver is missing, or its folder can't be made.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        options = f"-c lock_timeout={LOCK_WAIT_MS} -c statement_timeout={12 * LOCK_WAIT_MS}"
        arguments: dict[str, Any] = {"connect_timeout": _CONNECT_S, "options": options} if parsed.get_backend_name() == "postgresql" else {}
        return create_engine(parsed, pool_pre_ping=True, pool_timeout=LOCK_WAIT_MS / 1000, max_overflow=20, connect_args=arguments)
    except ArgumentError as error:
        expected = "Expected e.g. sqlite:////var/lib/marginalia/marginalia.sqlite."
        raise wrong_database("The setting 'database_url' names no known kind of database.", expected) from error
    except ImportError as error:
        raise wrong_database(f"The driver of the database is missing ({error.name}).", "Install it: for PostgreSQL, the extra `postgres`.") from error


def writing(engine: Engine) -> Engine:
    """Return the engine for transactions that write: on SQLite they take the lock first, so that what they read can't be outdated when they write."""
    return engine.execution_options(marginalia_lock="IMMEDIATE")


def snapshot(engine: Engine) -> Engine:
    """Return the engine for transactions that read several times and must see one state."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(marginalia_lock="DEFERRED")
    return engine.execution_options(isolation_level="REPEATABLE READ")


def sqlite_file(engine: Engine) -> Path | None:
    """Return the file of an SQLite database; None for another database and for one in memory."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return None
    return Path(str(engine.url.database))


def wrong_database(message: str, remedy: str) -> ConfigurationError:
    """Return the error of a database setting."""
    return ConfigurationError(message, remedy, field="database_url")


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: another one would see another, empty database.
        engine = create_engine(url, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    else:
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "Set 'database_url' to a place that can be written."
            raise wrong_database(f"The folder of the database can't be made ({error.strerror}).", remedy) from error
        engine = create_engine(url, pool_size=16, max_overflow=48, pool_timeout=LOCK_WAIT_MS / 1000)
        event.listen(engine, "do_connect", _for_the_owner_only)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _for_the_owner_only(_dialect: object, _record: object, arguments: list[Any], _options: object) -> None:
    """Make a new database file before SQLite would, for its owner only; what SQLite writes beside it follows."""
    path = Path(str(arguments[0]))
    if not path.exists() and path.parent.is_dir():  # not where the name is an address with options of SQLite's own
        with suppress(OSError):  # SQLite tells it better
            path.touch(0o600)


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for the writer
        cursor.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a loss of power, not only of the process
        cursor.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    if lock := connection.get_execution_options().get("marginalia_lock"):
        connection.exec_driver_sql(f"BEGIN {lock}")
