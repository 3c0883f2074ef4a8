"""The key that signs checkpoints: Ed25519, from the setting `audit_key` or a file beside the SQLite database."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Engine

from cds_service.errors import ConfigurationError
from cds_service.store.cipher import secret_beside
from cds_service.store.engine import sqlite_file

_SEED = 32  # bytes


class AuditKey:
    """Signs statements. Its public half is told as base64."""

    def __init__(self, seed: str) -> None:
        """Take the seed, 32 bytes as base64.

        Raises:
            ConfigurationError: it is none. The message never holds it.
        """
        try:
            raw = base64.b64decode(seed, validate=True)
            self._key = Ed25519PrivateKey.from_private_bytes(raw)
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError("The setting 'audit_key' is no Ed25519 seed.", "Make one with `marginalia audit new-key`.", field="audit_key") from error

    @classmethod
    def load(cls, engine: Engine, setting: str = "") -> AuditKey:
        """Return the key of the setting, else of the file beside an SQLite database, which is made where there is none.

        Raises:
            ConfigurationError: the setting is no key, or there is none and no place for one.
        """
        if setting:
            return cls(setting)
        if file := sqlite_file(engine):
            return cls(secret_beside(file, ".audit-key", new_seed))
        if engine.dialect.name == "sqlite":
            return cls(new_seed())
        raise ConfigurationError(
            "A database on a server needs 'audit_key'.", "Make a key with `marginalia audit new-key` and set MARGINALIA_AUDIT_KEY.", field="audit_key"
        )

    @property
    def public(self) -> str:
        """The public key."""
        return base64.b64encode(self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)).decode()

    def sign(self, statement: bytes) -> str:
        """Return the signature of a statement, base64."""
        return base64.b64encode(self._key.sign(statement)).decode()


def new_seed() -> str:
    """Return the seed of a new key."""
    return base64.b64encode(os.urandom(_SEED)).decode()


def signed_by(public: str, signature: str, statement: bytes) -> bool:
    """Tell whether a signature is good."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True)).verify(base64.b64decode(signature, validate=True), statement)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
