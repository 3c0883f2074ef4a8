"""The library: atomic, validated, rolled back; two releases on the two sides of October; a running service follows."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest

from cds_service.codesets import AtHand, Choices, Library, Renewal, additions
from cds_service.codesets.comparison import compared
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM
from tests.unit.codesets.official_files import CODES, conversion, earlier, order

LOSSES = Choices(accept_losses=True)
OCTOBER = date(2026, 10, 1)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty library on top of an invented release of FY 2026."""
    return Library(tmp_path / "library", (earlier(),), ())


def test_each_side_of_october_has_its_release(library: Library, tmp_path: Path) -> None:
    """The earlier release ends the day before the later one begins; a deleted code stops then, and its successor is named."""
    library.bring([order(tmp_path)], LOSSES)
    sets = library.shelf().code_sets
    before, after = sets.in_force(ICD10CM, date(2026, 9, 30)), sets.in_force(ICD10CM, OCTOBER)
    assert (before.version, before.effective_to, after.version) == ("2026-04-01", date(2026, 9, 30), "2027")
    assert (before.is_billable("J98.2"), after.is_valid("J98.2")) == (True, False)
    gone = after.retired["J98.2"]
    assert (gone.last_day, gone.successors, gone.source) == (date(2026, 9, 30), ("J98.A1",), "same title in 2027")


def test_successors_are_followed_over_the_years(library: Library, tmp_path: Path) -> None:
    """What took a code's place two years ago and ended since leads on to what is in force now."""
    library.bring([order(tmp_path)], LOSSES)
    later = {("J98A3" if c == "J98A1" else c): v for c, v in CODES.items()}
    moved = conversion(tmp_path / "28", [("J98.A3", "J98.A1")], "icd10cm_conversion_table_2028.txt")
    library.bring([order(tmp_path / "28", later, "icd10cm_order_2028.txt"), moved], LOSSES)
    now = library.shelf().code_sets.in_force(ICD10CM, date(2027, 10, 1))
    assert now.retired["J98.2"].successors == ("J98.A3",)


def test_a_code_that_became_a_heading_names_those_below_it(library: Library, tmp_path: Path) -> None:
    """A code that was expanded is no complete code any more."""
    expanded = {**CODES, "J981": (False, "Marsh cough"), "J9811": (True, "Marsh cough, dry"), "J9812": (True, "Marsh cough, wet")}
    library.bring([order(tmp_path, dict(sorted(expanded.items())))], LOSSES)
    now = library.shelf().code_sets.in_force(ICD10CM, OCTOBER)
    assert now.retired["J98.1"].told() == "J98.1 ended on 2026-09-30. J98.11, J98.12 take its place (codes below it in 2027)."


def test_an_overlap_is_refused_and_an_update_within_the_year_is_said(library: Library, tmp_path: Path) -> None:
    """The same year twice, and an April update, overlap; --supersede and --from say what is meant."""
    library.bring([order(tmp_path)], LOSSES)
    with pytest.raises(CodeSetError, match=r"icd10cm_order_2027.txt, line 1: release 2027, 2026-10-01 to 2027-09-30, overlaps icd-10-cm 2027"):
        library.bring([order(tmp_path)], LOSSES)
    april = order(tmp_path / "april", {**CODES, "S95": (True, "Spring tide")}, "icd10cm-order-April-2027.txt")
    with pytest.raises(CodeSetError, match="overlaps"):
        library.bring([april], LOSSES)
    library.bring([april], Choices(supersede=True))
    sets = library.shelf().code_sets
    assert [(r.version, r.effective_to) for r in sets.of(ICD10CM)][1:] == [("2027", date(2027, 3, 31)), ("2027-04-01", None)]
    library.bring([order(tmp_path / "again", {**CODES, "S96": (True, "Neap tide")})], Choices(supersede=True, accept_losses=True))
    assert library.shelf().code_sets.in_force(ICD10CM, OCTOBER).is_billable("S96")


def test_a_file_that_was_cut_off_is_refused(library: Library, tmp_path: Path) -> None:
    """A year drops less than one code in a hundred; a tenth is a damaged file unless it is said to be meant."""
    with pytest.raises(CodeSetError, match=r"2 of the 4 codes of release 2026-04-01 are missing"):
        library.bring([order(tmp_path, {c: v for c, v in CODES.items() if c != "S931XXD"})])
    assert library.held() == ()


