"""FHIR resources -> one encounter record. One bad resource is skipped and said; a resource of another patient ends the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from fhir_mappers import clinical, conformance, elements, units
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.encounters import EncounterFacts, encounter_facts
from fhir_mappers.errors import BadResource
from fhir_mappers.identity import check_patients, drop_other_subjects, sole_patient
from fhir_mappers.notes import opener
from fhir_mappers.notes.selection import notes_of
from fhir_mappers.observations import observations
from fhir_mappers.record import EarlierDiagnosis, EncounterRecord, Observation, Patient, Problem, Skipped

T = TypeVar("T")

_DOUBTED = ("refuted", "differential", "unconfirmed", "provisional")


def read_bundle(
    bundle: Mapping[str, Any],
    *,
    patient_id: str | None = None,
    encounter_id: str | None = None,
    today: date | None = None,
    until: float | None = None,
) -> EncounterRecord:
    """Return the record of a Bundle (searchset, collection, document, transaction, ...).

    Without `patient_id` the Bundle must be about one patient; without `encounter_id` its latest Encounter is taken. Notes that are not
    reached by `until`, a `time.monotonic` moment, are said to be left out.
    Raises BadResource where the input is no Bundle with a patient, WrongPatient for a resource of another patient.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise BadResource("The input is not a FHIR Bundle.", 'Send {"resourceType": "Bundle", "entry": [...]}.')
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for number, item in enumerate(elements.items(bundle, "entry")):
        place = f"Bundle.entry[{number}]"
        _add(elements.child(item, "resource"), place, elements.text(item, "fullUrl"), entries, skipped)
    if not entries and not patient_id:
        raise BadResource("The Bundle has no resources.", "Send at least a Patient and a note.")
    return _record(entries, patient_id or sole_patient(entries), encounter_id, skipped, today, guess_encounter=True, until=until)


def read_resources(
    resources: Iterable[Mapping[str, Any]],
    *,
    patient_id: str,
    encounter_id: str | None = None,
    skipped: Iterable[Skipped] = (),
    today: date | None = None,
    until: float | None = None,
) -> EncounterRecord:
    """Return the record of resources in any order; Bundles among them (prefetch searchsets, draft orders) are opened.

    `skipped` is what the caller already had to leave out. Notes that are not reached by `until`, a `time.monotonic` moment, are said to
    be left out. Raises WrongPatient for a resource of another patient.
    """
    entries: list[Entry] = []
    left = list(skipped)
    for number, resource in enumerate(resources):
        _add(resource, f"resources[{number}]", None, entries, left)
    return _record(entries, patient_id, encounter_id, left, today, until=until)


def warm_up() -> None:
    """Load the models and the units now rather than with the first request."""
    conformance.warm_up()
    opener.warm_up()
    units.canonical(1.0, "mg/dL", None)


def _add(resource: object, place: str, url: str | None, entries: list[Entry], skipped: list[Skipped]) -> None:
    """Add a resource, or those of a Bundle; the same resource given twice counts once."""
    if not isinstance(resource, Mapping) or not elements.text(resource, "resourceType"):
        skipped.append(Skipped(place, "It holds no resource with a resourceType. Send FHIR R4 resources as JSON objects."))
        return
    kind = elements.text(resource, "resourceType") or ""
    if kind == "OperationOutcome":
        issue = elements.code(elements.child(resource, "issue"), "code") or "no issue code"
        skipped.append(Skipped(place, f"The server sent an OperationOutcome ({issue[:40]}) in its place. Check the query and the token's scopes."))
        return
    if kind == "Bundle":
        for number, item in enumerate(elements.items(resource, "entry")):
            inner = elements.child(item, "resource")
            if inner.get("resourceType") == "Bundle":
                skipped.append(Skipped(f"{place}.entry[{number}]", "A Bundle within a Bundle within the input is not opened. Send its resources directly."))
                continue
            _add(inner, f"{place}.entry[{number}]", elements.text(item, "fullUrl"), entries, skipped)
        return
    id_ = elements.text(resource, "id")
    entries.append(Entry(f"{kind}/{id_}" if id_ else place, resource, url))


