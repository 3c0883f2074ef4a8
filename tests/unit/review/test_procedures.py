"""Procedures of inpatients: built axis by axis inside the tables, asked where an axis isn't documented, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.codesets import Choices, Library
from cds_service.review import CodingReview, Knowledge
from cds_service.review.codeset import ICD10PCS, CodeSet, CodeSets
from cds_service.review.document import to_document, with_text, without_text
from cds_service.review.gaps import faults
from cds_service.review.procedures.acts import acts_of
from cds_service.review.procedures.bypass import bypass_codes, grafts_of
from cds_service.review.procedures.inpatient import performed
from cds_service.review.procedures.tables import Axis, ProcedureTable, tables_of
from fhir_mappers.record import Coding, Concept, ProcedureDone, Setting
from onnx_models.reading import NoteReading
from onnx_models.segmenter import sections, sentences
from tests.unit.review.conftest import note, of, reading, record
from tests.unit.review.procedure_tables import order_file, release, tables_file

Coded = Callable[..., CodingReview]


@pytest.fixture(scope="module")
def pcs(tmp_path_factory: pytest.TempPathFactory) -> CodeSet:
    """The small release, as an import makes it."""
    return release(tmp_path_factory.mktemp("pcs"))


@pytest.fixture(scope="module")
def with_tables(knowledge: Knowledge, pcs: CodeSet) -> Knowledge:
    """All tables of the review, with this release of ICD-10-PCS alone."""
    return replace(knowledge, code_sets=CodeSets([*(r for r in knowledge.code_sets if r.system != ICD10PCS), pcs]))


@pytest.fixture(scope="module")
def coded(with_tables: Knowledge) -> Coded:
    """Review one note of an inpatient."""

    def run(text: str, *, setting: Setting = Setting.INPATIENT, knowledge: Knowledge = with_tables, **parts: object) -> CodingReview:
        one = note(text, title="Note")
        return of(record(one, setting=setting, **parts), {one.source: reading(text, {})}, knowledge)

    return run


def codes(found: CodingReview) -> list[str]:
    """Return the codes of the procedures."""
    return [p.code for p in found.procedures]


def test_a_code_is_built_axis_by_axis_from_the_words(coded: Coded) -> None:
    """Root operation and body part by name, approach by words; the rationale names the table and every axis."""
    found = coded("PROCEDURE PERFORMED: Laparoscopic cholecystectomy.\n")
    assert codes(found) == ["0FT44ZZ"]
    [procedure] = found.procedures
    assert procedure.rationale[0].text == (
        "Root operation Resection; body part Gallbladder; approach Percutaneous Endoscopic; device No Device; qualifier No Qualifier."
    )
    assert procedure.rationale[0].reference == "ICD-10-PCS 2026, table 0FT"
    assert [(s.system, s.version) for s in found.code_sets][1:] == [(ICD10PCS, "2026")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HOSPITAL COURSE: She underwent open appendectomy.", ["0DTJ0ZZ"]),
        ("HOSPITAL COURSE: Begun laparoscopically, converted to open. Cholecystectomy was completed.", ["0FT40ZZ"]),
        ("PROCEDURE: Colonoscopy with snare polypectomy, sigmoid colon.", ["0DBN8ZZ"]),
        ("PROCEDURE: Colonoscopy. Normal to the cecum.", ["0DJD8ZZ"]),
        ("PROCEDURE: Percutaneous needle biopsy of the liver.", ["0FB03ZX"]),
        ("PROCEDURE: Cemented left total knee arthroplasty.", ["0SRD0J9"]),
        ("PREOPERATIVE DIAGNOSIS: Osteoarthritis of the right knee.\nPROCEDURE: Total knee arthroplasty.", ["0SRC0JZ"]),
        ("PROCEDURE: Bilateral total knee arthroplasty, cemented.", ["0SRC0J9", "0SRD0J9"]),
        ("PROCEDURE: Diagnostic thoracentesis, left.", ["0W9B3ZX"]),
        ("PROCEDURE: Percutaneous chest tube placement, right.", ["0W9930Z"]),
        ("HOSPITAL COURSE: Transfusion of packed red blood cells through a peripheral vein.", ["30233N1"]),
    ],
)
def test_documentation_decides_each_axis(coded: Coded, text: str, expected: list[str]) -> None:
    """Approach, side, device and qualifier as documented; guidelines B5.2b (converted) and B3.11a (an inspection that belongs to another)."""
    assert codes(coded(text + "\n")) == expected


@pytest.mark.parametrize(
    ("text", "missing", "options"),
    [
        ("PROCEDURE: Cholecystectomy.", "approach not documented: 0FT40ZZ, 0FT44ZZ", ("Open", "Percutaneous Endoscopic")),
        ("PROCEDURE: Cemented total knee arthroplasty.", "body part not documented: 0SRC0J9, 0SRD0J9", ("Knee Joint, Right", "Knee Joint, Left")),
        ("PROCEDURE: Laparoscopic resection of the sigmoid colon.", "extent not documented: 0DTN4ZZ, 0DBN4ZZ", ("A portion of it", "All of it")),
    ],
)
def test_what_isn_t_documented_is_asked_and_not_coded(coded: Coded, text: str, missing: str, options: tuple[str, ...]) -> None:
    """No default approach, side or extent: the codes left to choose from are named, and a compliant question is asked."""
    found = coded(text + "\n")
    assert codes(found) == []
    [left] = [n for n in found.not_coded if n.rule == "procedure.open"]
    assert left.reason == missing
    [query] = [q for q in found.queries if q.rule == "procedure.open"]
    assert query.options == (*options, "Other (please specify)", "Unable to determine")
    assert faults(query) == ()
    assert query.indicators[0].text in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("PLAN: Laparoscopic cholecystectomy next week.", "planned, not done at this encounter"),
        ("HOSPITAL COURSE: Laparoscopic appendectomy was recommended.", "planned, not done at this encounter"),
        ("HOSPITAL COURSE: He declined laparoscopic cholecystectomy.", "cancelled or not done"),
        ("HOSPITAL COURSE: Open appendectomy was cancelled.", "cancelled or not done"),
        ("PAST SURGICAL HISTORY: Laparoscopic cholecystectomy.", "historical"),
        ("HOSPITAL COURSE: Open cholecystectomy in 2011.", "historical"),
        ("HISTORY OF PRESENT ILLNESS: Status post laparoscopic appendectomy.", "historical"),
    ],
)
def test_planned_cancelled_and_past_procedures_are_not_coded(coded: Coded, text: str, reason: str) -> None:
    """UHDDS: what was done at this stay is reported, nothing else; the reason is told."""
    found = coded(text + "\n")
    assert codes(found) == []
    assert [n.reason for n in found.not_coded] == [reason]
    assert [q for q in found.queries if q.rule == "procedure.open"] == []


def test_a_family_member_s_procedure_is_not_coded(coded: Coded) -> None:
    """Nothing of the family becomes a procedure."""
    assert codes(coded("FAMILY HISTORY: Mother had a laparoscopic cholecystectomy.\n")) == []


def test_steps_of_an_operation_are_not_coded(coded: Coded) -> None:
    """Guideline B3.1b: what is needed to reach and close the site belongs to the procedure."""
    text = (
        "PROCEDURE PERFORMED: Laparoscopic appendectomy.\nDESCRIPTION OF PROCEDURE: After endotracheal intubation a Foley catheter was placed. "
        "The sigmoid colon was released. The pleural cavity was not entered. The wound was closed.\n"
    )
    assert codes(coded(text)) == ["0DTJ4ZZ"]


def test_procedures_of_the_chart_are_read_too(coded: Coded) -> None:
    """Procedure resources: a valid code is taken over, one that isn't in force is told, a label alone is read like a sentence."""
    given = (
        ProcedureDone("Procedure/1", Concept((Coding(ICD10PCS, "0DTJ0ZZ"),), "Appendectomy"), "completed"),
        ProcedureDone("Procedure/2", Concept((Coding(ICD10PCS, "0DTJ9ZZ"),), "Appendectomy"), "completed"),
        ProcedureDone("Procedure/3", Concept((), "Total knee arthroplasty, cemented"), "completed", body_sites=(Concept((), "Left knee"),)),
        ProcedureDone("Procedure/4", Concept((), "Laparoscopic cholecystectomy"), "preparation"),
    )
    found = coded("Nothing else.\n", procedures=given)
    assert sorted(codes(found)) == ["0DTJ0ZZ", "0SRD0J9"]
    assert [(n.code, n.reason) for n in found.not_coded] == [("0DTJ9ZZ", "0DTJ9ZZ is no code of ICD-10-PCS on 2026-03-02.")]


