"""Claim edits: each fires on its case and not on the near miss."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cds_service.review import Knowledge
from cds_service.review.edits import claim_findings, order_findings
from fhir_mappers.record import Coding, Concept, EncounterRecord, Order, Patient, Setting

DAY = date(2026, 3, 2)
WOMAN = Patient("p", date(1960, 5, 1), "female")


def _edits(
    knowledge: Knowledge, *claim: str, patient: Patient = WOMAN, setting: Setting = Setting.OUTPATIENT, on: date = DAY
) -> list[tuple[str, tuple[str, ...]]]:
    codes = next(iter(knowledge.code_sets))
    record = EncounterRecord(patient, "e", setting, None, None)
    return [(f.edit, f.codes) for f in claim_findings(claim, record, codes, knowledge.edits, on)]


@pytest.mark.parametrize(
    ("claim", "edit", "codes"),
    [
        (("Q99.99",), "code.invalid", ("Q99.99",)),
        (("E11.6",), "code.incomplete", ("E11.6",)),
        (("S72.001",), "code.seventh-character", ("S72.001",)),
        (("E11.9", "E10.9"), "excludes1", ("E11.9", "E10.9")),
        (("F02.80", "G30.9"), "principal.manifestation", ("F02.80",)),
        (("W19.XXXA", "S93.402A"), "principal.external-cause", ("W19.XXXA",)),
        (("Z79.4", "E11.9"), "principal.never-first", ("Z79.4",)),
        (("T45.515A", "R04.0"), "principal.never-first", ("T45.515A",)),
        (("I10", "Z00.00"), "first-listed.only", ("Z00.00", "I10")),
        (("M25.569",), "laterality.unspecified", ("M25.569",)),
        (("I10", "I10"), "code.duplicate", ("I10",)),
        (("O24.410",), "age.conflict", ("O24.410",)),
    ],
)
def test_an_edit_fires(knowledge: Knowledge, claim: tuple[str, ...], edit: str, codes: tuple[str, ...]) -> None:
    """MCE and conventions: the finding names the edit and the codes."""
    assert (edit, codes) in _edits(knowledge, *claim)


@pytest.mark.parametrize(
    "claim",
    [("E11.65", "Z79.4"), ("G30.9", "F02.80"), ("S72.001A", "W19.XXXA"), ("M25.561",), ("I13.0", "I50.22", "N18.4"), ("A41.9", "J18.9", "R65.20")],
)
def test_a_claim_in_order_has_no_finding(knowledge: Knowledge, claim: tuple[str, ...]) -> None:
    """Near misses: complete, compatible, in sequence."""
    assert _edits(knowledge, *claim) == []


INPATIENT = {"setting": Setting.INPATIENT}
PAIRS = {  # edit: a claim on which it finds something, and one alike on which it doesn't
    "code.invalid": ((("Q99.99",), {}), (("Q99.9",), {})),
    "code.incomplete": ((("E11.6",), {}), (("E11.69",), {})),
    "code.seventh-character": ((("S72.001",), {}), (("S72.001A",), {})),
    "code.duplicate": ((("I10", "I10"), {}), (("I10", "E78.5"), {})),
    "excludes1": ((("E11.9", "E10.9"), {}), (("E11.9", "E78.5"), {})),
    "principal.manifestation": ((("F02.80", "G30.9"), {}), (("G30.9", "F02.80"), {})),
    "principal.external-cause": ((("W19.XXXA", "S93.402A"), {}), (("S93.402A", "W19.XXXA"), {})),
    "principal.unacceptable": ((("Z00.00",), INPATIENT), (("Z00.00",), {})),
    "principal.never-first": ((("Z79.4", "E11.9"), {}), (("E11.9", "Z79.4"), {})),
    "principal.needs-secondary": ((("Z51.89",), INPATIENT), (("Z51.89", "I10"), INPATIENT)),
    "first-listed.only": ((("I10", "Z00.00"), {}), (("Z00.00", "I10"), {})),
    "laterality.unspecified": ((("M25.569",), {}), (("M25.562",), {})),
    "age.conflict": ((("O24.410",), {}), (("O24.410",), {"patient": Patient("p", date(1996, 5, 1), "female")})),
    "sex.conflict": ((("N40.0",), {"on": date(2024, 9, 30)}), (("N40.0",), {"on": date(2024, 10, 1)})),
}
OF_THE_RECORD = {  # with a case that fires and a near miss in test_claims.py, test_supplies.py, test_admission.py and below
    "admission.missing", "coverage.excluded", "coverage.not-listed", "hcc.no-support", "mue.units", "ncci.pair", "order.indication-invalid",
    "order.no-indication",
}  # fmt: skip


@pytest.mark.parametrize("edit", sorted(PAIRS))
def test_an_edit_has_a_near_miss(knowledge: Knowledge, edit: str) -> None:
    """Each edit of a claim: one that it stops, and one alike that it lets pass."""
    (stopped, how), (passed, alike) = PAIRS[edit]
    assert edit in [e for e, _ in _edits(knowledge, *stopped, **how)]
    assert edit not in [e for e, _ in _edits(knowledge, *passed, **alike)]


def test_every_edit_has_both(knowledge: Knowledge) -> None:
    """No edit without a case that fires and a near miss."""
    assert set(knowledge.denials) == {*PAIRS, *OF_THE_RECORD}


def test_a_circumstance_may_be_first_for_an_outpatient_but_not_principal(knowledge: Knowledge) -> None:
    """MCE, unacceptable principal diagnosis: for inpatient claims."""
    assert _edits(knowledge, "Z00.00") == []
    assert _edits(knowledge, "Z00.00", setting=Setting.INPATIENT) == [("principal.unacceptable", ("Z00.00",))]


@pytest.mark.parametrize(
    ("claim", "edits"),
    [
        (("Z51.89",), [("principal.needs-secondary", ("Z51.89",))]),
        (("Z51.89", "I10"), []),
        (("T45.515A", "R04.0"), [("principal.unacceptable", ("T45.515A",))]),
        (("T45.511A", "R04.0"), []),
        (("R65.20",), [("principal.unacceptable", ("R65.20",))]),
        (("E08.9",), [("principal.manifestation", ("E08.9",))]),
        (("M89.70",), [("principal.never-first", ("M89.70",)), ("laterality.unspecified", ("M89.70",))]),
    ],
)
def test_principal_diagnoses_of_inpatients(knowledge: Knowledge, claim: tuple[str, ...], edits: list[tuple[str, tuple[str, ...]]]) -> None:
    """MCE v43.1: unacceptable, manifestation, requires a secondary diagnosis; and what the classification alone puts later."""
    assert [e for e in _edits(knowledge, *claim, setting=Setting.INPATIENT) if not e[0].startswith("laterality")] == [
        e for e in edits if not e[0].startswith("laterality")
    ]


def test_the_sex_edit_ends_in_september_2024(knowledge: Knowledge) -> None:
    """CMS deactivated the sex conflict edit: it is applied by date."""
    man = replace(WOMAN, gender="male")
    assert ("sex.conflict", ("N80.9",)) in _edits(knowledge, "N80.9", patient=man, on=date(2024, 9, 1))
    assert "sex.conflict" not in [e for e, _ in _edits(knowledge, "N80.9", patient=man)]


def test_draft_orders_need_a_valid_indication(knowledge: Knowledge) -> None:
    """order-sign: no reason at all, a reason that is no complete code, and one in order; signed orders aren't looked at."""
    codes = next(iter(knowledge.code_sets))

    def order(number: int, status: str, *reasons: str) -> Order:
        given = tuple(Concept((Coding("http://hl7.org/fhir/sid/icd-10-cm", r),)) for r in reasons)
        return Order(f"ServiceRequest/{number}", Concept(text="Lipid panel"), status, "order", datetime(2026, 3, 2, tzinfo=UTC), given)

    orders = (order(1, "draft"), order(2, "draft", "E78"), order(3, "draft", "E78.5"), order(4, "active"))
    record = EncounterRecord(WOMAN, "e", Setting.OUTPATIENT, None, None, orders=orders)
    found = order_findings(record, ["E78.5", "I10"], codes)
    assert [(f.edit, f.codes) for f in found] == [("order.no-indication", ()), ("order.indication-invalid", ("E78",))]
    assert [f.orders for f in found] == [("ServiceRequest/1",), ("ServiceRequest/2",)]
    assert found[0].remedy == "Add the indication from the diagnoses of this encounter (E78.5, I10)."
