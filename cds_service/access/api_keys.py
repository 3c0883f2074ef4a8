"""Keys and access tokens of API clients. Both are random, 256 bits, and kept as SHA-256 only: nobody can read one out of the database.

A slow hash, as for passwords, would add nothing: there is no guessing 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import sessionmaker

from cds_service.access.schema import AccessTokenRow, ApiKeyRow
from cds_service.errors import NotFoundError
from cds_service.store import writing

KEY_MARK = "mgk_"  # so that scanners of source code know a key when they see one
TOKEN_MARK = "mgt_"  # noqa: S105 - a prefix, not a secret
TOKEN_LIFE = timedelta(minutes=5)
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key."""

    id: str
    client: str
    label: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Tell whether the key still opens the door."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a key or a token stands for, and for what."""

    client: str
    scopes: frozenset[str] | None  # None: all


class ApiKeys:
    """Makes, finds and revokes keys and access tokens. Safe to share between threads and processes."""

    def __init__(self, engine: Engine, *, now: Now = lambda: datetime.now(UTC)) -> None:
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(writing(engine))
        self._now = now

    def create(self, client: str, label: str, *, days: int | None = None) -> tuple[str, KeyRecord]:
        """Return a new key, which is shown this once, and what is kept of it."""
        key = KEY_MARK + secrets.token_urlsafe(32)
        now = self._naive()
        row = ApiKeyRow(
            digest=_digest(key), id=secrets.token_hex(4), client=client, label=label[:100], created=now, expires=now + timedelta(days=days) if days else None
        )
        with self._writes.begin() as session:
            session.add(row)
            session.flush()
            return key, _record(row)

    def all(self) -> Sequence[KeyRecord]:
        """Return every key that was made, the oldest first."""
        with self._reads() as session:
            return [_record(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created))]

    def revoke(self, key_id: str) -> KeyRecord:
        """Make a key useless from now on; raises NotFoundError."""
        with self._writes.begin() as session:
            row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.id == key_id)).first()
            if row is None:
                raise NotFoundError(f"There is no key '{key_id[:32]}'.", "`marginalia client list` shows the keys.")
            row.revoked = row.revoked or self._naive()
            return _record(row)

    def issue(self, client: str, scopes: frozenset[str]) -> str:
        """Return a new access token, good for five minutes."""
        token = TOKEN_MARK + secrets.token_urlsafe(32)
        with self._writes.begin() as session:
            session.add(AccessTokenRow(digest=_digest(token), client=client, scope=" ".join(sorted(scopes)), expires=self._naive() + TOKEN_LIFE))
        return token

    def find(self, presented: str) -> Grant | None:
        """Return what a presented key or token stands for; None where it stands for nothing (any more)."""
        with self._reads() as session:
            if presented.startswith(KEY_MARK):
                key = session.get(ApiKeyRow, _digest(presented))
                return Grant(key.client, None) if key is not None and _record(key).is_good(self._naive()) else None
            token = session.get(AccessTokenRow, _digest(presented)) if presented.startswith(TOKEN_MARK) else None
            return Grant(token.client, frozenset(token.scope.split())) if token is not None and token.expires > self._naive() else None

    def _naive(self) -> datetime:
        return self._now().astimezone(UTC).replace(tzinfo=None)


def _record(row: ApiKeyRow) -> KeyRecord:
    return KeyRecord(row.id, row.client, row.label, row.created, row.expires, row.revoked)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
