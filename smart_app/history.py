"""What happened on an encounter, line by line: whose encounter it is, who did it and when. No line is ever overwritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, DateTime, String, and_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from smart_app.database import Base

Key = tuple[str, str]  # patient and encounter ("" where there is none)
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose encounter it is."""

    tenant: str
    patient: str
    encounter: str | None

    @property
    def key(self) -> Key:
        """The encounter within its tenant."""
        return self.patient, self.encounter or ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    user: str  # fhirUser
    name: str | None
    role: str


class Line(Base):
    """The columns of every line."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    encounter: Mapped[str] = mapped_column(String(128), default="")  # '' where none was in context
    user: Mapped[str] = mapped_column(String(300))
    name: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(DateTime)  # UTC

    @classmethod
    def of(cls, place: Place) -> ColumnElement[bool]:
        """Return the condition for the lines of an encounter."""
        return and_(cls.tenant == place.tenant, cls.patient == place.patient, cls.encounter == (place.encounter or ""))

    def by(self, place: Place, actor: Actor, now: datetime) -> None:
        """Say whose encounter the line is of, who wrote it, and when."""
        self.tenant, self.patient, self.encounter = place.tenant, place.patient, place.encounter or ""
        self.user, self.name, self.role = actor.user, actor.name, actor.role
        self.at = now.astimezone(UTC).replace(tzinfo=None)


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def add_next(db: Session, line: Line, conflict: Callable[[], Exception]) -> None:
    """Add and commit a line that follows the one its writer has seen; where another came first (a unique key), undo and raise `conflict()`."""
    db.add(line)
    try:
        db.commit()
    except IntegrityError as error:
        db.rollback()
        raise conflict() from error
