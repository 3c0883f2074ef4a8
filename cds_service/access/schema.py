"""Tables of access: which JWTs were used, which keys and access tokens are good. No column holds a token or a key, only hashes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, String
from sqlalchemy.orm import Mapped, mapped_column

from cds_service.store.schema import Base


class UsedTokenRow(Base):
    """A JWT that was used, until it expires: the primary key lets it be used once, in whichever process."""

    __tablename__ = "used_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # of issuer and jti
    expires: Mapped[datetime] = mapped_column(DateTime, index=True)


class ApiKeyRow(Base):
    """A key of an API client. Kept when it is revoked, so that it can be told what it was."""

    __tablename__ = "api_key"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(16), unique=True)
    client: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime] = mapped_column(DateTime)
    expires: Mapped[datetime | None] = mapped_column(DateTime)
    revoked: Mapped[datetime | None] = mapped_column(DateTime)


class AccessTokenRow(Base):
    """An access token of an API client, good for some minutes."""

    __tablename__ = "access_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(200))
    expires: Mapped[datetime] = mapped_column(DateTime, index=True)
