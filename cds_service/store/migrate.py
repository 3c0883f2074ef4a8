"""Bringing a database to the tables that this version knows, forward and back. The steps are in `migrations/versions`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from cds_service.errors import ConfigurationError
from cds_service.store.cipher import Cipher, cipher_for
from cds_service.store.engine import writing, wrong_database
from cds_service.store.schema import every_table

FOLDER = Path(__file__).with_name("migrations")
logging.getLogger("alembic.runtime.migration").addFilter(lambda record: not record.getMessage().startswith(("Context impl", "Will assume")))
_LOCK = 0x4D415247  # "MARG": names the advisory lock on PostgreSQL


def newest() -> str:
    """Return the name of the last step that this version knows."""
    return cast(str, ScriptDirectory(str(FOLDER)).get_current_head())


def current(engine: Engine) -> str | None:
    """Return the step that the database stands at; None before the first."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, cipher: Cipher | None = None, revision: str = "head") -> None:
    """Bring the database forward to a step. Several processes may do it at once: one works, the others find it done.

    Raises:
        ConfigurationError: the database can't be opened, or was made by a newer version.
    """
    try:
        known = {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}
        found = current(engine)
        if found is not None and found not in known:
            raise ConfigurationError(
                f"The database stands at step {found}, which this version doesn't know: a newer version has used it.",
                "Run that version, or restore a backup that was made before the upgrade.",
                field="database_url",
            )
        if found is not None and revision in ("head", found) and found == newest():
            return
        with writing(engine).begin() as connection:
            _hold(connection)
            command.upgrade(_config(connection, cipher or cipher_for(engine)), revision)
    except SQLAlchemyError as error:
        raise wrong_database(f"The database can't be opened ({type(error).__name__}).", "Check the setting and that its folder can be written.") from error


def downgrade(engine: Engine, revision: str, cipher: Cipher | None = None) -> None:
    """Take the database back to a step ("base": to nothing). Tables that come later are dropped with what they hold."""
    with writing(engine).begin() as connection:
        _hold(connection)
        command.downgrade(_config(connection, cipher or cipher_for(engine)), revision)


def draft(engine: Engine, words: str) -> Path:
    """Write a new step that takes the newest database to the tables as the program declares them, and return its file."""
    upgrade(engine)
    with writing(engine).begin() as connection:
        config = _config(connection, None)
        config.attributes["metadata"] = every_table()
        script = command.revision(config, message=words, autogenerate=True, rev_id=f"{int(newest()[:4]) + 1:04d}")
    return Path(script.path)  # type: ignore[union-attr]


def _config(connection: Connection, cipher: Cipher | None) -> Config:
    config = Config(attributes={"connection": connection, "cipher": cipher})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _hold(connection: Connection) -> None:
    """Keep other processes from migrating until the transaction ends; on SQLite the transaction does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 60000"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
