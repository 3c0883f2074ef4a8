"""Official layouts: read as published; what is damaged or mixed up is refused with its line and reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cds_service.codesets import Choices, Library
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM, ICD10PCS, CodeSet
from cds_service.review.risk import RiskModel
from fhir_mappers.systems import CPT, HCPCS
from tests.unit.codesets.official_files import CODES, addenda, codes, conversion, earlier, hcpcs_record, index, order, tabular_list, write

LOSSES = Choices(accept_losses=True)
RISK = RiskModel(2026, {"J981": ("280",)}, {"280": "Marsh", "281": "Bog"}, {"281": ("280",)})


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty library on top of an invented release of FY 2026."""
    return Library(tmp_path / "library", (earlier(),), (RISK,))


def imported(library: Library, *paths: Path) -> CodeSet:
    """Import files and return the release of ICD-10-CM they make."""
    library.bring(paths, LOSSES)
    return library.shelf().code_sets.in_force(ICD10CM, date(2026, 10, 1))


def test_an_order_file_makes_a_release(library: Library, tmp_path: Path) -> None:
    """Headings, complete codes, 7th characters as meanings; notes stay with the codes that had them."""
    release = imported(library, order(tmp_path))
    assert (release.version, release.effective_from, release.superseded_after) == ("2027", date(2026, 10, 1), date(2027, 9, 30))
    assert release.billable == {"J98.1", "J98.A1", "J98.A2", "S93.1XXA", "S93.1XXD"}
    assert release.children("J98.A") == ("J98.A1", "J98.A2")
    assert release.title("S93.1XXA") == "Tidal sprain of ankle, initial encounter"
    assert release.seventh("S93.1") == (("A", "initial encounter"), ("D", "subsequent encounter"))
    assert release.entries["J98.1"].excludes1 == ("bog cough (R05.-)",)


def test_a_new_code_with_seventh_characters_is_one_entry(library: Library, tmp_path: Path) -> None:
    """Without a tabular list the meanings come from the titles."""
    new = {"S94": (False, "Ebb strain"), "S941": (False, "Ebb strain of toe"), "S941XXA": (True, "Ebb strain of toe, initial encounter")}
    release = imported(library, order(tmp_path, {**CODES, **new}))
    assert release.seventh("S94.1") == (("A", "initial encounter"),)
    assert "S94.1XXA" not in release.entries
    assert release.is_billable("S94.1XXA")


def test_a_tabular_list_brings_the_notes_of_the_year(library: Library, tmp_path: Path) -> None:
    """Order file, code list, tabular list, index and addenda of one year fit together."""
    told = addenda(tmp_path, [("Add", 1, "J98A1", CODES["J98A1"][1]), ("Delete", 1, "J982", "Marsh light lung with tremolo")])
    release = imported(library, order(tmp_path), codes(tmp_path), tabular_list(tmp_path), index(tmp_path), told)
    assert release.entries["J98.1"].inclusion == ("Bog cough",)
    assert release.excludes1("J98.A1", "J98.1")
    assert release.names == {"J98.A": ("Will-o'-wisp lung",), "J98.A1": ("Will-o'-wisp lung, tremulous",)}


def test_a_conversion_table_names_successors(library: Library, tmp_path: Path) -> None:
    """Ranges and lists of previous codes, as the official table writes them."""
    release = imported(library, order(tmp_path), conversion(tmp_path, [("J98.A1", "J98.2-J98.3; J98.7"), ("J98.A2", "None")]))
    assert release.conversions == {"J98.2": ("J98.A1",), "J98.3": ("J98.A1",), "J98.7": ("J98.A1",)}
    assert release.retired["J98.2"].told() == "J98.2 ended on 2026-09-30. J98.A1 takes its place (conversion table 2027)."


def _cut(path: Path, line: int, text: str) -> Path:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    return write(path, lines)


