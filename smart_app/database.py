"""The database of the app: sessions and decisions, beside the service's own tables."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cds_service.errors import ConfigurationError as ServiceConfigurationError
from cds_service.store import Base, Cipher, open_engine, upgrade
from smart_app.errors import ConfigurationError

__all__ = ["Base", "add_next", "open_database"]


def open_database(url: str, cipher: Cipher | None = None) -> Engine:
    """Return an engine on `url`, its tables brought to this version; raises ConfigurationError.

    A new table or column needs a step in cds_service/store/migrations: `marginalia store draft "what it does"` writes one.
    """
    try:
        engine = open_engine(url)
        upgrade(engine, cipher)
    except ServiceConfigurationError as error:
        raise ConfigurationError("smart.database", f"The database of the SMART app can't be opened. {error.message}", error.remedy) from error
    return engine


def add_next(db: Session, row: object, conflict: Callable[[], Exception]) -> None:
    """Add and commit a row that follows the one its writer has seen; where another came first (a unique key), undo and raise `conflict()`."""
    db.add(row)
    try:
        db.commit()
    except IntegrityError as error:
        db.rollback()
        raise conflict() from error
