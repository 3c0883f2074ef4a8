"""Sealing what is kept: documents of reviews and clinicians' comments are readable with the data keys only.

Fernet (AES-128-CBC with HMAC-SHA256) from `cryptography`. Several keys can be given, the newest first: it seals, and all
of them open, so a key is changed without a stop (see docs/operations.md).
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Engine

from cds_service.errors import ConfigurationError, StoreError
from cds_service.store.engine import sqlite_file

_LARGEST = 64_000_000  # bytes of one document once opened
_OPENS_WITH = "Give the keys it was sealed with in 'data_keys', the newest first."


class Cipher:
    """Seals and opens JSON values. Immutable."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Take Fernet keys, the newest first.

        Raises:
            ConfigurationError: none is given, or one is no Fernet key. The message never holds a key.
        """
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise ConfigurationError("The setting 'data_keys' holds no Fernet key.", "Make one with `marginalia store new-key`.", field="data_keys") from error

    def seal(self, value: object) -> str:
        """Return a value as a sealed text."""
        return self._fernet.encrypt(zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())).decode()

    def unseal(self, sealed: str) -> Any:
        """Return the value of a sealed text.

        Raises:
            StoreError: it was sealed with another key, or was changed.
        """
        try:
            packed = self._fernet.decrypt(sealed.encode())
        except InvalidToken as error:
            raise StoreError("A kept review can't be opened: the data keys don't fit, or it was changed.", _OPENS_WITH) from error
        return json.loads(zlib.decompressobj().decompress(packed, _LARGEST))

    def renew(self, sealed: str) -> str:
        """Return a sealed text sealed anew, with the newest key."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken as error:
            raise StoreError("A kept review can't be opened: the data keys don't fit, or it was changed.", _OPENS_WITH) from error


def new_key() -> str:
    """Return a new data key."""
    return Fernet.generate_key().decode()


def cipher_for(engine: Engine, keys: Iterable[str] = ()) -> Cipher:
    """Return the cipher of a database: with `keys`, else with the key file beside an SQLite file, which is made where there is none.

    Raises:
        ConfigurationError: there is no key and no place for one, or the key file can't be read.
    """
    given = [key for key in keys if key]
    if given:
        return Cipher(given)
    file = sqlite_file(engine)
    if file is not None:
        return Cipher(secret_beside(file, ".keys", new_key).split())
    if engine.dialect.name == "sqlite":
        return Cipher([new_key()])  # a database in memory ends with its key
    raise ConfigurationError(
        "A database on a server needs 'data_keys'.", "Make a key with `marginalia store new-key` and set MARGINALIA_DATA_KEYS.", field="data_keys"
    )


def secret_beside(database: Path, suffix: str, make: Any) -> str:
    """Return the secret kept in a file beside the database; the first process that asks makes it.

    Raises:
        ConfigurationError: the file can't be read or made.
    """
    path = database.with_name(database.name + suffix)
    try:
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, f"{make()}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            try:
                os.link(draft, path)  # fails where another process was first: its secret counts
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The key file {path.name} beside the database can't be read or made ({type(error).__name__}).", "Make its folder writable, or set the key itself."
        ) from error
