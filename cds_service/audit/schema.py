"""Tables of the audit. Triggers of the database refuse to change or delete an event."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cds_service.store.schema import Base

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class EventRow(Base):
    """One event. `event` is the canonical JSON that is hashed; the other columns repeat parts of it, to be searched."""

    __tablename__ = "audit_event"

    seq: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32))
    tenant: Mapped[str] = mapped_column(String(64))
    about: Mapped[str | None] = mapped_column(String(128), index=True)  # what it is about: the id of a review, of a patient
    event: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index("audit_event_of_tenant", "tenant", "seq"),)


class HeadRow(Base):
    """The end of the chain: one row. Who appends holds it, so that two processes can't append the same number."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(_NUMBER)
    hash: Mapped[str] = mapped_column(String(64))


class CheckpointRow(Base):
    """A signed statement: at this number the chain had this hash."""

    __tablename__ = "audit_checkpoint"

    seq: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(64))  # the public key, base64
    signature: Mapped[str] = mapped_column(String(128))
