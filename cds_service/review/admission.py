"""Present on admission: the indicator of each diagnosis of an inpatient, and why.

Appendix I of the ICD-10-CM Official Guidelines: Y present at the time of the order for inpatient admission, N not present, U documentation
insufficient to tell, W the provider can't tell, 1 exempt from reporting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.support import GUIDELINES, together
from cds_service.review.model import Evidence, EvidenceKind, Rationale
from cds_service.review.sequencing import may_be_first
from cds_service.review.sheet import Line
from onnx_models.reading import Experiencer, Polarity, Temporality

YES, NO, UNKNOWN, UNDETERMINED, EXEMPT = "Y", "N", "U", "W", "1"
_SOURCE = f"{GUIDELINES}, Appendix I"
# Sections that tell what the patient came with.
_BEFORE = ("chief_complaint", "hpi", "past_medical", "past_surgical", "medications", "admission_diagnosis", "social", "indication")
_ADMITTING = ("h&p", "history and physical", "admission", "emergency", "ed note", "ed provider", "triage", "transfer")
_LATER_CARE = "DEFGHJKMNPQRS"  # 7th characters of subsequent care and sequela


@dataclass(frozen=True, slots=True)
class AdmissionTable:
    """Which codes are exempt, and which name what is there for good."""

    version: str
    effective_from: date
    exempt: tuple[str, ...]
    chronic: tuple[str, ...]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> AdmissionTable:
        """Take a table as parsed from TOML. Raises KeyError where a part is missing."""
        return cls(table["version"], table["effective_from"], tuple(table["exempt"]), tuple(table["chronic"]))

    def is_exempt(self, code: str) -> bool:
        """Tell whether no indicator is reported for a code."""
        later = len(code) == 8 and code[0] in "STVWXY" and code[-1] in _LATER_CARE
        return later or code.startswith(self.exempt)

    def is_lasting(self, code: str, codes: CodeSet) -> bool:
        """Tell whether a code names a chronic or congenital condition: present even where it is first diagnosed during the stay."""
        title = codes.title(code).lower()
        return code.startswith(self.chronic) or ("chronic" in title and "acute" not in title)


def with_admission(lines: Sequence[Line], case: Case) -> tuple[Line, ...]:
    """Return the lines of a case, each with its indicator and the rule that gave it; unchanged where the patient is no inpatient."""
    if not case.inpatient:
        return tuple(lines)
    return tuple(_told(line, *_indicator(line, case, first=at == 0)) for at, line in enumerate(lines))


def _told(line: Line, indicator: str, rule: str, text: str) -> Line:
    reason = Rationale(f"appendix.I.{rule}", text, _SOURCE)
    return replace(line, admission=indicator, rationale=(*line.rationale, reason))


def _indicator(line: Line, case: Case, *, first: bool) -> tuple[str, str, str]:
    """Return indicator, rule and reason. The documentation's own words come before every presumption."""
    table = case.knowledge.admission
    if table.is_exempt(line.code):
        return EXEMPT, "exempt", "The code is exempt from reporting."
    for indicator, cue, rule, text in (
        (UNDETERMINED, "admission_undetermined", "undetermined", "The provider says that it can't be determined."),
        (NO, "not_on_admission", "not-present", "The documentation says that it began during the stay."),
        (YES, "present_on_admission", "documented", "The documentation says that it was present on admission."),
    ):
        if together(case, cue, line.evidence):
            return indicator, rule, text
    if table.is_lasting(line.code, case.codes):
        return YES, "lasting", "A chronic or congenital condition is present on admission even where it is diagnosed during the stay."
    if any(_at_admission(e, case) for e in line.evidence):
        return YES, "at-admission", "It is documented in what the patient came with."
    suspected, symptom = _foreshadowed(line, case)
    if suspected:
        return YES, "suspected", "It was suspected, or named less exactly, at admission, and confirmed later."
    if symptom:
        return YES, "symptom", f"It explains a symptom that the patient came with ({symptom})."
    if first and may_be_first(line.code, case.codes):
        return YES, "principal", "The principal diagnosis is what occasioned the admission."
    return UNKNOWN, "insufficient", "Only later notes name it, and none says when it began: the provider is asked."


def _at_admission(evidence: Evidence, case: Case) -> bool:
    """Tell whether evidence stems from before, or from the day of, the admission, or tells of what led to it."""
    start = case.record.start.date() if case.record.start else None
    day = evidence.when.date() if evidence.when else None
    if evidence.kind is EvidenceKind.STRUCTURED:
        return bool(start and day and day <= start)
    title = next((n.title.lower() for n in case.notes if n.source == evidence.source), "")
    return evidence.section in _BEFORE or any(word in title for word in _ADMITTING) or bool(start and day and day <= start)


def _foreshadowed(line: Line, case: Case) -> tuple[bool, str | None]:
    """Return whether notes of the admission name the same category, however doubtfully, and the symptom they name that belongs to the diagnosis."""
    symptom = None
    for statement in case.statements:
        assertion, code = statement.mention.assertion, statement.likeliest
        if assertion.polarity is Polarity.NEGATED or assertion.experiencer is not Experiencer.PATIENT or not code:
            continue
        same = code[:3] == line.code[:3] and assertion.temporality is Temporality.CURRENT
        belongs = symptom is None and assertion.is_asserted and any(case.knowledge.integral.holders(code, (line,)))
        if (same or belongs) and _at_admission(statement.evidence, case):
            if same:
                return True, None
            symptom = case.codes.title(code)
    return False, symptom


def indicators(lines: Iterable[Line]) -> dict[str, str]:
    """Return the indicators by code, as a claim carries them."""
    return {line.code: line.admission for line in lines if line.admission}
