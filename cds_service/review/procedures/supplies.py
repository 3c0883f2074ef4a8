"""Supplies and drugs by HCPCS Level II: from administrations, orders and notes to codes with their billing units.

Outpatients only: drugs and supplies of a stay are part of its payment (Medicare Claims Processing Manual, chapter 3). Only what was given counts; a dose that
isn't documented, or that the code counts otherwise, is told and not guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.model import CodeAssignment, Evidence, EvidenceKind, NotCoded, Rationale
from cds_service.review.procedures.doses import Amount, Counted, Form, all_words, amounts, counted, drug_words, units
from cds_service.review.procedures.phrases import Phrases, words_of
from cds_service.review.procedures.titles import titles_of, told
from cds_service.review.structured import medication_evidence, order_evidence
from fhir_mappers.record import Medication, Order
from fhir_mappers.systems import HCPCS
from onnx_models.assertion import judge
from onnx_models.segmenter import section_at

_MANUAL = "Medicare Claims Processing Manual, chapter 17, sections 10 and 90.2"
_GIVEN_STATUS = (None, "completed", "in-progress")
_ORDERED_STATUS = ("active", "completed")
_ADMINISTERED, _SAID, _ORDERED, _CHARTED = 0.95, 0.9, 0.85, 0.95
_SUPPLY_LETTERS = "AEKLVQ"
_ROUTES = (
    (Form.INHALATION, re.compile(r"\b(?:nebuli[sz]\w*|inhal\w*|neb|nebs|respiratory)\b", re.I)),
    (Form.ORAL, re.compile(r"\b(?:oral(?:ly)?|p\.?o\.?|by mouth|tablets?|tabs?|capsules?|chewable|sublingual)\b", re.I)),
    (
        Form.INJECTION,
        re.compile(
            r"\b(?:i\.?v\.?|ivpb|ivp|i\.?m\.?|s\.?c\.?|sub-?q|sq|subcut\w*|intravenous\w*|intramuscular\w*|inject\w*|infus\w*|bolus|push|"
            r"intra-?articular|intrathecal|vial|syringe|piggyback)\b",
            re.I,
        ),
    ),
)
_GIVEN = re.compile(r"\b(?:given|gave|administered|received|receiving|injected|infused|was treated with|pushed|got)\b", re.I)
_NOT_GIVEN = re.compile(
    r"\b(?:prescri\w+|will (?:be )?(?:give|receive|start|get)\w*|plan\w*|consider\w*|offered|declin\w+|refus\w+|to be given|if (?:needed|pain)|prn at home|"
    r"not (?:given|administered)|held|at home|takes|taking|home med\w*|discharge\w* (?:on|with)|allerg\w+|rx|continue)\b",
    re.I,
)
_NOT_SECTIONS = frozenset({"medications", "past_medical", "past_surgical", "allergies", "family", "social", "instructions", "ros"})


@dataclass(frozen=True, slots=True)
class _Dose:
    """A drug that was given."""

    day: date
    label: str
    form: Form | None
    amount: Amount | None
    evidence: Evidence
    confidence: float


@dataclass(frozen=True, slots=True)
class Supplies:
    """What was given and supplied, and what is left open."""

    coded: tuple[CodeAssignment, ...] = ()
    not_coded: tuple[NotCoded, ...] = ()


def supplies(case: Case, release: CodeSet) -> Supplies:
    """Return drugs and supplies by the release of HCPCS Level II in force."""
    drugs = _drugs_of(release)
    doses = [*_administered(case), *_said(case, drugs)]
    coded: list[CodeAssignment] = []
    left: list[NotCoded] = []
    for one in (*_drugs(doses, drugs, release), *_ordered(case, release)):
        if isinstance(one, CodeAssignment):
            coded.append(one)
        else:
            left.append(one)
    return Supplies(tuple(coded), tuple(left))


@lru_cache(maxsize=4)
def _drugs_of(release: CodeSet) -> Mapping[tuple[str, ...], tuple[Counted, ...]]:
    """Return the codes of drugs that count a dose, by the words of the drug in order of the alphabet."""
    found: dict[tuple[str, ...], list[Counted]] = defaultdict(list)
    for code, entry in release.entries.items():
        if (drug := counted(code, entry.title)) is not None and release.is_billable(code):
            found[tuple(sorted(drug.drug))].append(drug)
    return {words: tuple(codes) for words, codes in found.items()}


def _administered(case: Case) -> Iterator[_Dose]:
    """Yield what administrations of the encounter's days say was given."""
    start, end = case.record.start, case.record.end
    first = start.date() if start else case.on
    last = end.date() if end else case.on
    for one in sorted(case.record.medications, key=lambda m: m.source):
        if one.kind != "administration" or one.status not in _GIVEN_STATUS:
            continue
        if one.date is None or not first <= one.date.date() <= max(first, last):
            continue
        yield _Dose(one.date.date(), one.concept.label, _form_of(one), _amount_of(one), medication_evidence(one), _ADMINISTERED)


