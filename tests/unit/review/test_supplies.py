"""Drugs and supplies by HCPCS Level II, and outpatient procedures by a customer's CPT file. All codes and titles of these files are invented."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.codesets.diagnoses import Terms
from cds_service.codesets.official import OfficialFile
from cds_service.codesets.procedures import cpt_release, hcpcs_release
from cds_service.review import CodingReview, Knowledge
from cds_service.review.codeset import CodeSets
from cds_service.review.procedures import doses
from cds_service.review.procedures.doses import Amount, Form, amounts, counted, units
from fhir_mappers import read_bundle
from fhir_mappers.record import Coding, Concept, Medication, Order, ProcedureDone, Setting
from fhir_mappers.systems import CPT, HCPCS
from tests.unit.codesets.official_files import hcpcs_record, write
from tests.unit.review.conftest import note, of, reading, record

DAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
TERMS = Terms("2026", date(2026, 1, 1), date(2026, 12, 31))
TITLES = {
    "J0001": "Injection, marshalol tromethamine, per 15 mg",
    "J0002": "Injection, bogazine sodium, 250 mg",
    "J0003": "Injection, bogazine sodium (fenbrand), not therapeutically equivalent to j0002, 500 mg",
    "J0004": "Fenterol, inhalation solution, unit dose, 1 mg",
    "J0005": "Injection, reedase acetate, 1 mg",
    "J0006": "Injection, reedase succinate, 40 mg",
    "J0007": "Injection, sedgepril, up to 2 ml",
    "E0001": "Walking staff, willow, adjustable height",
    "E0002": "Walking staff, ash, adjustable height",
    "A0001": "Moss dressing, sterile, each",
}
LICENSED = (
    "code,descriptor,effective_from,effective_to,replaced_by\n"
    "9000A,Excision of marsh lesion of the arm,2026-01-01,,\n"
    "9001A,Repair of widget tendon,2026-01-01,,\n"
    "9002A,Cholecystectomy by willow method,2026-01-01,,\n"
)


@pytest.fixture(scope="module")
def services(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    """All tables of the review, with the two invented releases."""
    folder = tmp_path_factory.mktemp("services")
    hcpcs = OfficialFile.of(write(folder / "HCPC2026_JAN_ANWEB.txt", [hcpcs_record(c, "3", t) for c, t in TITLES.items()]))
    path = folder / "cpt_2026.csv"
    path.write_text(LICENSED, encoding="utf-8")
    cpt = OfficialFile.of(path)
    assert hcpcs
    assert cpt
    return replace(knowledge, code_sets=CodeSets([*knowledge.code_sets, hcpcs_release(hcpcs, TERMS), cpt_release(cpt, TERMS)]))


@pytest.fixture(scope="module")
def coded(services: Knowledge) -> Callable[..., CodingReview]:
    """Review one note of an outpatient."""

    def run(text: str = "No complaints.\n", *, setting: Setting = Setting.OUTPATIENT, knowledge: Knowledge = services, **parts: object) -> CodingReview:
        one = note(text)
        return of(record(one, setting=setting, **parts), {one.source: reading(text, {})}, knowledge)

    return run


def administered(name: str, dose: float | None = None, unit: str | None = None, *, at: datetime = DAY, number: int = 1, **more: str | None) -> Medication:
    """Return an administration."""
    given = {"status": "completed", "kind": "administration", "date": at} | more
    return Medication(f"MedicationAdministration/{number}", Concept((), name), dose=dose, dose_unit=unit, **given)  # type: ignore[arg-type]


def lines(found: CodingReview) -> dict[str, int | None]:
    """Return the units of each supply."""
    return {s.code: s.units for s in found.supplies}


@pytest.mark.parametrize(
    ("dose", "unit", "expected"),
    [(30, "mg", 2), (15, "mg", 1), (31, "mg", 3), (0.03, "g", 2), (30_000, "mcg", 2)],
)
def test_units_are_multiples_of_what_the_code_counts_rounded_up(coded: Callable[..., CodingReview], dose: float, unit: str, expected: int) -> None:
    """Medicare Claims Processing Manual, chapter 17, section 10: whatever unit the dose is written in."""
    found = coded(medications=(administered("Marshalol 30 mg/mL vial", dose, unit, route="Intravenous"),))
    assert lines(found) == {"J0001": expected}
    assert found.supplies[0].evidence[0].source == "MedicationAdministration/1"
    assert found.supplies[0].rationale[0].rule == "supply.units"


def test_doses_of_one_day_are_added_before_rounding(coded: Callable[..., CodingReview]) -> None:
    """Two doses of 20 mg are 40 mg, three units of 15; another day counts for itself."""
    given_twice = (administered("marshalol", 20, "mg", route="IM"), administered("marshalol", 20, "mg", route="IM", number=2))
    assert lines(coded(medications=given_twice)) == {"J0001": 3}


def test_a_brand_s_code_is_for_the_brand(coded: Callable[..., CodingReview]) -> None:
    """The general code of a drug comes before one that holds for one maker only."""
    assert lines(coded(medications=(administered("bogazine 1 g IVPB", 1000, "mg"),))) == {"J0002": 4}


def test_the_salt_that_is_named_decides(coded: Callable[..., CodingReview]) -> None:
    """Two salts have two codes: the one that is named counts, and without a name the codes are told and none is chosen."""
    assert lines(coded(medications=(administered("reedase succinate injection", 80, "mg"),))) == {"J0006": 2}
    found = coded(medications=(administered("reedase injection", 80, "mg"),))
    assert found.supplies == ()
    assert [n.reason for n in found.not_coded] == ["several codes of this drug: J0005 or J0006"]


@pytest.mark.parametrize(
    ("given_so", "reason"),
    [
        (administered("marshalol", 30, "mg"), "route not documented: J0001"),
        (administered("marshalol injection"), "dose not documented: J0001 counts 15 mg"),
        (administered("sedgepril injection", 5, "mg"), "dose documented in mg, and J0007 counts 2 ml"),
    ],
)
def test_what_isn_t_documented_is_told(coded: Callable[..., CodingReview], given_so: Medication, reason: str) -> None:
    """No route, dose or strength is guessed."""
    found = coded(medications=(given_so,))
    assert found.supplies == ()
    assert [n.reason for n in found.not_coded] == [reason]


@pytest.mark.parametrize(
    "not_given",
    [
        administered("marshalol tablet", 30, "mg", route="oral"),
        administered("marshalol injection", 30, "mg", status="not-done"),
        administered("marshalol injection", 30, "mg", at=datetime(2026, 2, 1, tzinfo=UTC)),
        Medication("MedicationRequest/1", Concept((), "marshalol 30 mg injection"), "active", dosage="30 mg IM"),
        administered("unknownol injection", 30, "mg"),
    ],
)
def test_what_was_not_given_here_in_this_form_is_not_coded(coded: Callable[..., CodingReview], not_given: Medication) -> None:
    """Another form, not done, another day, only ordered, or no code of this drug: nothing."""
    assert coded(medications=(not_given,)).supplies == ()


def test_notes_tell_of_drugs_too(coded: Callable[..., CodingReview]) -> None:
    """Drug, dose and a word of giving in one sentence; what is planned, declined or prescribed is no dose given."""
    text = (
        "ED COURSE: She was given marshalol 30 mg IM with relief. She declined reedase acetate 1 mg IV. Received fenterol 2 mg by nebulizer.\n"
        "PLAN: Will give bogazine 250 mg IV tomorrow.\n"
    )
    found = coded(text)
    assert lines(found) == {"J0001": 2, "J0004": 2}
    [evidence] = found.supplies[0].evidence
    assert text[evidence.begin : evidence.end] == evidence.text == "marshalol 30 mg"


def test_a_dose_that_is_charted_isn_t_counted_again(coded: Callable[..., CodingReview]) -> None:
    """The record of administration counts before the words of the note."""
    found = coded("ED COURSE: She was given marshalol 30 mg IM.\n", medications=(administered("marshalol", 30, "mg", route="IM"),))
    assert lines(found) == {"J0001": 2}


def test_inpatients_have_no_supplies(coded: Callable[..., CodingReview]) -> None:
    """Drugs and supplies of a stay are part of its payment."""
    assert coded(setting=Setting.INPATIENT, medications=(administered("marshalol", 30, "mg", route="IM"),)).supplies == ()


def test_orders_of_supplies(coded: Callable[..., CodingReview]) -> None:
    """By code, or by words that name a code wholly; where several come near, they are told."""
    orders = (
        Order("DeviceRequest/1", Concept((), "Willow walking staff, adjustable height"), "active", "order", DAY),
        Order("DeviceRequest/2", Concept((Coding(HCPCS, "A0001"),), "Moss"), "active", "order", DAY, quantity=6),
        Order("DeviceRequest/3", Concept((), "adjustable walking staff"), "active", "order", DAY),
        Order("DeviceRequest/4", Concept((), "Ash walking staff, adjustable height"), "draft", "order", DAY),
    )
    found = coded(orders=orders)
    assert lines(found) == {"E0001": 1, "A0001": 6}
    assert [n.reason for n in found.not_coded] == ["several codes come near: E0001 or E0002"]


def test_cpt_comes_from_the_customer_s_file_alone(coded: Callable[..., CodingReview], knowledge: Knowledge) -> None:
    """With the licensed file: charted codes that are in force, and labels that name a code wholly. Without it: nothing."""
    done = (
        ProcedureDone("Procedure/1", Concept((Coding(CPT, "9001A"),), "Tendon repair"), "completed", DAY),
        ProcedureDone("Procedure/2", Concept((), "Excision of marsh lesion of the left arm"), "completed", DAY),
        ProcedureDone("Procedure/3", Concept((Coding(CPT, "9999A"),), "Ended"), "completed", DAY),
    )
    found = coded("PROCEDURE: Cholecystectomy by the willow method.\n", procedures=done)
    assert [(p.code, p.system) for p in found.procedures] == [("9001A", CPT), ("9000A", CPT), ("9002A", CPT)]
    assert found.procedures[0].display == "Repair of widget tendon"
    assert {s.system for s in found.code_sets} >= {CPT}
    bare = replace(knowledge, code_sets=CodeSets([r for r in knowledge.code_sets if r.system not in (CPT, HCPCS)]))
    assert coded("PROCEDURE: Cholecystectomy by the willow method.\n", procedures=done, knowledge=bare).procedures == ()


def test_a_planned_outpatient_procedure_is_not_coded(coded: Callable[..., CodingReview]) -> None:
    """What is planned has no code, with CPT neither."""
    found = coded("PLAN: Cholecystectomy by the willow method next month.\n")
    assert found.procedures == ()
    assert [(n.code, n.reason) for n in found.not_coded] == [("9002A", "planned, not done at this encounter")]


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal(5000), places=2), st.decimals(min_value=Decimal("0.01"), max_value=Decimal(500), places=2))
def test_units_cover_the_dose_and_no_more(dose: Decimal, per: Decimal) -> None:
    """The least number of units that holds the dose."""
    number = units([Amount(dose, "mg")], Amount(per, "mg"))
    assert number is not None
    assert (number - 1) * per < dose <= number * per


@given(st.integers(1, 9000), st.sampled_from(["mg", "mcg", "g"]))
def test_one_dose_is_the_same_in_every_unit(number: int, unit: str) -> None:
    """1 g, 1000 mg and 1,000,000 mcg make the same units."""
    one = Amount.of(number, unit)
    assert one
    same = {"mg": 1, "mcg": Decimal("0.001"), "g": 1000}[unit] * Decimal(number)
    assert units([one], Amount(Decimal(15), "mg")) == units([Amount(same, "mg")], Amount(Decimal(15), "mg"))
    assert units([one], Amount(Decimal(1), "ml")) is None


@pytest.mark.parametrize(
    ("title", "drug", "form", "per"),
    [
        ("Injection, marshalol tromethamine, per 15 mg", ("marshalol",), Form.INJECTION, "15 mg"),
        ("Injection, bogazine, 0.1 mg", ("bogazine",), Form.INJECTION, "0.1 mg"),
        ("Injection, reedcillin g benzathine, 100,000 units", ("reedcillin", "benzathine"), Form.INJECTION, "100000 units"),
        ("Injection, potassium chloride, per 2 meq", ("potassium", "chloride"), Form.INJECTION, "2 meq"),
        ("Fenterol, inhalation solution, administered through dme, 1 mg", ("fenterol",), Form.INHALATION, "1 mg"),
        ("Injection, sedgimab, 1 mg, for intravenous use", ("sedgimab",), Form.INJECTION, "1 mg"),
    ],
)
def test_titles_tell_drug_form_and_unit(title: str, drug: tuple[str, ...], form: Form, per: str) -> None:
    """What a title of HCPCS names and counts."""
    found = counted("J0000", title)
    assert found
    assert (found.drug, found.form, found.per.told()) == (drug, form, per)


@pytest.mark.parametrize(
    "title", ["Walking staff, willow", "Unclassified drugs", "Moss dressing, per square centimeter", "Injection, bogazinol", "Bogazine, oral"]
)
def test_a_title_that_counts_no_dose_is_no_drug(title: str) -> None:
    """Supplies by piece or area aren't mistaken for drugs."""
    assert counted("A0000", title) is None


