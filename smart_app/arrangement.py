"""The order of the codes and what was present on admission: kept as a history, one version after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, Engine, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, audited
from smart_app.database import Base, add_next
from smart_app.decisions import Actor
from smart_app.errors import DecisionConflict

# Present on admission (CMS, "Hospital-Acquired Conditions (Present on Admission Indicator)"; ICD-10-CM guidelines, appendix I).
POA: Mapping[str, str] = {
    "Y": "Yes",
    "N": "No",
    "U": "Documentation insufficient",
    "W": "Clinically undetermined",
    "1": "Exempt from reporting",
}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One version: codes in their order, the principal first, and an indicator for some of them."""

    id: int = 0  # 0: nobody has arranged anything yet
    codes: tuple[str, ...] = ()
    poa: Mapping[str, str] = field(default_factory=dict)
    who: str = ""
    role: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Whose encounter it is."""

    tenant: str
    patient: str
    encounter: str | None


class _Row(Base):
    __tablename__ = "smart_arrangement"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    encounter: Mapped[str] = mapped_column(String(128), default="")
    codes: Mapped[list[str]] = mapped_column(JSON)
    poa: Mapped[dict[str, str]] = mapped_column(JSON)
    user: Mapped[str] = mapped_column(String(300))
    name: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(DateTime)  # UTC
    follows: Mapped[int]  # the version before it, 0 for the first

    # Of two people who arrange in the same moment one is told: only one version can follow another.
    __table_args__ = (UniqueConstraint("tenant", "patient", "encounter", "follows", name="smart_arrangement_one_after_another"), {"info": {"kept_from": "at"}})


def _change(row: _Row) -> Event:
    details = {"codes": len(row.codes), "indicators": len(row.poa)}
    return Event(Kind.CHANGE, row.tenant, "smart", row.user, row.patient.rsplit("/", 1)[-1], f"Arrangement/{row.id}", details=details)


audited(_Row, _change)


class Arrangements:
    """Keeps arrangements. Safe to share between threads."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._make = sessionmaker(engine)
        self._clock = clock

    def latest(self, place: Place) -> Arrangement:
        """Return the version that stands; an empty one where nobody has arranged anything."""
        with self._make() as db:
            rows = self._rows(db, place, limit=1)
            return _arrangement(rows[0]) if rows else Arrangement()

    def history(self, place: Place) -> tuple[Arrangement, ...]:
        """Return all versions, oldest first."""
        with self._make() as db:
            return tuple(_arrangement(row) for row in reversed(self._rows(db, place)))

    def keep(self, place: Place, codes: Sequence[str], poa: Mapping[str, str], actor: Actor, *, seen: int) -> Arrangement:
        """Keep a new version and return it; raises DecisionConflict where the person has not seen the newest (`seen`)."""
        with self._make() as db:
            rows = self._rows(db, place, limit=1)
            standing = _arrangement(rows[0]) if rows else Arrangement()
            if standing.id != seen:
                raise _conflict(standing)
            row = _Row(
                tenant=place.tenant,
                patient=place.patient,
                encounter=place.encounter or "",
                codes=list(codes),
                poa=dict(poa),
                user=actor.user,
                name=actor.name,
                role=actor.role,
                at=self._clock().astimezone(UTC).replace(tzinfo=None),
                follows=standing.id,
            )
            add_next(db, row, lambda: _conflict(self.latest(place)))
            return _arrangement(row)

    @staticmethod
    def _rows(db: Session, place: Place, limit: int | None = None) -> list[_Row]:
        mine = select(_Row).where(_Row.tenant == place.tenant, _Row.patient == place.patient, _Row.encounter == (place.encounter or ""))
        return list(db.scalars(mine.order_by(_Row.id.desc()).limit(limit)))


def _arrangement(row: _Row) -> Arrangement:
    return Arrangement(row.id, tuple(row.codes), dict(row.poa), row.name or row.user, row.role, row.at.replace(tzinfo=UTC))


def _conflict(standing: Arrangement) -> DecisionConflict:
    when = f", {standing.at:%H:%M} UTC" if standing.at else ""
    return DecisionConflict("smart.conflict", f"{standing.who} has changed the order or an indicator meanwhile{when}.", "Look at it again, then change it.")
