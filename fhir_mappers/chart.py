"""The resources of one reading, each with the name it is reported under, and the references between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from fhir_mappers import elements
from fhir_mappers.record import Concept, Skipped

_AHEAD = timedelta(days=1)  # clocks and time zones differ: a day ahead is not yet the future


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource. `source` is its reference relative to its server, or its place in the input where it has no id."""

    source: str
    resource: Mapping[str, Any]
    url: str | None = None  # Bundle.entry.fullUrl

    @property
    def type(self) -> str:
        """Resource type; "" where the resource doesn't say."""
        return elements.text(self.resource, "resourceType") or ""


@dataclass(slots=True)
class Chart:
    """All resources of one reading, found by reference, and what was left out so far."""

    entries: tuple[Entry, ...]
    today: date
    skipped: list[Skipped] = field(default_factory=list)
    until: float | None = None  # when the caller wants to have the notes (`time.monotonic`)
    _by_reference: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry], today: date) -> Chart:
        """Return a chart in which every entry can be found by type and id, and by its full URL."""
        chart = cls(tuple(entries), today)
        for entry in chart.entries:
            chart._by_reference.setdefault(entry.source, entry)
            if entry.url:
                chart._by_reference.setdefault(entry.url, entry)
        return chart

    def drop_unusable(self) -> None:
        """Leave out what its source calls an error, and what says that it must not be read plainly (FHIR R4, 2.4.1.3); say so."""
        kept = []
        for entry in self.entries:
            marks = {elements.code(entry.resource, n) for n in ("status", "verificationStatus", "docStatus", "clinicalStatus")}
            if "entered-in-error" in marks:
                self.skip(entry.source, "It is marked as entered in error. Nothing to do: it is left out.")
            elif entry.resource.get("modifierExtension"):
                self.skip(entry.source, "It has a modifierExtension, which may turn its meaning around. It is left out; send it without one.")
            else:
                kept.append(entry)
        self.entries = tuple(kept)

    def of_type(self, *types: str) -> Iterator[Entry]:
        """Yield the entries of these resource types, in the order of the input."""
        return (e for e in self.entries if e.type in types)

    def skip(self, source: str, reason: str) -> None:
        """Note that something was not read (or read with a reservation), and why."""
        self.skipped.append(Skipped(source, reason))

    def resolve(self, ref: str | None, within: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the resource that `ref` names: contained in `within`, or another of the chart. One step, so cycles do no harm."""
        if not ref:
            return None
        if ref.startswith("#"):
            return next((c for c in elements.children(within, "contained") if elements.text(c, "id") in (ref, ref[1:])), None)
        found = self._by_reference.get(ref)
        if found is None and (named := elements.identity(ref)):
            found = self._by_reference.get("/".join(named))
        return found.resource if found else None

    def id_of(self, ref: str | None, type_: str) -> str | None:
        """Return the id of the `type_` resource that `ref` names, or None where it names none (another type, or only an identifier)."""
        if not ref:
            return None
        if named := elements.identity(ref):
            return named[1] if named[0] == type_ else None
        found = self._by_reference.get(ref)
        return elements.text(found.resource, "id") or found.url if found and found.type == type_ else None

    def moment(self, value: object, source: str, element: str) -> datetime | None:
        """Return a date of something that has happened; one that can't be read, or lies in the future, is said and left out."""
        if value is None:
            return None
        found = elements.moment(value)
        if found is None:
            self.skip(source, f"{element} is not a FHIR date, so it was read without it. Write it as 2026-03-01 or 2026-03-01T09:30:00-05:00.")
            return None
        if found.date() > self.today + _AHEAD:
            self.skip(source, f"{element} lies in the future ({found.date()}), so it was read without it. Correct the date in the source.")
            return None
        return found

    def day(self, value: object, source: str, element: str) -> date | None:
        """Return the calendar day of something that has happened, by the rules of `moment`."""
        found = self.moment(value, source, element)
        return found.date() if found else None

    def first_moment(self, source: str, resource: Mapping[str, Any], name: str) -> datetime | None:
        """Return the date of a choice element: `name`DateTime, `name`Period.start (else its end), `name`Instant or `name`."""
        period = elements.child(resource, f"{name}Period")
        for element, value in (
            (f"{name}DateTime", resource.get(f"{name}DateTime")),
            (f"{name}Period.start", period.get("start")),
            (f"{name}Period.end", period.get("end")),
            (f"{name}Instant", resource.get(f"{name}Instant")),
            (name, resource.get(name) if isinstance(resource.get(name), str) else None),
        ):
            if value is not None:
                return self.moment(value, source, element)
        return None

    def reasons(self, resource: Mapping[str, Any]) -> tuple[Concept, ...]:
        """Return reasonCode, and the code of each condition named in reasonReference (STU3, R4, and R5 `reason`)."""
        found = list(elements.concepts(resource, "reasonCode"))
        for name in ("reasonReference", "reason"):
            for reason in elements.children(resource, name):
                ref = elements.text(reason, "reference") or elements.text(elements.child(reason, "reference"), "reference")
                target = self.resolve(ref, resource)
                words = elements.concept(target.get("code")) if target else elements.concept(reason.get("display"))
                found += [c for c in (words, elements.concept(reason.get("concept"))) if c]
        return tuple(found)
