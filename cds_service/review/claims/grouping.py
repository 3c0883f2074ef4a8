"""Grouping: the MS-DRG of an inpatient stay by the chart's own diagnoses, and by those of the review.

The grouper itself is software that follows CMS's definitions manual (the package msdrg); it is reached through `Grouper`, so that another can take
its place, and so that a review without one is a review without an MS-DRG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from cds_service.review.admission import indicators
from cds_service.review.case import Case
from cds_service.review.codeset import ICD10CM
from cds_service.review.model import DiagnosisGroup, Grouping
from cds_service.review.sheet import Line

ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"


@dataclass(frozen=True, slots=True)
class Stay:
    """What decides on a group: codes with dots, the principal diagnosis first."""

    diagnoses: tuple[str, ...]
    procedures: tuple[str, ...]  # ICD-10-PCS
    age: int
    sex: str  # "male" | "female" | "unknown"
    died: bool
    on: date  # discharge
    present_on_admission: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupedStay:
    """The group of a stay, and what each secondary diagnosis weighs."""

    group: DiagnosisGroup
    complications: Mapping[str, str]  # secondary diagnosis -> "CC" | "MCC"
    version: str
    effective_from: date
    effective_to: date | None
    source: str


class Grouper(Protocol):
    """Software that groups stays."""

    def group(self, stay: Stay) -> GroupedStay | None:
        """Return the group of a stay; None where it has no release for the date, or can't group."""


def grouped(lines: Sequence[Line], case: Case, grouper: Grouper | None) -> tuple[Grouping | None, Mapping[str, str]]:
    """Return the groups of an inpatient stay before and after the review, and the complications among the reviewed diagnoses."""
    if grouper is None or not case.inpatient or not lines:
        return None, {}
    after = grouper.group(_stay([line.code for line in lines], case, indicators(lines)))
    if after is None:
        return None, {}
    charted = _charted(case, lines[0].code)
    before = grouper.group(_stay(charted, case, {})) if charted else None
    grouping = Grouping("MS-DRG", after.version, after.effective_from, after.effective_to, after.group, before.group if before else None, after.source)
    return grouping, after.complications


def _charted(case: Case, principal: str) -> list[str]:
    """Return the chart's own diagnoses of the encounter; the review's principal diagnosis first where it is among them."""
    found = sorted((p for p in case.record.problems if p.category == "encounter-diagnosis"), key=lambda p: p.source)
    codes = list(dict.fromkeys(code for p in found if (code := p.concept.code_in(ICD10CM))))
    return sorted(codes, key=lambda code: code != principal)


def _stay(diagnoses: Sequence[str], case: Case, admission: Mapping[str, str]) -> Stay:
    patient, procedures = case.record.patient, case.record.procedures
    done = sorted(code for p in procedures if p.status in (None, "completed") and (code := p.concept.code_in(ICD10PCS)))
    born = patient.birth_date
    age = case.on.year - born.year - ((case.on.month, case.on.day) < (born.month, born.day)) if born else 65
    sex = patient.gender if patient.gender in ("male", "female") else "unknown"
    return Stay(tuple(diagnoses), tuple(dict.fromkeys(done)), max(age, 0), sex, patient.deceased, case.on, admission)