DAMAGED: dict[str, tuple[Callable[[Path], list[Path]], str]] = {
    "a line cut off": (
        lambda t: [_cut(order(t), 3, "00003 J98A")],
        r"icd10cm_order_2027.txt, line 3: order number, code",
    ),
    "a code twice": (
        lambda t: [_cut(order(t), 3, f"00003 J981    1 {'x':<60} x")],
        r"line 3: J981 stands in line 2 too",
    ),
    "lines in another order": (
        lambda t: [_cut(order(t), 3, f"00001 J98A    0 {'x':<60} x")],
        r"line 3: order number 00001 follows 00002",
    ),
    "a procedure among diagnoses": (
        lambda t: [_cut(order(t), 3, f"00003 0016070 1 {'x':<60} x")],
        r"line 3: 0016070 is no ICD-10-CM code",
    ),
    "a code without heading": (
        lambda t: [order(t, {c: v for c, v in CODES.items() if c != "S93"})],
        r"line 6: S931 stands below no heading",
    ),
    "another system's file under this name": (
        lambda t: [order(t, {"001": (False, "Bypass"), "0016070": (True, "Bypass x")})],
        r"line 1: 001 is no ICD-10-CM code",
    ),
    "a binary file": (
        lambda t: [_cut(order(t), 2, "00002 J981\0")],
        r"line 2: not text",
    ),
    "an empty file": (
        lambda t: [write(t / "icd10cm_order_2027.txt", [])],
        r"line 1: no code in the whole file",
    ),
    "addenda that the order file contradicts": (
        lambda t: [order(t), addenda(t, [("Delete", 1, "J981", "Marsh cough")])],
        r"addenda_2027.txt, line 1: J981 is deleted",
    ),
    "addenda with an unknown action": (
        lambda t: [order(t), addenda(t, [("Remove", 1, "J981", "x")])],
        r"line 1: Add:, Delete:",
    ),
    "addenda that lack a half": (
        lambda t: [order(t), addenda(t, [("Revise from", 1, "J981", "x")])],
        r"line 1: 'Revise from' and 'Revise to'",
    ),
    "files of two years": (
        lambda t: [order(t), codes(t, name="icd10cm_codes_2026.txt")],
        r"are mixed up: their names are of different years",
    ),
    "a tabular list of another year": (
        lambda t: [order(t), tabular_list(t, "2026")],
        r"tabular_2027.xml, line 2: the file says version 2026",
    ),
    "a tabular list cut off": (
        lambda t: [order(t), _cut(tabular_list(t), 6, "<diag>")],
        r"tabular_2027.xml, line \d+: not well-formed XML",
    ),
    "a code that the tabular list lacks": (
        lambda t: [order(t, {**CODES, "J985": (True, "x")}), tabular_list(t)],
        r"order_2027.txt, line 10: J985 is unknown to",
    ),
    "a code list of other codes": (
        lambda t: [order(t), codes(t, {**CODES, "J989": (True, "x")})],
        r"codes_2027.txt, line 6: J989 is no complete code",
    ),
    "an index of other codes": (
        lambda t: [order(t), index(t, code="Q99.9")],
        r"index_2027.xml, line 3: Q99.9",
    ),
    "a conversion table without headings": (
        lambda t: [order(t), write(t / "icd10cm_conversion_table_2027.txt", ["J98.A1\t2026\tJ98.2"])],
        r"line 1: a line with the headings",
    ),
    "a file of no known name": (
        lambda t: [write(t / "codes.txt", ["x"])],
        r"codes.txt is no official file by its name",
    ),
    "a file that isn't there": (
        lambda t: [t / "icd10cm_order_2028.txt"],
        r"can't be read|There is no file",
    ),
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_what_is_damaged_is_refused_with_its_line_and_nothing_changes(library: Library, tmp_path: Path, name: str) -> None:
    """Bad input: refused with line and reason, the old version stays in force."""
    make, words = DAMAGED[name]
    before = library.stamp
    with pytest.raises(CodeSetError, match=words):
        library.bring(make(tmp_path), LOSSES)
    assert library.stamp == before
    assert library.shelf().code_sets.in_force(ICD10CM, date(2026, 10, 1)).version == "2026-04-01"


PCS = {
    "0XY": (False, "Bog surgery"),
    "0XY0ZZ1": (True, "Bog surgery, mire, moss"),
    "0XY0ZZ2": (True, "Bog surgery, mire, peat"),
}
ROW = '<pcsRow codes="{n}">{axes}</pcsRow>'
LABELS = ('<label code="0">Mire</label>', '<label code="Z">x</label>', '<label code="Z">x</label>', '<label code="1">Moss</label><label code="2">Peat</label>')
AXES = "".join(f'<axis pos="{p}" values="1"><title>t</title>{labels}</axis>' for p, labels in enumerate(LABELS, 4))
STEM = "".join(f'<axis pos="{p}" values="1"><title>t</title><label code="{c}">x</label></axis>' for p, c in ((1, "0"), (2, "X"), (3, "Y")))


def _tables(folder: Path, n: int = 2) -> Path:
    row = ROW.format(n=n, axes=AXES)
    lines = ["<ICD10PCS.tabular>", "<version>2027</version>", "<pcsTable>", STEM, row, "</pcsTable>", "</ICD10PCS.tabular>"]
    return write(folder / "icd10pcs_tables_2027.xml", lines)


def test_procedures_are_checked_against_their_tables(library: Library, tmp_path: Path) -> None:
    """Every code of the order file can be built from the tables, and the other way round."""
    files = [order(tmp_path, PCS, "icd10pcs_order_2027.txt"), _tables(tmp_path)]
    library.bring(files)
    release = library.shelf().code_sets.in_force(ICD10PCS, date(2026, 10, 1))
    assert (release.title("0XY0ZZ1"), release.is_billable("0XY"), len(release.billable)) == ("Bog surgery, mire, moss", False, 2)
    with pytest.raises(CodeSetError, match=r"icd10pcs_tables_2027.xml, line 5: the row says 3 codes and allows 2"):
        library.bring([files[0], _tables(tmp_path, 3)], Choices(supersede=True))
    short = order(tmp_path, {c: v for c, v in PCS.items() if c != "0XY0ZZ2"}, "icd10pcs_order_2027.txt")
    with pytest.raises(CodeSetError, match=r"line 5: 0XY0ZZ2 is missing in icd10pcs_order_2027.txt"):
        library.bring([short, _tables(tmp_path)], Choices(supersede=True))


def test_supplies_end_on_their_date(library: Library, tmp_path: Path) -> None:
    """HCPCS records by position: a title over two records, modifiers passed over, codes ended before and within the quarter."""
    records = [
        hcpcs_record("A9001", "3", "Lantern for the marsh,"), hcpcs_record("A9001", "4", "per night"),
        hcpcs_record("A9002", "3", "Old lantern", ended="20261231"), hcpcs_record("A9003", "3", "Wick", ended="20270215"),
        hcpcs_record("   XY", "7", "Modifier"),
    ]  # fmt: skip
    file = write(tmp_path / "HCPC2027_JAN_ANWEB.txt", records)
    library.bring([file])
    release = library.shelf().code_sets.in_force(HCPCS, date(2027, 1, 1))
    assert (release.version, release.superseded_after) == ("2027-01-01", date(2027, 3, 31))
    assert {c: release.title(c) for c in release.billable} == {"A9001": "Lantern for the marsh, per night", "A9003": "Wick"}
    assert release.ends == {"A9003": date(2027, 2, 15)}
    wrong = (
        (2, records[1][:200], "line 2: the record has 200"),
        (3, hcpcs_record("99213", "3", "x"), "line 3: '99213' is no HCPCS"),
        (1, records[1], "line 1: A9001 goes on"),
    )
    for line, text, words in wrong:
        with pytest.raises(CodeSetError, match=words):
            library.bring([_cut(write(file, records), line, text)], Choices(supersede=True))


def test_the_same_supplies_as_csv(library: Library, tmp_path: Path) -> None:
    """The columns of the spreadsheet of CMS, saved as CSV; a missing one is named."""
    head = "HCPC,SEQNUM,RECID,LONG DESCRIPTION,SHORT DESCRIPTION,ADD DT,ACT EFF DT,TERM DT,ACTION CD"
    file = write(tmp_path / "HCPC2027_APR_ANWEB.csv", [head, 'A9001,00100,3,"Lantern, for the marsh",Lantern,20200101,20270101,,N'])
    library.bring([file])
    assert library.shelf().code_sets.in_force(HCPCS, date(2027, 4, 1)).title("A9001") == "Lantern, for the marsh"
    with pytest.raises(CodeSetError, match="line 1: the column TERM DT is missing"):
        library.bring([write(file, [head.replace("TERM DT,", ""), "A9001,1,3,x,x,20200101,20270101,N"])], Choices(supersede=True))


def test_a_licensed_cpt_file_has_a_documented_layout(library: Library, tmp_path: Path) -> None:
    """Columns code, descriptor, effective_from, effective_to, replaced_by. The content here is invented."""
    head = "code,descriptor,effective_from,effective_to,replaced_by"
    file = write(tmp_path / "cpt_2027.csv", [head, '00001,"Invented service, one",2020-01-01,,', "00002,Invented service two,,2027-06-30,00001"])
    library.bring([file])
    release = library.shelf().code_sets.in_force(CPT, date(2027, 1, 1))
    assert (release.title("00001"), release.ends, release.conversions) == ("Invented service, one", {"00002": date(2027, 6, 30)}, {"00002": ("00001",)})
    wrong = (
        ("code,descriptor,price", "line 1: the column price is unknown"),
        (f"{head}\n1,x,,,", "line 2: a CPT code"),
        (f"{head}\n00001,x,soon,,", "line 2: 'soon' is no date"),
    )
    for text, words in wrong:
        with pytest.raises(CodeSetError, match=words):
            library.bring([write(file, text.split("\n"))], Choices(supersede=True))


def test_a_mapping_of_risk_categories_takes_its_payment_year(library: Library, tmp_path: Path) -> None:
    """Both official layouts; labels and hierarchy go on; a category of another model is refused."""
    library.bring([write(tmp_path / "F2828T1N.TXT", ["J981\t281", "J98A1 280"])])
    model = library.shelf().risk[-1]
    assert (model.payment_year, [h.label for h in model.of("J98.1")], model.above) == (2028, ["Bog"], {"281": ("280",)})
    table = ["Mappings for 2029", '"Diagnosis Code",Description,"CMS-HCC\nModel Category\nV28"'.replace("\n", " "), "J981,Marsh cough,280", "Notes below,,"]
    library.bring([write(tmp_path / "2029 Initial ICD-10 Mappings.csv", table)])
    assert library.shelf().risk[-1].categories == {"J981": ("280",)}
    with pytest.raises(CodeSetError, match="line 2: 19 is no category of CMS-HCC V28"):
        library.bring([write(tmp_path / "F2830T1N.TXT", ["J981 280", "J98A1 19"])])
