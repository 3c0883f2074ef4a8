"""The encounter record: everything of one encounter that the coding review reads, as typed values.

A record is made by `fhir_mappers.reader` from FHIR resources and is never changed afterwards. It knows no
FHIR classes: each field's comment names the R4 path it comes from, so that a reviewer can follow it back.
Dates are timezone-aware `datetime` or plain `date`; a value that the source does not give is `None`,
never a made-up default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Setting(StrEnum):
    """Where care was given: decides which ICD-10-CM guideline section applies (II and III, or IV)."""

    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of one terminology."""

    system: str  # Coding.system, an absolute URI (see fhir_mappers.systems)
    code: str  # Coding.code
    display: str | None = None  # Coding.display


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded or free-text concept (CodeableConcept)."""

    codings: tuple[Coding, ...] = ()  # CodeableConcept.coding
    text: str | None = None  # CodeableConcept.text

    def code_in(self, system: str) -> str | None:
        """Return the first code of `system`, or None."""
        return next((c.code for c in self.codings if c.system == system), None)

    @property
    def label(self) -> str:
        """Words to show: the text, else the first display, else the first code, else ''."""
        if self.text:
            return self.text
        return next((c.display or c.code for c in self.codings), "")


@dataclass(frozen=True, slots=True)
class SectionSpan:
    """A section that the source itself declares (Composition or C-CDA), as offsets into the note's text."""

    title: str
    begin: int
    end: int
    loinc: str | None = None  # Composition.section.code


@dataclass(frozen=True, slots=True)
class Note:
    """One clinical document as plain text.

    `text` is the plain text that every offset of every later step counts in (Unicode code points).
    `sections` are only those the source declares; headings in running text are found by the engine.
    """

    source: str  # "DocumentReference/123": reference of the resource, relative to its server
    text: str
    title: str  # DocumentReference.description, type text, Composition.title; "" if none
    type: Concept | None = None  # DocumentReference.type, Composition.type, DiagnosticReport.code
    date: datetime | None = None  # DocumentReference.date, Composition.date, DiagnosticReport.effective
    author: str | None = None  # display of the first author
    author_role: str | None = None  # "physician", "advanced practice provider" (NP, PA), "nurse", "dietitian", ...: where the source says
    language: str | None = None  # DocumentReference.content.attachment.language or Resource.language
    sections: tuple[SectionSpan, ...] = ()
    copied_from: str | None = None  # source of an earlier note whose text this one repeats for the most part
    is_report: bool = False  # laboratory, imaging or pathology report: not a provider's diagnostic statement
    is_transcript: bool = False  # visit conversation


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem-list item or encounter diagnosis (Condition)."""

    source: str  # "Condition/1"
    concept: Concept  # Condition.code
    category: str  # "problem-list-item" | "encounter-diagnosis"
    clinical_status: str | None = None  # Condition.clinicalStatus
    verification_status: str | None = None  # Condition.verificationStatus
    onset: date | None = None  # Condition.onsetDateTime
    recorded: date | None = None  # Condition.recordedDate
    body_sites: tuple[Concept, ...] = ()  # Condition.bodySite


@dataclass(frozen=True, slots=True)
class EarlierDiagnosis:
    """A diagnosis of an earlier encounter (Condition): history of the record, never coded for this one."""

    source: str  # "Condition/1"
    concept: Concept  # Condition.code
    day: date  # recordedDate, else start of its encounter, else onset
    encounter: str | None = None  # id of the encounter it belongs to


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """Limits of a result, in the unit of the observation."""

    low: float | None = None
    high: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A laboratory result or vital sign."""

    source: str  # "Observation/1"
    concept: Concept  # Observation.code (or component.code)
    category: str  # "laboratory" | "vital-signs" | other category code
    effective: datetime | None = None  # Observation.effectiveDateTime / effectivePeriod.start
    value: float | None = None  # valueQuantity.value, in `unit`
    unit: str | None = None  # UCUM code; what the source writes where that is unknown
    canonical_value: float | None = None  # value in `canonical_unit`: the unit US laboratories report the test in (fhir_mappers.analytes)
    canonical_unit: str | None = None
    value_text: str | None = None  # valueString / valueCodeableConcept
    comparator: str | None = None  # "<", ">", ...
    interpretation: str | None = None  # "H", "L", "HH", "LL", "A", "N"
    reference_range: ReferenceRange | None = None


@dataclass(frozen=True, slots=True)
class Medication:
    """A drug ordered, taken or given."""

    source: str  # "MedicationRequest/1"
    concept: Concept  # medicationCodeableConcept or the referenced Medication.code (RxNorm where coded)
    status: str | None = None
    kind: str = "request"  # "request" | "statement" | "administration"
    date: datetime | None = None  # authoredOn, effective
    dosage: str | None = None  # dosageInstruction.text
    reasons: tuple[Concept, ...] = ()  # reasonCode
    dose: float | None = None  # administrations: dosage.dose.value, in `dose_unit`
    dose_unit: str | None = None  # dosage.dose.code, else unit
    route: str | None = None  # dosage.route, in words


@dataclass(frozen=True, slots=True)
class Order:
    """A service request or device request; a draft from order-sign has status 'draft'."""

    source: str  # "ServiceRequest/1"
    concept: Concept
    status: str | None = None
    intent: str | None = None
    date: datetime | None = None
    reasons: tuple[Concept, ...] = ()  # reasonCode, and code of conditions named in reasonReference
    quantity: float | None = None


@dataclass(frozen=True, slots=True)
class ProcedureDone:
    """A procedure performed (Procedure)."""

    source: str
    concept: Concept
    status: str | None = None
    performed: datetime | None = None
    body_sites: tuple[Concept, ...] = ()


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy or intolerance."""

    source: str
    concept: Concept
    clinical_status: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device in or used by the patient."""

    source: str
    concept: Concept


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who pays: used for payer rules only, never shown to a clinician."""

    source: str
    payer: str | None = None
    type: Concept | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """Who is treated: only what coding rules need."""

    id: str
    birth_date: date | None = None
    gender: str | None = None  # administrative gender: "male" | "female" | "other" | "unknown"
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the input that was not read, and why: shown in `coverage`, never silent."""

    source: str  # reference or path of the element: "DocumentReference/9" or "Bundle.entry[3]"
    reason: str  # plain words with the remedy


@dataclass(frozen=True, slots=True)
class EncounterRecord:
    """All that is known of one encounter of one patient."""

    patient: Patient
    encounter_id: str | None  # Encounter.id; None where the caller gave no encounter
    setting: Setting  # Encounter.class
    start: datetime | None  # Encounter.period.start
    end: datetime | None  # Encounter.period.end
    notes: tuple[Note, ...] = ()
    problems: tuple[Problem, ...] = ()
    observations: tuple[Observation, ...] = ()
    medications: tuple[Medication, ...] = ()
    orders: tuple[Order, ...] = ()
    procedures: tuple[ProcedureDone, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    devices: tuple[Device, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    skipped: tuple[Skipped, ...] = field(default=())
    earlier_diagnoses: tuple[EarlierDiagnosis, ...] = ()  # of other encounters, before this one

    def service_date(self, today: date) -> date:
        """Return the date whose code set applies: discharge for inpatients, else the start, else `today`.

        Source: ICD-10-CM codes are chosen by date of discharge for inpatient claims and date of service otherwise
        (CMS, ICD-10-CM files release notes).
        """
        moment = (self.end or self.start) if self.setting is Setting.INPATIENT else (self.start or self.end)
        return moment.date() if moment else today