def _amount_of(given: Medication) -> Amount | None:
    if given.dose is not None and given.dose_unit:
        return Amount.of(given.dose, given.dose_unit)
    found = amounts(given.dosage or "")
    return found[0][2] if len(found) == 1 else None


def _form_of(given: Medication) -> Form | None:
    for words in (given.route, given.dosage, given.concept.label):
        if words and (form := _route(words)):
            return form
    return None


def _route(words: str) -> Form | None:
    return next((form for form, pattern in _ROUTES if pattern.search(words)), None)


def _said(case: Case, drugs: Mapping[tuple[str, ...], tuple[Counted, ...]]) -> Iterator[_Dose]:
    """Yield what sentences of notes say was given: drug, dose and a word of giving, where no administration of the drug is in the record."""
    known = {tuple(sorted(drug_words(m.concept.label))) for m in case.record.medications if m.kind == "administration"}
    charted = {w for words in known for w in words}
    phrases = _phrases_of(tuple(drugs))
    for note in case.notes:
        if note.is_report or note.is_transcript or note.copied_from:
            continue
        for sentence in case.readings[note.source].sentences:
            line = note.text[sentence.begin : sentence.end]
            if not _GIVEN.search(line) or _NOT_GIVEN.search(line):
                continue
            section = section_at(case.readings[note.source].sections, sentence.begin).kind
            if section in _NOT_SECTIONS:
                continue
            for hit in phrases.find(words_of(note.text, sentence.begin, sentence.end)):
                if charted & set(hit.value):
                    continue
                near = [(b, e, a) for b, e, a in amounts(line) if -40 <= b + sentence.begin - hit.end <= 25 or 0 <= hit.begin - (e + sentence.begin) <= 10]
                assertion = judge(note.text, (sentence.begin, sentence.end), (hit.begin, hit.end), section).assertion
                if not near or not assertion.is_asserted:
                    continue
                begin, end, amount = min(near, key=lambda n: abs(n[0] + sentence.begin - hit.end))
                low, high = min(hit.begin, begin + sentence.begin), max(hit.end, end + sentence.begin)
                place = (low, high, section, assertion, case.sha256[note.source], note.date)
                evidence = Evidence(EvidenceKind.NOTE, note.source, note.text[low:high], *place)
                yield _Dose(case.on, note.text[hit.begin : hit.end], _route(line), amount, evidence, _SAID)


@lru_cache(maxsize=4)
def _phrases_of(drugs: tuple[tuple[str, ...], ...]) -> Phrases[tuple[str, ...]]:
    return Phrases((" ".join(order), words) for words in drugs for order in {words, words[::-1]})


def _drugs(doses: Sequence[_Dose], drugs: Mapping[tuple[str, ...], tuple[Counted, ...]], release: CodeSet) -> Iterator[CodeAssignment | NotCoded]:
    """Yield a code with its units for each drug and day, or why there is none."""
    by_day: dict[tuple[str, date], list[tuple[_Dose, Counted]]] = defaultdict(list)
    for dose in doses:
        found = _codes_of(dose, drugs)
        if not found:
            continue
        why = _unclear(dose, found)
        if why:
            yield NotCoded(found[0].code, release.title(found[0].code), (dose.evidence,), why, "supply.open")
            continue
        by_day[found[0].code, dose.day].append((dose, found[0]))
    yield from _one_line_a_code(by_day, release)


