"""Encounter -> setting and period, and which other resources belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.clinical import encounter_references
from fhir_mappers.record import Setting
from fhir_mappers.systems import ENCOUNTER_CLASSES

_BEFORE = timedelta(days=1)  # a note may be begun the day before
_AFTER = timedelta(days=30)  # and finished up to a month after (CMS: summaries are completed within 30 days after discharge, 42 CFR 482.24(c)(4)(vii))
_NEVER = datetime.min.replace(tzinfo=UTC)
_PLANNED = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class EncounterFacts:
    """What the record needs of the Encounter, and a test of belonging."""

    id: str | None
    setting: Setting
    start: datetime | None = None
    end: datetime | None = None

    def owns(self, entry: Entry, chart: Chart) -> bool:
        """Return whether a resource is of this encounter: by its reference, else by its date; a draft order always is."""
        if self.id is None or elements.code(entry.resource, "status") == "draft":
            return True
        named = _named(entry, chart)
        return self.id in named if named else self.covers(written(entry))

    def names(self, entry: Entry, chart: Chart) -> bool:
        """Return whether a resource refers to this encounter."""
        return self.id is not None and self.id in _named(entry, chart)

    def is_foreign(self, entry: Entry, chart: Chart) -> bool:
        """Return whether a resource refers to other encounters only."""
        named = _named(entry, chart)
        return self.id is not None and bool(named) and self.id not in named

    def others(self, entry: Entry, chart: Chart) -> tuple[str, ...]:
        """Return the ids of other encounters that a resource refers to, in order."""
        return tuple(sorted(_named(entry, chart) - {self.id or ""}))

    def precedes(self, day: date, chart: Chart) -> bool:
        """Return whether a day lies before this encounter (before today, where it has no period)."""
        return day < (self.start.date() if self.start else chart.today)

    def covers(self, moment: datetime | None) -> bool:
        """Return whether a date is that of this encounter; no date, or no period, speaks against nothing."""
        if moment is None or self.start is None:
            return True
        return self.start - _BEFORE <= moment and (self.end is None or moment <= self.end + _AFTER)


def _named(entry: Entry, chart: Chart) -> set[str]:
    return {id_ for ref in encounter_references(entry.resource) if (id_ := chart.id_of(ref, "Encounter"))}


def written(entry: Entry) -> datetime | None:
    """Return the date that places a resource in time, whatever its type."""
    names = ("date", "effectiveDateTime", "performedDateTime", "authoredOn", "indexed", "created", "issued")
    periods = (elements.child(entry.resource, p).get("start") for p in ("effectivePeriod", "performedPeriod"))
    return next((m for v in (*(entry.resource.get(n) for n in names), *periods) if (m := elements.moment(v))), None)


def encounter_facts(chart: Chart, encounter_id: str | None, *, guess: bool) -> EncounterFacts:
    """Return the facts of the Encounter asked for; with `guess`, of the latest one where none was asked for."""
    given = list(chart.of_type("Encounter"))
    chosen = next((e for e in given if encounter_id and (elements.text(e.resource, "id") or e.url) == encounter_id), None)
    if chosen is None and encounter_id is None and guess and given:
        chosen = max(given, key=lambda e: elements.moment(elements.child(e.resource, "period").get("start")) or _NEVER)
        if len(given) > 1:
            chart.skip(chosen.source, f"The input has {len(given)} encounters; this, the latest, was reviewed. Name the encounter to review another.")
    if chosen is None:
        if encounter_id or given:
            chart.skip("Encounter", "The Encounter is not in the input, so the visit was read as outpatient, without dates. Send the Encounter.")
        return EncounterFacts(encounter_id, Setting.OUTPATIENT)
    period = elements.child(chosen.resource, "period") or elements.child(chosen.resource, "actualPeriod")
    start = _bound(period.get("start"), chosen.source, "period.start", chart)
    end = _bound(period.get("end"), chosen.source, "period.end", chart)
    if start and end and end < start:
        chart.skip(chosen.source, "period.end lies before period.start, so it was read without its end. Correct the period.")
        end = None
    return EncounterFacts(elements.text(chosen.resource, "id") or chosen.url or chosen.source, _setting(chosen, chart), start, end)


def _bound(value: object, source: str, element: str, chart: Chart) -> datetime | None:
    """A planned visit may lie ahead; years ahead is a slip of the pen."""
    found = elements.moment(value)
    if found and chart.today < found.date() <= chart.today + _PLANNED:
        return found
    if found and elements.is_partial(value):
        chart.skip(source, f"{element} gives no day; it was read as {found.date()}. Send the full date: it decides the code set.")
    return chart.moment(value, source, element)


def _setting(entry: Entry, chart: Chart) -> Setting:
    given = elements.concepts(entry.resource, "class")
    words = [w for c in given for coding in c.codings for w in (coding.code, coding.display) if w] + [c.text for c in given if c.text]
    for word in words:
        if word.upper() in ENCOUNTER_CLASSES:
            return ENCOUNTER_CLASSES[word.upper()]
    for word in words:  # local class codes whose display still tells ("Hospital Inpatient Surgery")
        plain = word.lower()
        if "observation" in plain:
            return Setting.OUTPATIENT
        if "emergency" in plain:
            return Setting.EMERGENCY
        if "inpatient" in plain:
            return Setting.INPATIENT
        if any(w in plain for w in ("outpatient", "ambulatory", "office", "virtual", "telehealth", "home", "clinic")):
            return Setting.OUTPATIENT
    said = f"class {words[0][:40]!r} is unknown" if words else "it has no class"
    chart.skip(entry.source, f"The visit was read as outpatient, since {said}. Send a code of v3-ActCode: AMB, EMER, IMP, OBSENC, VR, HH.")
    return Setting.OUTPATIENT
