"""The coded review of one encounter: the value that cards, page, API and audit all show.

Every statement names its evidence and its rule. `cds_service.review.document` gives the published JSON form.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from onnx_models.reading import Assertion, Attributes


class Role(StrEnum):
    """Place of a diagnosis in the sequence (UHDDS)."""

    PRINCIPAL = "principal"  # first-listed for outpatients
    SECONDARY = "secondary"


class EvidenceKind(StrEnum):
    """Where the support comes from."""

    NOTE = "note"
    STRUCTURED = "structured"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words of a note, or a value of the structured record, that support a statement.

    For notes, `text` is exactly `note.text[begin:end]` and `sha256` is of the whole note's UTF-8 text.
    For structured evidence begin, end and sha256 are None and `text` is the value in words with unit and date.
    """

    kind: EvidenceKind
    source: str  # reference of the resource
    text: str
    begin: int | None = None
    end: int | None = None
    section: str | None = None
    assertion: Assertion | None = None
    sha256: str | None = None
    when: datetime | None = None
    part: str | None = None  # structured: code of the value, because one resource may hold several

    def __hash__(self) -> int:
        """Hash by place alone: evidence is looked up thousands of times in one review."""
        return hash((self.source, self.begin, self.end, self.part))


@dataclass(frozen=True, slots=True)
class Rationale:
    """One reason: which rule or model feature, in plain words, and where the rule stands."""

    rule: str  # registered rule id ("guideline.I.C.4.a.2") or "model.<feature>"
    text: str
    reference: str | None = None  # guideline section, tabular note, table and version, or link


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another code that was considered, and what would make it right."""

    code: str
    display: str
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class HccCategory:
    """A risk-adjustment category: for the coder only."""

    model: str  # "CMS-HCC V28"
    category: str
    label: str
    contained_in: str | None = None  # category of the same review that takes its place by the model's hierarchy


@dataclass(frozen=True, slots=True)
class CodeAssignment:
    """One code of the review."""

    code: str
    system: str  # URI of the code system
    display: str
    confidence: float  # calibrated probability in [0, 1]
    role: Role | None  # None for procedures and supplies
    billable: bool
    evidence: tuple[Evidence, ...]  # never empty
    rationale: tuple[Rationale, ...]  # never empty
    alternatives: tuple[Alternative, ...] = ()
    attributes: Attributes = field(default_factory=Attributes)
    hcc: tuple[HccCategory, ...] = ()
    meat: tuple[Meat, ...] = ()  # of diagnoses with a category
    complication: str | None = None  # inpatients, secondary diagnoses: "CC" | "MCC", before exclusions
    present_on_admission: str | None = None  # inpatients: "Y" | "N" | "U" unknown | "W" clinically undetermined | "1" exempt
    units: int | None = None  # drugs and supplies: how many of what the code counts


@dataclass(frozen=True, slots=True)
class NotCoded:
    """Something found and left out, and why."""

    code: str
    display: str
    evidence: tuple[Evidence, ...]
    reason: str  # negated | family | historical | ruled out | uncertain (outpatient) | hypothetical | excluded by ... | ...
    rule: str | None = None  # id of the rule that decided


@dataclass(frozen=True, slots=True)
class DocumentationQuery:
    """A compliant question to the author (AHIMA/ACDIS 2022): shows indicators, leads nowhere."""

    id: str
    family: str  # specificity | acuity | laterality | linkage | poa | validation | conflict | indicator | imaging | recapture
    title: str  # names the subject, never the wished answer
    question: str
    indicators: tuple[Evidence, ...]  # never empty
    options: tuple[str, ...]  # ends with "Other (please specify)" and "Unable to determine"
    rule: str
    reference: str
    priority: int  # 1 first

    @property
    def basis(self) -> str:
        """What the query rests on, as a short hash: the words of notes, and which tests, drugs and problems; a further value of the same test is no change.

        Short, so that nobody finds words by trying: it tells one state of a chart from the next, and no more.
        """
        rests_on = {f"{e.section} {e.part}" if e.kind is EvidenceKind.STRUCTURED else " ".join(e.text.lower().split()) for e in self.indicators}
        return hashlib.sha256("\n".join(sorted(rests_on)).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """An edit that a payer would apply: for the coder only. `version`, `effective_from` and `effective_to` are those of the table."""

    edit: str
    codes: tuple[str, ...]
    table: str
    version: str
    explanation: str
    remedy: str
    severity: str = "warning"  # "warning" | "critical"
    orders: tuple[str, ...] = ()  # sources of the orders it is about: "ServiceRequest/1"; () where it is about the claim
    effective_from: date | None = None
    effective_to: date | None = None  # None: still in force
    reason_code: str | None = None  # claim adjustment reason code (CARC) that a remittance would carry, with group: "CO-11"
    denial: str | None = None  # why the claim would be denied, in words


@dataclass(frozen=True, slots=True)
class DenialDriver:
    """An edit that found something, and what became of this organization's claims on which it did."""

    edit: str
    claims: int
    denied: int