def _codes_of(dose: _Dose, drugs: Mapping[tuple[str, ...], tuple[Counted, ...]]) -> tuple[Counted, ...]:
    """Return the codes of the drug in the form and salt it was given, those of one brand only where no other is there."""
    words = set(drug_words(dose.label))
    names = [name for name in drugs if set(name) <= words]
    longest = max((len(n) for n in names), default=0)
    found = [c for name in names if len(name) == longest for c in drugs[name]]
    found = [c for c in found if dose.form is None or c.form is dose.form]
    found = [c for c in found if not c.brand] or found
    label = all_words(dose.label)
    fit = max((len(c.whole & label) for c in found), default=0)
    return tuple(sorted((c for c in found if len(c.whole & label) == fit), key=lambda c: c.code))


def _unclear(dose: _Dose, found: Sequence[Counted]) -> str:
    if dose.form is None and any(c.form is not Form.ORAL for c in found):
        return f"route not documented: {told(c.code for c in found)}"
    if len(found) > 1:
        return f"several codes of this drug: {told(c.code for c in found)}"
    if dose.amount is None:
        return f"dose not documented: {found[0].code} counts {found[0].per.told()}"
    if dose.amount.unit != found[0].per.unit:
        return f"dose documented in {dose.amount.unit}, and {found[0].code} counts {found[0].per.told()}"
    return ""


def _one_line_a_code(by_day: Mapping[tuple[str, date], Sequence[tuple[_Dose, Counted]]], release: CodeSet) -> Iterator[CodeAssignment]:
    lines: dict[str, CodeAssignment] = {}
    for (code, _), given in sorted(by_day.items()):
        per = given[0][1].per
        doses = [d.amount for d, _ in given if d.amount is not None]
        number = units(doses, per)
        if number is None:
            continue
        total = sum((d.value for d in doses), start=doses[0].value * 0)
        why = Rationale("supply.units", f"{Amount(total, per.unit).told()} given; one unit is {per.told()}: {number} units, rounded up.", _MANUAL)
        evidence = tuple(d.evidence for d, _ in given)
        confidence = min(d.confidence for d, _ in given)
        line = CodeAssignment(code, HCPCS, release.title(code), confidence, None, True, evidence, (why,), units=number)
        before = lines.get(code)
        lines[code] = line if before is None else _with_more(before, line)
    yield from lines.values()


def _with_more(one: CodeAssignment, other: CodeAssignment) -> CodeAssignment:
    """Return one line for a code given on several days."""
    number = (one.units or 0) + (other.units or 0)
    return replace(one, evidence=(*one.evidence, *other.evidence), rationale=(*one.rationale, *other.rationale), units=number)


def _ordered(case: Case, release: CodeSet) -> Iterator[CodeAssignment | NotCoded]:
    """Yield supplies that are ordered: by their code, or by words that name a code wholly."""
    titles = titles_of(release, _SUPPLY_LETTERS)
    for order in sorted(case.record.orders, key=lambda o: o.source):
        if order.status not in _ORDERED_STATUS:
            continue
        code = order.concept.code_in(HCPCS)
        if code and release.is_billable(code):
            why = Rationale("supply.charted", "The order gives this code, and the release in force holds it.", f"HCPCS Level II {release.version}")
            yield _supply(order, code, release, _CHARTED, why)
        elif code is None and _is_supply(order):
            named = titles.named(order.concept.label)
            if named.code:
                why = Rationale("supply.title", "The order names what this code is called.", f"HCPCS Level II {release.version}")
                yield _supply(order, named.code, release, _ORDERED, why)
            elif named.others:
                first = named.others[0]
                yield NotCoded(first, release.title(first), (order_evidence(order),), f"several codes come near: {told(named.others)}", "supply.open")


def _is_supply(order: Order) -> bool:
    return order.source.startswith("DeviceRequest/")


def _supply(order: Order, code: str, release: CodeSet, confidence: float, why: Rationale) -> CodeAssignment:
    number = int(order.quantity) if order.quantity and order.quantity >= 1 else 1
    return CodeAssignment(code, HCPCS, release.title(code), confidence, None, release.is_billable(code), (order_evidence(order),), (why,), units=number)
