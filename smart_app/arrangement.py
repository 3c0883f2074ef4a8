"""The order of the codes and what was present on admission: kept as a history, one version after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import JSON, Engine, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, audited
from smart_app.errors import DecisionConflict
from smart_app.history import Actor, Clock, Line, Place, add_next, now

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


class _Row(Line):
    __tablename__ = "smart_arrangement"

    codes: Mapped[list[str]] = mapped_column(JSON)
    poa: Mapped[dict[str, str]] = mapped_column(JSON)
    follows: Mapped[int]  # the version before it, 0 for the first

    # Of two people who arrange in the same moment one is told: only one version can follow another.
    __table_args__ = (UniqueConstraint("tenant", "patient", "encounter", "follows", name="smart_arrangement_one_after_another"), {"info": {"kept_from": "at"}})


def _change(row: _Row) -> Event:
    details = {"codes": len(row.codes), "indicators": len(row.poa)}
    return Event(Kind.CHANGE, row.tenant, "smart", row.user, row.patient.rsplit("/", 1)[-1], f"Arrangement/{row.id}", details=details)


audited(_Row, _change)


class Arrangements:
    """Keeps arrangements. Safe to share between threads."""

    def __init__(self, engine: Engine, *, clock: Clock = now) -> None:
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
            row = _Row(codes=list(codes), poa=dict(poa), follows=standing.id)
            row.by(place, actor, self._clock())
            add_next(db, row, lambda: _conflict(self.latest(place)))
            return _arrangement(row)

    @staticmethod
    def _rows(db: Session, place: Place, limit: int | None = None) -> list[_Row]:
        return list(db.scalars(select(_Row).where(_Row.of(place)).order_by(_Row.id.desc()).limit(limit)))


def _arrangement(row: _Row) -> Arrangement:
    return Arrangement(row.id, tuple(row.codes), dict(row.poa), row.name or row.user, row.role, row.at.replace(tzinfo=UTC))


def _conflict(standing: Arrangement) -> DecisionConflict:
    when = f", {standing.at:%H:%M} UTC" if standing.at else ""
    return DecisionConflict("smart.conflict", f"{standing.who} has changed the order or an indicator meanwhile{when}.", "Look at it again, then change it.")