@dataclass(frozen=True, slots=True)
class DenialRisk:
    """How likely the claim is denied, by the organization's own remittances: for the coder only, and only where they trained it."""

    probability: float
    usual: float  # share of all claims that were denied
    drivers: tuple[DenialDriver, ...]  # the edits that count most first
    unknown: tuple[str, ...]  # edits that found something and were too rare in the remittances to learn from
    basis: str  # from how many claims it was learned, and how well it tells them apart
    version: str


@dataclass(frozen=True, slots=True)
class Meat:
    """Documentation of this encounter that a condition was monitored, evaluated, assessed or treated: for the coder only."""

    element: str  # "monitored" | "evaluated" | "assessed" | "treated"
    evidence: tuple[Evidence, ...]  # never empty


@dataclass(frozen=True, slots=True)
class DiagnosisGroup:
    """The MS-DRG of a stay: for the coder only."""

    code: str  # "291"
    title: str
    major_category: str  # MDC: "05"
    severity: str  # "none" | "CC" | "MCC": what the secondary diagnoses bring
    driven_by: tuple[str, ...] = ()  # secondary diagnoses that count as CC or MCC here


@dataclass(frozen=True, slots=True)
class Grouping:
    """The MS-DRG by the diagnoses that the chart codes, and by those of the review: for the coder only."""

    system: str  # "MS-DRG"
    version: str  # "43.1"
    effective_from: date
    effective_to: date | None
    after: DiagnosisGroup
    before: DiagnosisGroup | None = None  # None where the chart codes no diagnosis of the encounter
    source: str = ""  # which software grouped


@dataclass(frozen=True, slots=True)
class CodeSetUsed:
    """Which release of a code system decided."""

    system: str
    version: str
    effective_from: date
    effective_to: date | None = None


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """Which model read the notes."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SkippedNote:
    """A note or other input that was not, or not wholly, read."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewCoverage:
    """What was read and what was not."""

    notes_read: tuple[str, ...]
    notes_skipped: tuple[SkippedNote, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodingReview:
    """The review. `id` and `created` are given by the caller: the review itself is a pure function."""

    id: str
    created: datetime
    patient: str
    encounter: str | None
    setting: str
    code_sets: tuple[CodeSetUsed, ...]
    model: ModelUsed
    diagnoses: tuple[CodeAssignment, ...]  # in sequence; the principal first
    procedures: tuple[CodeAssignment, ...] = ()
    supplies: tuple[CodeAssignment, ...] = ()
    not_coded: tuple[NotCoded, ...] = ()
    queries: tuple[DocumentationQuery, ...] = ()
    claim_findings: tuple[ClaimFinding, ...] = ()
    denial_risk: DenialRisk | None = None  # None where no remittances trained it
    grouping: Grouping | None = None
    coverage: ReviewCoverage = ReviewCoverage(())
    timing_ms: tuple[tuple[str, float], ...] = ()