def test_outpatients_get_no_inpatient_code(coded: Coded) -> None:
    """45 CFR 162.1002: ICD-10-PCS is for hospital inpatients."""
    assert coded("PROCEDURE: Laparoscopic cholecystectomy.\n", setting=Setting.OUTPATIENT).procedures == ()


def test_without_tables_nothing_is_coded_and_the_reader_is_told(coded: Coded, with_tables: Knowledge) -> None:
    """No release at hand: a warning with the remedy, where procedures are documented; silence where none are."""
    bare = replace(with_tables, code_sets=CodeSets([r for r in with_tables.code_sets if r.system != ICD10PCS]))
    found = coded("PROCEDURE: Laparoscopic cholecystectomy.\n", knowledge=bare)
    assert found.procedures == ()
    assert any("marginalia codeset import" in w for w in found.coverage.warnings)
    assert not any("ICD-10-PCS" in w for w in coded("No complaints.\n", knowledge=bare).coverage.warnings)


def test_evidence_is_verbatim_and_can_be_put_back(with_tables: Knowledge) -> None:
    """An excerpt is exactly the note's characters; a kept review holds none of them."""
    text = "OPERATION:  Left  total  knee arthroplasty, cemented.\n"
    one = note(text, title="Operation")
    case = record(one, setting=Setting.INPATIENT)
    found = of(case, {one.source: reading(text, {})}, with_tables)
    [evidence] = found.procedures[0].evidence
    assert (evidence.begin, evidence.end) != (None, None)
    assert text[evidence.begin : evidence.end] == evidence.text
    kept = without_text(to_document(found))
    assert "text" not in kept["procedures"][0]["evidence"][0]
    assert with_text(kept, case)["procedures"][0]["evidence"][0]["text"] == evidence.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CABG x3: LIMA to LAD, SVG to OM1 and RCA.", ["02100Z9", "021109W"]),
        ("The left internal mammary artery was anastomosed to the LAD. Saphenous vein grafts to the diagonal, OM and PDA.", ["02100Z9", "021209W"]),
        ("RIMA to the RCA; radial artery graft to the circumflex.", ["02100Z8", "02100AW"]),
        ("LIMA was harvested. LAD was diseased.", []),
    ],
)
def test_a_coronary_bypass_is_coded_by_graft_and_number_of_arteries(knowledge: Knowledge, text: str, expected: list[str]) -> None:
    """Guidelines B3.6b and B3.6c: each kind of graft by the number of arteries it goes to."""
    head = ("Medical and Surgical", "Heart and Great Vessels", "Bypass")
    rests = (part + "0" + kind for part in "0123" for kind in ("Z9", "Z8", "9W", "AW"))
    tables = tables_of(("021" + rest, head, ("Coronary Artery", "Open", "Device", "Qualifier")) for rest in rests)
    assert list(bypass_codes(grafts_of(text, knowledge.procedures.vessels), tables)) == expected