def test_changes_are_rolled_back_one_by_one(library: Library, tmp_path: Path) -> None:
    """Removal and import are undone in turn; the files are still there."""
    library.bring([order(tmp_path)], LOSSES)
    library.remove("icd-10-cm", "2027")
    assert library.shelf().code_sets.in_force(ICD10CM, OCTOBER).version == "2026-04-01"
    assert [h.version for h in library.roll_back()] == ["2027"]
    assert library.shelf().code_sets.in_force(ICD10CM, OCTOBER).version == "2027"
    assert library.roll_back() == ()
    with pytest.raises(CodeSetError, match="no earlier state"):
        library.roll_back()
    with pytest.raises(CodeSetError, match="No release 2027 of icd-10-cm was imported"):
        library.remove("icd-10-cm", "2027")


def test_an_import_that_dies_midway_leaves_what_was(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state changes last and in one step: whatever fails before it changes nothing, and the import can be made again."""
    file = order(tmp_path)
    with monkeypatch.context() as broken:
        real = os.replace

        def full(source: Path, target: Path) -> None:
            if target.name == "state.json":
                raise OSError(28, "No space left")
            real(source, target)

        broken.setattr(os, "replace", full)
        with pytest.raises(CodeSetError, match=r"can't be written \(No space left\)"):
            library.bring([file], LOSSES)
    assert library.held() == ()
    assert library.bring([file], LOSSES)[0][0].version == "2027"


def test_a_kept_file_that_changed_is_noticed(library: Library, tmp_path: Path) -> None:
    """Each file is what was imported, by its hash; a damaged state is told."""
    held = library.bring([order(tmp_path)], LOSSES)[0][0]
    kept = tmp_path / "library" / "releases" / held.id / "icd10cm_order_2027.txt"
    kept.write_text(kept.read_text().replace("Marsh cough", "Marsh smile"))
    with pytest.raises(CodeSetError, match="isn't the file that was imported"):
        library.shelf()
    state = tmp_path / "library" / "state.json"
    state.write_text(json.dumps({"releases": [{"id": 1}]}))
    with pytest.raises(CodeSetError, match=r"state.json of the library is damaged"):
        library.held()


def test_releases_are_compared(library: Library, tmp_path: Path) -> None:
    """Added, deleted with the successor, revised with the title before."""
    library.bring([order(tmp_path, {**CODES, "J981": (True, "Marsh coughing")})], LOSSES)
    sets = library.shelf().code_sets
    one, other = sets.named(ICD10CM, "2026"), sets.named(ICD10CM, "2027")
    assert one is not None
    assert other is not None
    told = compared(one, other)
    assert [d.code for d in told.added] == ["J98.A1", "J98.A2"]
    assert [(d.code, d.note.split(". ")[1]) for d in told.deleted] == [("J98.2", "J98.A1 takes its place (same title in 2027).")]
    assert [(d.code, d.note) for d in told.revised] == [("J98.1", "was: Marsh cough")]
    assert [d.code for d in compared(other, one).added] == ["J98.2"]


def test_the_engine_is_told_what_is_new(library: Library, tmp_path: Path) -> None:
    """New codes with all names, known codes with further names only."""
    library.bring([order(tmp_path, {**CODES, "J981": (True, "Marsh coughing")})], LOSSES)
    told = dict(additions(library.shelf().code_sets))
    assert told == {
        "J98.1": ("Marsh coughing",),
        "J98.A": ("Marsh light lung",),
        "J98.A1": ("Marsh light lung with tremolo",),
        "J98.A2": ("Marsh light lung without tremolo",),
    }


def test_a_running_service_renews_once_for_each_change_and_keeps_what_it_had_when_that_fails() -> None:
    """A look is cheap and seldom; a failure leaves what was loaded."""
    state = {"stamp": "a", "now": 0.0}
    loaded: list[str] = []

    def renew() -> None:
        if state["stamp"] == "damaged":
            raise CodeSetError("It is damaged.", "Import it again.")
        loaded.append(str(state["stamp"]))

    renewal = Renewal(lambda: str(state["stamp"]), renew, every=5, clock=lambda: float(state["now"]))
    for now, stamp in ((1, "b"), (6, "b"), (12, "b"), (18, "damaged"), (24, "damaged"), (30, "c")):
        state.update(now=float(now), stamp=stamp)
        renewal.look()
        renewal.wait()
    assert loaded == ["b", "c"]


def test_the_stamp_of_a_data_folder_changes_with_imports_and_rules(tmp_path: Path) -> None:
    """What a running service looks at."""
    hand = AtHand(tmp_path)
    stamps = [hand.stamp]
    for name in ("codesets/state.json", "payers/plan.toml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
        stamps.append(hand.stamp)
    assert len(set(stamps)) == 3
