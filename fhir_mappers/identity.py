"""Whose resources these are: a resource of another patient is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.errors import BadResource, WrongPatient

_SUBJECT = ("subject", "patient", "beneficiary", "for", "individual")


def subjects(resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield the references to whom a resource is about."""
    for name in _SUBJECT:
        if ref := elements.reference(resource, name):
            yield ref


def sole_patient(entries: Iterable[Entry]) -> str:
    """Return the id of the one patient that the entries are about.

    Raises BadResource where there is none, WrongPatient where there are several.
    """
    given = list(entries)
    found = {elements.text(e.resource, "id") or e.url or e.source for e in given if e.type == "Patient"}
    if not found:
        named = (elements.identity(ref) for e in given for ref in subjects(e.resource))
        found = {n[1] for n in named if n and n[0] == "Patient"}
    if not found:
        raise BadResource("The Bundle names no patient.", "Add the Patient resource.")
    if len(found) > 1:
        raise WrongPatient(f"The Bundle is about {len(found)} patients.", "Send one Bundle for each patient, or name the patient.")
    return found.pop()


def check_patients(chart: Chart, patient_id: str) -> None:
    """Make sure that everything in the chart is about the patient.

    Raises WrongPatient otherwise. A subject without a literal reference (only an identifier) can't be checked and passes.
    """
    for entry in chart.entries:
        if entry.type == "Patient":
            ids = {elements.text(entry.resource, "id"), entry.url, entry.source}
            if patient_id not in ids:
                raise _wrong(entry.source)
        for ref in subjects(entry.resource):
            found = chart.id_of(ref, "Patient")
            if found is not None and found != patient_id:
                raise _wrong(entry.source)


def drop_other_subjects(chart: Chart) -> None:
    """Leave out what is about a group, a place or a device, and say so."""
    kept: list[Entry] = []
    for entry in chart.entries:
        named = elements.identity(elements.reference(entry.resource, "subject") or "")
        if named and named[0] != "Patient":
            kind = named[0] if named[0].isalpha() and len(named[0]) < 40 else "something else"
            chart.skip(entry.source, f"Its subject is not a patient ({kind}). Nothing to do: it is left out.")
        else:
            kept.append(entry)
    chart.entries = tuple(kept)


def _wrong(source: str) -> WrongPatient:
    return WrongPatient(f"{source} is about another patient than the one asked for.", "Send only resources of that patient; check the query or the token.")
