"""Claim edits: what a payer would stop, found before the claim leaves. For the coder only.

Sources: Medicare Code Editor (CMS), definitions of its edits; conventions I.A of the ICD-10-CM Official Guidelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from cds_service.review.admission import UNKNOWN
from cds_service.review.case import Case
from cds_service.review.claims import grouped, necessity_findings, service_findings, services_of
from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.codeset_gate import service_code_findings
from cds_service.review.guidelines.drugs import intent
from cds_service.review.model import ClaimFinding, DenialRisk, Grouping, Meat
from cds_service.review.payer import payer_findings
from cds_service.review.risk import support, unsupported
from cds_service.review.sequencing import may_be_first
from cds_service.review.sheet import Line
from cds_service.review.spans import forbidden_pairs
from cds_service.review.specificity import side_of, sides
from fhir_mappers.record import EncounterRecord, Order, Patient

_EDITOR = "Medicare Code Editor, definitions of code edits"
_NEVER_FIRST = "ICD-10-CM Official Guidelines, I.A.13 and I.C.21.c; tabular list, code first"
_LATERALITY_FROM = date(2022, 4, 1)  # MCE edit 20
_SEX_UNTIL = date(2024, 9, 30)  # MCE no longer applies its sex conflict edit from October 2024
_DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Group:
    """Codes that conflict with a property of a patient, by prefix or by words of their title."""

    name: str
    codes: tuple[str, ...]
    titles: re.Pattern[str] | None
    first: int = 0  # least age in years
    last: int = 200

    def holds(self, code: str, title: str) -> bool:
        """Tell whether a code is of this group."""
        return code.startswith(self.codes) or bool(self.titles and self.titles.search(title.lower()))


class EditTables:
    """The tables of the claim edits."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Take a table as parsed from TOML. Raises KeyError where a part is missing."""
        self.version: str = table["version"]
        self.sex = {sex: _group(sex, table[sex]) for sex in ("female", "male")}
        self.ages = tuple(_group(entry["name"], entry) for entry in table["age"])
        self.effective_from: date = table["effective_from"]
        self.not_principal: tuple[str, ...] = tuple(table["principal"]["codes"])
        self.manifestation: tuple[str, ...] = tuple(table["manifestation"]["codes"])
        self.needs_secondary: tuple[str, ...] = tuple(table["needs_secondary"]["codes"])
        self.unspecified: tuple[str, ...] = tuple(table["unspecified"]["codes"])
        self.first_listed: tuple[str, ...] = tuple(table["first_listed"]["codes"])


def _group(name: str, entry: Mapping[str, Any]) -> Group:
    titles = re.compile("|".join(entry["titles"])) if entry["titles"] else None
    return Group(name, tuple(entry["codes"]), titles, entry.get("from", 0), entry.get("to", 200))


@dataclass(frozen=True, slots=True)
class PayerView:
    """What the tables of payers say of a case: for the coder only."""

    findings: tuple[ClaimFinding, ...]
    grouping: Grouping | None
    complications: Mapping[str, str]  # secondary diagnosis -> "CC" | "MCC"
    support: Mapping[str, tuple[Meat, ...]]  # diagnosis with a risk category -> what supports it
    risk: DenialRisk | None = None  # learned from the organization's own remittances


def payer_view(lines: Sequence[Line], case: Case) -> PayerView:
    """Return the MS-DRG of a settled case, the findings on it, and what they mean by the organization's own remittances."""
    grouping, complications = grouped(lines, case, case.knowledge.grouper)
    supported = support(lines, case)
    findings = case_findings(lines, supported, case)
    learned = case.knowledge.learned
    risk = learned.risk((f.edit for f in findings), case.record.setting.value) if learned else None
    return PayerView(findings, grouping, complications, supported, risk)


def case_findings(lines: Sequence[Line], supported: Mapping[str, tuple[Meat, ...]], case: Case) -> tuple[ClaimFinding, ...]:
    """Return the findings on the reviewed diagnoses, on those that the chart codes for this encounter, on services and draft orders, each once."""
    reviewed = [line.code for line in lines]
    charted = sorted((p for p in case.record.problems if p.category == "encounter-diagnosis"), key=lambda p: p.source)
    claims = (reviewed, [code for p in charted if (code := p.concept.code_in(ICD10CM))])
    tables = case.knowledge.claims
    services = services_of(case.record, case.on)
    found = (
        *(f for claim in claims for f in claim_findings(claim, case.record, case.codes, case.knowledge.edits, case.on)),
        *_admission(lines, case.codes),
        *order_findings(case.record, reviewed, case.codes),
        *service_code_findings(services, case.knowledge.code_sets),
        *service_findings(services, tables.pairs, tables.limits),
        *necessity_findings(services, reviewed, tables.policies),
        *unsupported(supported, case),
        *payer_findings(reviewed, case.record, case.knowledge.payers, case.on),
    )
    return case.knowledge.denials.told(dict.fromkeys(found))


