"""Structured evidence: values of the record in words, with unit, date and reference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from cds_service.review.model import Evidence, EvidenceKind
from fhir_mappers.record import Concept, EarlierDiagnosis, EncounterRecord, Medication, Observation, Order, Problem, ProcedureDone


def structured_evidence(record: EncounterRecord) -> Iterator[Evidence]:
    """Yield every value of a record that a review may show as evidence."""
    yield from (observation_evidence(o) for o in record.observations)
    yield from (problem_evidence(p) for p in record.problems)
    yield from (earlier_evidence(d) for d in record.earlier_diagnoses)
    yield from (medication_evidence(m) for m in record.medications)
    yield from (order_evidence(o) for o in record.orders)
    yield from (procedure_evidence(p) for p in record.procedures)


def observation_evidence(observation: Observation) -> Evidence:
    """Return a result as evidence: "Hemoglobin A1c 9.8 %, high"."""
    value = f"{observation.comparator or ''}{observation.value:g}" if observation.value is not None else observation.value_text or "no value"
    words = " ".join(w for w in (observation.concept.label, value, observation.unit) if w)
    return _evidence(observation.source, words, observation.concept, observation.category, observation.effective)


def problem_evidence(problem: Problem) -> Evidence:
    """Return an entry of the problem list as evidence."""
    return _evidence(problem.source, problem.concept.label, problem.concept, problem.category, _moment(problem.recorded))


def earlier_evidence(diagnosis: EarlierDiagnosis) -> Evidence:
    """Return a diagnosis of an earlier encounter as evidence."""
    return _evidence(diagnosis.source, diagnosis.concept.label, diagnosis.concept, "earlier-diagnosis", _moment(diagnosis.day))


def medication_evidence(medication: Medication) -> Evidence:
    """Return a drug as evidence: name and dosage."""
    words = ", ".join(w for w in (medication.concept.label, medication.dosage) if w)
    return _evidence(medication.source, words, medication.concept, "medication", medication.date)


def order_evidence(order: Order) -> Evidence:
    """Return an order as evidence."""
    return _evidence(order.source, order.concept.label, order.concept, "order", order.date)


def procedure_evidence(procedure: ProcedureDone) -> Evidence:
    """Return a procedure as evidence."""
    return _evidence(procedure.source, procedure.concept.label, procedure.concept, "procedure", procedure.performed)


def _evidence(source: str, words: str, concept: Concept, section: str, when: datetime | None) -> Evidence:
    part = next((c.code for c in concept.codings), concept.text)
    return Evidence(EvidenceKind.STRUCTURED, source, words, section=section, when=when, part=part)


def _moment(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