def _record(
    entries: list[Entry],
    patient_id: str,
    encounter_id: str | None,
    skipped: list[Skipped],
    today: date | None,
    *,
    guess_encounter: bool = False,
    until: float | None = None,
) -> EncounterRecord:
    unique: dict[str, Entry] = {}
    for entry in entries:
        unique.setdefault(entry.source, entry)
    chart = Chart.of(unique.values(), today or datetime.now(UTC).date())
    chart.until = until
    chart.skipped += skipped
    check_patients(chart, patient_id)
    drop_other_subjects(chart)
    chart.drop_unusable()
    for entry in chart.entries:
        if lost := conformance.departures(entry.resource):
            chart.skip(entry.source, f"Not in the form of R4, and so not read: {', '.join(lost)}. Correct it at its source.")
    facts = encounter_facts(chart, encounter_id, guess=guess_encounter)
    patient = next((p for e in chart.of_type("Patient") for p in _each(e, chart, clinical.patient)), None) or Patient(patient_id)

    def every(types: tuple[str, ...], read: Callable[[Entry, Chart], T], *, own: bool = False) -> tuple[T, ...]:
        given = list(chart.of_type(*types))
        chosen = [e for e in given if not own or facts.owns(e, chart)]
        if others := len(given) - len(chosen):
            chart.skip(given[0].type, f"{others} of other encounters were not read. Nothing to do: each encounter is coded on its own.")
        return tuple(found for e in chosen for found in _each(e, chart, read))

    problems, earlier = _problems(chart, facts)
    return EncounterRecord(
        patient=replace(patient, id=patient_id),
        encounter_id=facts.id,
        setting=facts.setting,
        start=facts.start,
        end=facts.end,
        notes=notes_of(chart, facts, until),
        problems=problems,
        observations=tuple(_observations(chart)),
        medications=every(("MedicationRequest", "MedicationOrder", "MedicationStatement", "MedicationAdministration"), clinical.medication),
        orders=every(("ServiceRequest", "DeviceRequest", "ProcedureRequest", "DeviceUseRequest"), clinical.order, own=True),
        procedures=every(("Procedure",), clinical.procedure, own=True),
        allergies=every(("AllergyIntolerance",), clinical.allergy),
        devices=every(("Device",), clinical.device),
        coverages=every(("Coverage",), clinical.coverage),
        skipped=tuple(dict.fromkeys(chart.skipped)),
        earlier_diagnoses=earlier,
    )


def _problems(chart: Chart, facts: EncounterFacts) -> tuple[tuple[Problem, ...], tuple[EarlierDiagnosis, ...]]:
    """Return the problem list and the diagnoses of this encounter, and the diagnoses of earlier encounters."""
    found: list[Problem] = []
    earlier: list[EarlierDiagnosis] = []
    left = 0
    for entry in chart.of_type("Condition"):
        for problem in _each(entry, chart, clinical.problem):
            if problem.category != "encounter-diagnosis" or not facts.is_foreign(entry, chart):
                found.append(problem)
                continue
            encounter = facts.others(entry, chart)[0]
            day = problem.recorded or _start(encounter, chart) or problem.onset
            if day and facts.precedes(day, chart) and problem.verification_status not in _DOUBTED:
                earlier.append(EarlierDiagnosis(problem.source, problem.concept, day, encounter))
            else:
                left += 1
    if left:
        chart.skip("Condition", f"{left} diagnoses of other encounters were not read: later, refuted, or without a date. Send recordedDate for earlier ones.")
    return tuple(found), tuple(sorted(earlier, key=lambda d: (d.day, d.source)))


def _start(encounter: str, chart: Chart) -> date | None:
    """Return the first day of an encounter of the chart."""
    periods = (elements.child(e.resource, "period") for e in chart.of_type("Encounter") if elements.text(e.resource, "id") == encounter)
    return next((found for p in periods if (found := elements.day(p.get("start")))), None)


def _each(entry: Entry, chart: Chart, read: Callable[[Entry, Chart], T]) -> Iterator[T]:
    try:
        yield read(entry, chart)
    except BadResource as error:
        chart.skip(entry.source, str(error))


def _observations(chart: Chart) -> Iterator[Observation]:
    for entry in chart.of_type("Observation"):
        try:
            yield from observations(entry, chart)
        except BadResource as error:
            chart.skip(entry.source, str(error))