def _admission(lines: Sequence[Line], codes: CodeSet) -> Iterator[ClaimFinding]:
    unclear = [line.code for line in lines if line.admission == UNKNOWN]
    if unclear:
        text = f"Whether {', '.join(unclear)} was present on admission is not documented."
        remedy = "Ask the provider, and report Y, N or W."
        yield _finding("admission.missing", unclear, codes, text, remedy, table="ICD-10-CM Official Guidelines, Appendix I", severity="warning")


def claim_findings(claim: Sequence[str], record: EncounterRecord, codes: CodeSet, tables: EditTables, on: date) -> tuple[ClaimFinding, ...]:
    """Return what is wrong with a claim of an encounter.

    Args:
        claim: diagnosis codes in sequence, the principal or first-listed one first.
        record: the encounter, for the patient and the setting.
        codes: the release in force on `on`.
        tables: tables of the edits.
        on: date of service or discharge.
    """
    known = [code for code in claim if codes.is_valid(code)]
    complete = [code for code in claim if codes.is_billable(code)]
    found = [
        *_validity(claim, codes),
        *_pairs(known, codes),
        *_first(claim, record, codes, tables),
        *_laterality(known, codes, tables, on),
        *_patient(complete, record.patient, codes, tables, on),
        *_duplicates(claim, codes),
    ]
    return tuple(found)


def _finding(
    edit: str,
    claim: Iterable[str],
    codes: CodeSet,
    explanation: str,
    remedy: str,
    *,
    table: str = _EDITOR,
    severity: str = "critical",
    order: Order | None = None,
    period: tuple[date, date | None] | None = None,
) -> ClaimFinding:
    begins, ends = period or (codes.effective_from, codes.effective_to)
    orders = (order.source,) if order else ()
    return ClaimFinding(edit, tuple(claim), table, codes.version, explanation, remedy, severity, orders, begins, ends)


def _validity(claim: Iterable[str], codes: CodeSet) -> Iterator[ClaimFinding]:
    table = "ICD-10-CM code set"
    for code in dict.fromkeys(claim):
        if codes.is_billable(code):
            continue
        if not codes.is_valid(code):
            gone = codes.retired.get(code)
            text = gone.told() if gone else f"{code} is no code of ICD-10-CM on the date of service."
            yield _finding("code.invalid", [code], codes, text, "Choose a code that is valid on this date.", table=table)
        elif codes.seventh(code) and not codes.children(code):
            text = f"{code} lacks its 7th character."
            yield _finding("code.seventh-character", [code], codes, text, "Complete it with the character for the episode of care.", table=table)
        else:
            gone = codes.retired.get(code)
            text = gone.told() if gone else f"{code} is a heading: it isn't complete."
            yield _finding("code.incomplete", [code], codes, text, "Choose one of the codes below it.", table=table)


def _pairs(claim: Sequence[str], codes: CodeSet) -> Iterator[ClaimFinding]:
    for one, other in forbidden_pairs(codes, claim):
        text = f"An Excludes1 note forbids {one} and {other} together."
        remedy = "Keep the one that the documentation supports; both only if they are unrelated conditions."
        yield _finding("excludes1", [one, other], codes, text, remedy, table="ICD-10-CM tabular list, Excludes1")


def _first(claim: Sequence[str], record: EncounterRecord, codes: CodeSet, tables: EditTables) -> Iterator[ClaimFinding]:
    if not claim or not codes.is_billable(claim[0]):
        return  # what is no code can't be judged by its place
    code, inpatient = claim[0], record.setting.value == "inpatient"
    if code.startswith(tables.manifestation):
        text = f"{code} is a manifestation: it can't stand first."
        yield _finding("principal.manifestation", [code], codes, text, "Put the underlying disease before it.")
    elif code[0] in "VWXY":
        text = f"{code} is an external cause: it can't stand first."
        yield _finding("principal.external-cause", [code], codes, text, "Put the injury or condition before it.")
    elif inpatient and (code.startswith(tables.not_principal) or intent(code) in ("5", "6")):
        text = f"{code} describes a circumstance, a finding or a consequence, and is not accepted as principal diagnosis."
        yield _finding("principal.unacceptable", [code], codes, text, "Put the condition that was treated first.")
    elif not may_be_first(code, codes):
        text = f"{code} may not stand first: the classification wants another code before it."
        yield _finding("principal.never-first", [code], codes, text, "Put the condition treated, or the underlying disease, first.", table=_NEVER_FIRST)
    elif inpatient and len(claim) == 1 and code.startswith(tables.needs_secondary):
        text = f"{code} is accepted as principal diagnosis only with another beside it."
        yield _finding("principal.needs-secondary", [code], codes, text, "Add the condition that the care is for.")
    if not inpatient and not code.startswith(tables.first_listed):
        for later in (c for c in claim[1:] if c.startswith(tables.first_listed)):
            text = f"{later} is for the first place only, and {code} stands there."
            yield _finding("first-listed.only", [later, code], codes, text, "Put it first, or drop it where it was not the reason.", severity="warning")