@pytest.mark.parametrize("unit", [" ", "per ", "up to 1 ", "mg (", "1,", "1", "(a", "(for "])
def test_no_title_is_read_for_long(unit: str) -> None:
    """The time grows with the title, not with its square: a file of codes with runs of spaces or parentheses holds nobody up."""
    title = "Injection, x," + unit * (20_000 // len(unit)) + "\x01"
    began = time.process_time()
    assert counted("J0000", title) is None
    for pattern in doses._COUNTED, doses._CONDITION, doses._PARENTHESES, doses._ONLY_BRAND:
        assert sum(len(m[0]) for m in pattern.finditer(title)) <= len(title)
    assert time.process_time() - began < 10  # some tenths of a second; `tests.patterns` looks more closely


def test_amounts_in_text() -> None:
    """Numbers with units, and nothing else."""
    assert [a.told() for _, _, a in amounts("Gave 1,250 mg, then .5 mL; BP 120/80, room 12, 3 months")] == ["1250 mg", "0.5 ml"]


def test_dose_and_route_are_read_from_the_resource() -> None:
    """MedicationAdministration.dosage.dose and route."""
    resource = {
        "resourceType": "MedicationAdministration", "id": "a", "status": "completed", "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "marshalol"}, "effectiveDateTime": "2026-03-02T10:00:00Z",
        "dosage": {"text": "30 mg IM", "route": {"text": "Intramuscular"}, "dose": {"value": 30, "unit": "mg", "code": "mg"}},
    }  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient", "id": "p"}}, {"resource": resource}]}
    [found] = read_bundle(bundle, today=date(2026, 3, 2)).medications
    assert (found.dose, found.dose_unit, found.route, found.dosage) == (30.0, "mg", "Intramuscular", "30 mg IM")
