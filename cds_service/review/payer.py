"""Payers' own rules: conditions on a claim, with dates and a source. For the coder only; no card and no question shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from cds_service.review.claims.services import services_of
from cds_service.review.model import ClaimFinding
from fhir_mappers.record import EncounterRecord


@dataclass(frozen=True, slots=True)
class Claim:
    """What a payer's rule looks at."""

    diagnoses: tuple[str, ...]  # in sequence
    services: tuple[str, ...] = ()
    setting: str = "outpatient"
    sex: str | None = None
    age: int | None = None  # whole years on the date of service


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a claim. Codes are prefixes: "E11" is every code below it."""

    diagnoses: tuple[str, ...] = ()
    first: tuple[str, ...] = ()  # of the first-listed or principal diagnosis
    services: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    sex: str | None = None
    age_from: int | None = None
    age_to: int | None = None

    def answers(self, claim: Claim) -> Iterator[bool]:
        """Yield for each thing asked whether it holds; what the claim doesn't tell doesn't hold."""
        if self.diagnoses:
            yield any(c.startswith(self.diagnoses) for c in claim.diagnoses)
        if self.first:
            yield any(c.startswith(self.first) for c in claim.diagnoses[:1])
        if self.services:
            yield any(c.startswith(self.services) for c in claim.services)
        if self.settings:
            yield claim.setting in self.settings
        if self.sex:
            yield claim.sex == self.sex
        if self.age_from is not None:
            yield claim.age is not None and claim.age >= self.age_from
        if self.age_to is not None:
            yield claim.age is not None and claim.age <= self.age_to


@dataclass(frozen=True, slots=True)
class PayerTest:
    """A claim of which a rule file itself says whether the rule finds something."""

    name: str
    on: date
    claim: Claim
    finds: bool


@dataclass(frozen=True, slots=True)
class PayerRule:
    """One rule of a payer: it finds something where all of `when` holds and nothing of `unless`."""

    id: str
    title: str
    source: str
    explanation: str
    remedy: str
    when: Condition
    unless: Condition
    begins: date
    ends: date | None = None
    severity: str = "warning"
    reason_code: str | None = None
    tests: tuple[PayerTest, ...] = ()

    def in_force(self, on: date) -> bool:
        """Tell whether the rule applies on a date of service."""
        return self.begins <= on and (self.ends is None or on <= self.ends)

    def finds(self, claim: Claim, on: date) -> bool:
        """Tell whether the rule finds something on a claim."""
        return self.in_force(on) and all(self.when.answers(claim)) and not any(self.unless.answers(claim))


@dataclass(frozen=True, slots=True)
class PayerRules:
    """The rules of one payer's file."""

    payer: str
    version: str
    names: tuple[str, ...] = ()  # of the payer, as coverages give it; empty: every claim
    rules: tuple[PayerRule, ...] = field(default=())

    def covers(self, record: EncounterRecord) -> bool:
        """Tell whether a record's coverage is of this payer."""
        payers = {c.payer.strip().casefold() for c in record.coverages if c.payer}
        return not self.names or any(n.casefold() in payers for n in self.names)


def payer_findings(diagnoses: Sequence[str], record: EncounterRecord, payers: Sequence[PayerRules], on: date) -> tuple[ClaimFinding, ...]:
    """Return what the rules of the payers that cover a patient find on the diagnoses and services of an encounter."""
    of_patient = [p for p in payers if p.covers(record)]
    if not of_patient:
        return ()
    services = services_of(record, on)
    born = record.patient.birth_date
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day)) if born else None
    claim = Claim(tuple(diagnoses), tuple(dict.fromkeys(s.code for s in services)), record.setting.value, record.patient.gender, age)
    return tuple(
        ClaimFinding(
            f"payer.{rule.id}",
            (
                *(c for c in claim.diagnoses if c.startswith((*rule.when.diagnoses, *rule.when.first) or ("-",))),
                *(c for c in claim.services if rule.when.services and c.startswith(rule.when.services)),
            ),
            f"{payer.payer}: {rule.source}",
            payer.version,
            rule.explanation,
            rule.remedy,
            rule.severity,
            tuple(dict.fromkeys(s.source for s in services if s.is_order and rule.when.services and s.code.startswith(rule.when.services))),
            rule.begins,
            rule.ends,
            rule.reason_code,
        )
        for payer in of_patient
        for rule in payer.rules
        if rule.finds(claim, on)
    )
