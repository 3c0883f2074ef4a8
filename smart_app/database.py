"""The database of the app: sessions and decisions, beside the service's own tables."""

from __future__ import annotations

from sqlalchemy import Engine

from cds_service.errors import ConfigurationError as ServiceConfigurationError
from cds_service.store import Base, Cipher, open_engine, upgrade
from smart_app.errors import ConfigurationError

__all__ = ["Base", "open_database"]


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
