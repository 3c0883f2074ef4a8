"""What a decision stands on: the model and the rules that suggested, in their versions. Kept with the decision, for as long as it is.

A review may be deleted by the store's retention; what decided then must be told still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from sqlalchemy import JSON, DateTime, Engine, Float, String, select
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker

from smart_app.database import Base
from smart_app.history import Place


@dataclass(frozen=True, slots=True)
class Ground:
    """What one decision stands on."""

    decision: int
    rules: tuple[str, ...]  # ids of the rules of the suggestion; () where nothing suggested the code
    release: str  # of Marginalia: the version of its rules
    model_sha256: str
    confidence: float | None
    basis: str | None  # "query:<id>" where an answer to a query led to it


class _Row(Base):
    __tablename__ = "smart_ground"

    decision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    encounter: Mapped[str] = mapped_column(String(128), default="")
    rules: Mapped[list[str]] = mapped_column(JSON)
    release: Mapped[str] = mapped_column(String(32))
    model_sha256: Mapped[str] = mapped_column(String(64))
    confidence: Mapped[float | None] = mapped_column(Float)
    basis: Mapped[str | None] = mapped_column(String(160))
    at: Mapped[datetime] = mapped_column(DateTime)

    __table_args__ = ({"info": {"kept_from": "at"}},)


class Grounds:
    """Keeps grounds. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._make = sessionmaker(engine)

    def keep(self, place: Place, decision: int, suggestion: Mapping[str, Any] | None, document: Mapping[str, Any], *, basis: str | None = None) -> None:
        """Keep what a decision stands on: the suggestion that was decided, and the review it is of."""
        row = _Row(
            decision=decision,
            tenant=place.tenant,
            patient=place.patient,
            encounter=place.encounter or "",
            rules=list(dict.fromkeys(str(r["rule"]) for r in (suggestion or {}).get("rationale", ()))),
            release=metadata.version("marginalia"),
            model_sha256=str(document["model"]["sha256"]),
            confidence=suggestion.get("confidence") if suggestion else None,
            basis=basis,
            at=datetime.now(UTC).replace(tzinfo=None),
        )
        with self._make.begin() as db:
            db.merge(row)

    def of(self, place: Place) -> dict[int, Ground]:
        """Return the grounds of an encounter's decisions, by decision."""
        mine = select(_Row).where(_Row.tenant == place.tenant, _Row.patient == place.patient, _Row.encounter == (place.encounter or ""))
        with self._make() as db:
            return {r.decision: Ground(r.decision, tuple(r.rules), r.release, r.model_sha256, r.confidence, r.basis) for r in db.scalars(mine)}