def _laterality(claim: Iterable[str], codes: CodeSet, tables: EditTables, on: date) -> Iterator[ClaimFinding]:
    if on < _LATERALITY_FROM:
        return
    for code in dict.fromkeys(claim):
        sided = side_of(codes.title(code)) == "unspecified" and bool(sides(codes, code))
        if sided or code.startswith(tables.unspecified):
            text = f"{code} names no {'side' if sided else 'exact site'}, and codes that do exist."
            remedy = f"Code the {'side' if sided else 'site'} from the record, or ask the provider."
            yield _finding("laterality.unspecified", [code], codes, text, remedy, severity="warning", period=(_LATERALITY_FROM, None))


def _patient(claim: Iterable[str], patient: Patient, codes: CodeSet, tables: EditTables, on: date) -> Iterator[ClaimFinding]:
    age = _age(patient, on)
    table = f"{_EDITOR}, v{tables.version}"
    for code in dict.fromkeys(claim):
        groups = _groups(tables, codes, code)
        for group in (g for g in groups if g in tables.ages):
            if age is not None and not group.first <= age <= group.last:
                text = f"{code} is a code for the ages {group.first} to {group.last}; the patient is {age}."
                yield _finding("age.conflict", [code], codes, text, "Check the birth date and the code.", table=table)
        for sex, other in (("female", "male"), ("male", "female")):
            if on <= _SEX_UNTIL and patient.gender == other and tables.sex[sex] in groups and tables.sex[other] not in groups:
                text = f"{code} is a code for {sex} patients; the record says {other}."
                remedy = "Check the administrative sex and the code."
                yield _finding("sex.conflict", [code], codes, text, remedy, table=table, period=(codes.effective_from, _SEX_UNTIL))


@lru_cache(maxsize=8192)
def _groups(tables: EditTables, codes: CodeSet, code: str) -> tuple[Group, ...]:
    title = codes.title(code)
    return tuple(g for g in (*tables.ages, *tables.sex.values()) if g.holds(code, title))


def told_edits(code: str, tables: EditTables, codes: CodeSet, on: date) -> list[str]:
    """Return in words which edits of the tables hold for a code on a date, whatever claim it stands on."""
    title = codes.title(code)
    lists = (
        ("principal.manifestation: a manifestation, never first", tables.manifestation),
        ("principal.unacceptable: no principal diagnosis of a stay", tables.not_principal),
        ("principal.needs-secondary: principal diagnosis only beside another", tables.needs_secondary),
        ("first-listed.only: for the first place only, outside a stay", tables.first_listed),
    )
    found = [told for told, prefixes in lists if code.startswith(prefixes)]
    if code[0] in "VWXY":
        found.append("principal.external-cause: an external cause, never first")
    if not may_be_first(code, codes):
        found.append("principal.never-first: the classification wants another code before it")
    found += [f"age.conflict: {group.name}, {group.first} to {group.last} years" for group in tables.ages if group.holds(code, title)]
    if on <= _SEX_UNTIL:
        found += [f"sex.conflict: {sex} patients" for sex, group in tables.sex.items() if group.holds(code, title)]
    found += [f"{f.edit}: {f.explanation}" for f in (*_validity([code], codes), *_laterality([code], codes, tables, on))]
    return [f"{told} ({_EDITOR}, v{tables.version})" for told in found]


def _age(patient: Patient, on: date) -> int | None:
    born = patient.birth_date
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day)) if born else None


def _duplicates(claim: Sequence[str], codes: CodeSet) -> Iterator[ClaimFinding]:
    for code in dict.fromkeys(c for c in claim if claim.count(c) > 1):
        yield _finding("code.duplicate", [code], codes, f"{code} stands twice.", "Report each code once (guideline I.B.12).")


def order_findings(record: EncounterRecord, supported: Sequence[str], codes: CodeSet) -> tuple[ClaimFinding, ...]:
    """Return what is wrong with the draft orders of a record.

    Args:
        record: the encounter with its orders; those with status "draft" are being signed.
        supported: codes that the review supports, in sequence: what an indication may be chosen from.
        codes: the release in force.
    """
    drafts = sorted((o for o in record.orders if o.status == _DRAFT), key=lambda o: o.source)
    return tuple(f for order in drafts for f in _order(order, supported, codes))


def _order(order: Order, supported: Sequence[str], codes: CodeSet) -> Iterator[ClaimFinding]:
    table = "Medicare Benefit Policy and Claims Processing Manuals: an order for a diagnostic test names its indication"
    named = order.concept.label or order.source
    given = [code for reason in order.reasons if (code := reason.code_in(ICD10CM))]
    if not order.reasons:
        choice = ", ".join(supported[:3])
        remedy = f"Add the indication from the diagnoses of this encounter ({choice})." if choice else "Add the diagnosis, sign or symptom that is the reason."
        yield _finding("order.no-indication", (), codes, f"The order \"{named}\" names no indication.", remedy, table=table, severity="warning", order=order)
    for code in given:
        if not codes.is_billable(code):
            text = f"The indication {code} of the order \"{named}\" is not a complete, valid code on this date."
            yield _finding("order.indication-invalid", [code], codes, text, "Choose a complete code.", table="ICD-10-CM code set", order=order)