WORDS = (
    "laparoscopic", "open", "percutaneous", "left", "right", "bilateral", "cholecystectomy", "appendectomy", "total knee arthroplasty", "biopsy", "excision",
    "resection", "liver", "sigmoid colon", "gallbladder", "chest tube", "thoracentesis", "cemented", "diagnostic", "with", "of the", "and", ",", "colonoscopy",
    "polypectomy", "converted to open", "entire", "partial", "drain", "drainage", "pleural effusion", "was performed", "underwent", "no",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
def test_every_code_built_is_in_the_tables(pcs: CodeSet, with_tables: Knowledge, words: list[str]) -> None:
    """Whatever the words: a code that a row doesn't allow is never built, and every excerpt is a slice of the note."""
    text = f"PROCEDURE: {' '.join(words)}."
    parts = sections(text)
    phrases = with_tables.procedures.parts_for(label for t in pcs.tables.values() for label in t.labels[Axis.PART].values())
    found = acts_of(text, NoteReading(parts, sentences(text, parts), (), "en"), with_tables.procedures, phrases, year=2026)
    for one in performed({"note": found}, [], pcs.tables):
        assert set(one.built.codes) <= pcs.billable
        assert set(one.built.possible) <= pcs.billable
        assert len(one.built.possible) != 1
        assert all(0 <= t.act.begin < t.act.end <= len(text) for t in one.told)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from("0346TBJR9"), st.sampled_from("034869BCDJNZ"), st.sampled_from("0348X"), st.sampled_from("0JZ"), st.sampled_from("9AXZ1"))
def test_a_table_builds_exactly_what_its_rows_allow(pcs: CodeSet, operation: str, part: str, approach: str, device: str, qualifier: str) -> None:
    """Conventions A9: the combination of all axes stands in one row, or there is no code."""
    for table in pcs.tables.values():
        made = table.built((part, approach, device, qualifier))
        assert made == tuple(c for c in (table.stem + part + approach + device + qualifier,) if c in pcs.billable)
        assert table.stem[2] != operation or all(c[2] == operation for c in made)


def test_tables_from_the_official_file_hold_labels_and_rows(pcs: CodeSet) -> None:
    """The import keeps what each axis is called, and every combination of its rows and no other."""
    table: ProcedureTable = pcs.tables["0W9"]
    assert (table.system, table.operation) == ("Anatomical Regions, General", "Drainage")
    assert table.label(Axis.DEVICE, "0") == "Drainage Device"
    devices = {c[5] for c in table.built((None, "0", None, None))}
    assert devices == {"0"}
    assert {t.stem + rest for t in pcs.tables.values() for rest in t.rests} == pcs.billable


def test_an_import_of_order_file_and_tables_makes_them_usable(tmp_path: Path) -> None:
    """`codeset import` of the two files: the release of the year, with its tables."""
    library = Library(tmp_path / "library", (), ())
    library.bring([order_file(tmp_path / "files"), tables_file(tmp_path / "files")], Choices())
    made = library.shelf().code_sets.in_force(ICD10PCS, date(2026, 3, 2))
    assert (made.year, made.version, sorted(made.tables)[:2]) == ("2026", "2026", ["0DB", "0DJ"])
    assert made.is_billable("0FT44ZZ")
    assert not made.is_billable("0FT")
