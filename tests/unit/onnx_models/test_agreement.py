"""Agreement of two codings: what counts as the same, and what is listed as different."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from onnx_models.evaluation import agreement as module
from onnx_models.evaluation.agreement import Coding, Entry, agreement, disagreements, kappa, main, read
from onnx_models.evaluation.notes import GOLD, splits
from onnx_models.training.terms import TabularList

NOTE = ("own", "own001")


def entry(code: str, mark: str = "+", *alternatives: str) -> Entry:
    """Return an entry by the mark of the draft format."""
    return Entry(code, mark != "~", mark == "*", mark == "^", frozenset(alternatives), ((0, 4),))


def coding(*entries: Entry, **not_coded: str) -> Coding:
    """Return a coding of one note."""
    return Coding(entries, {code.replace("_", "."): reason for code, reason in not_coded.items()})


def test_two_equal_codings_agree_wholly() -> None:
    """Everything is 1, and nothing is listed."""
    one = {NOTE: coding(entry("I10", "*"), entry("E11.9"), entry("Z79.4", "~"))}
    figures = agreement(one, one)
    assert (figures.f1, figures.f1_category, figures.met, figures.principal_same, figures.status_kappa) == (1, 1, (1, 1), 1, 1)
    assert figures.f1_interval == (1, 1)
    assert disagreements(one, one) == []


def test_f1_counts_required_codes_as_written() -> None:
    """One of two and three codes in common: F1 is 2/5, and 4/5 by three characters; acceptable codes don't count."""
    first = {NOTE: coding(entry("I10", "*"), entry("E11.9"), entry("K21.9", "~"))}
    second = {NOTE: coding(entry("I10", "*"), entry("E11.65"), entry("K21.9"))}
    figures = agreement(first, second)
    assert figures.required == (2, 3)
    assert figures.f1 == pytest.approx(2 / 5)
    assert figures.f1_category == pytest.approx(4 / 5)


def test_a_required_code_is_met_by_an_alternative_or_another_status() -> None:
    """The first's codes are all met in the second, one of them as written; of the second's, the one that nobody else has is not."""
    first = {NOTE: coding(entry("M19.90", "*", "M17.11"), entry("K21.9"))}
    second = {NOTE: coding(entry("M17.11", "*"), entry("K21.9", "~"), entry("D64.9"))}
    figures = agreement(first, second)
    assert figures.met == (1, 1 / 2)
    assert figures.written == (1 / 2, 0)
    assert (figures.principal_same, figures.principal_met) == (0, 1)


def test_disagreements_say_what_kind_they_are() -> None:
    """A code may be absent, absent with a reason, in other detail, one of two alternatives, or of other status."""
    first = {NOTE: coding(entry("I10", "*"), entry("E11.9"), entry("K21.9"), entry("J18.9"), entry("D64.9"), entry("M17.9", "+", "M19.90"))}
    second = {NOTE: coding(entry("I10", "*"), entry("E11.65"), entry("K21.9", "~"), entry("M19.90"), J18_9="uncertain")}
    found = [(d.coder, d.code, d.kind, d.other) for d in disagreements(first, second)]
    assert found == [
        ("first", "E11.9", "detail", ("E11.65",)),
        ("first", "K21.9", "status", ("K21.9",)),
        ("first", "J18.9", "not coded: uncertain", ()),
        ("first", "D64.9", "missing", ()),
        ("first", "M17.9", "alternative", ("M19.90",)),
        ("second", "E11.65", "detail", ("E11.9",)),
        ("second", "M19.90", "alternative", ("M17.9",)),
    ]


def test_a_principal_differs_only_where_neither_accepts_the_other() -> None:
    """A code marked as one that could as well be first is agreement."""
    first = {NOTE: coding(entry("I10", "*"), entry("E11.9", "^"))}
    assert agreement(first, {NOTE: coding(entry("E11.9", "*"), entry("I10"))}).principal_met == 1
    swapped = {NOTE: coding(entry("N18.9", "*"), entry("I10"), entry("E11.9"))}
    assert [d.other for d in disagreements(first, swapped) if d.kind == "principal"] == [("N18.9",)]


def test_evidence_agrees_where_words_overlap() -> None:
    """Words side by side do not overlap."""
    first = {NOTE: coding(entry("I10", "*"), entry("E11.9"))}
    beside = Entry("E11.9", True, False, False, frozenset(), ((4, 9),))
    assert agreement(first, {NOTE: coding(entry("I10", "*"), beside)}).evidence == 1 / 2


def test_kappa_is_that_of_cohen() -> None:
    """The worked example of Cohen's table: 20, 5, 10, 15 give 0.4."""
    table = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert kappa(table) == pytest.approx(0.4)
    assert kappa([(True, True)]) == 1


def test_codings_without_a_common_note_are_an_error() -> None:
    """There is no agreement over nothing."""
    with pytest.raises(ValueError, match="no note in common"):
        agreement({NOTE: coding(entry("I10", "*"))}, {})


def test_drafts_are_built_with_the_first_coding_kept_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second coding lands in its split; the first is copied once and not overwritten by a later build; the report reads both."""
    monkeypatch.setattr(module, "SECOND", tmp_path)
    monkeypatch.setattr(module, "source_texts", lambda source, data: {p.stem: p.read_text() for p in (GOLD / "own").glob("*.text")})
    monkeypatch.setattr("onnx_models.evaluation.annotate.source_texts", lambda source, data: {p.stem: p.read_text() for p in (GOLD / "own").glob("*.text")})
    monkeypatch.setattr(module, "splits", lambda: {"own": {"own001": "dev"}})
    draft = tmp_path / "draft.txt"
    word = (GOLD / "own" / "own001.text").read_text().split()[0].strip(":,.")
    draft.write_text(f"@ own own001 outpatient\n* I10 | {word}\n")
    runner = CliRunner()
    assert runner.invoke(main, ["build", str(draft), "--data", str(tmp_path)]).exit_code == 0
    assert [e.code for e in read(tmp_path / "dev" / "second")[NOTE].entries] == ["I10"]
    kept = tmp_path / "dev" / "first" / "own.jsonl"
    assert [json.loads(line)["id"] for line in kept.read_text().splitlines()] == ["own001"]
    kept.write_text(kept.read_text().replace("required", "acceptable"))
    before = kept.read_text()
    assert runner.invoke(main, ["build", str(draft), "--data", str(tmp_path)]).exit_code == 0
    assert kept.read_text() == before
    result = runner.invoke(main, ["report", "--current", "--disagreements"])
    assert result.exit_code == 0
    assert result.output.startswith("dev: 1 notes")


def test_a_further_note_joins_those_that_were_coded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of other drafts adds their notes to both codings and leaves what stands as it is."""
    monkeypatch.setattr(module, "SECOND", tmp_path)
    texts = {p.stem: p.read_text() for p in (GOLD / "own").glob("*.text")}
    monkeypatch.setattr(module, "source_texts", lambda source, data: texts)
    monkeypatch.setattr("onnx_models.evaluation.annotate.source_texts", lambda source, data: texts)
    monkeypatch.setattr(module, "splits", lambda: {"own": {"own001": "dev", "own002": "dev"}})
    draft = tmp_path / "draft.txt"
    for identifier, code in (("own002", "I10"), ("own001", "K21.9")):
        draft.write_text(f"@ own {identifier} outpatient\n* {code} | {texts[identifier].split()[0].strip(':,.')}\n")
        assert CliRunner().invoke(main, ["build", str(draft), "--data", str(tmp_path)]).exit_code == 0
    second = read(tmp_path / "dev" / "second")
    assert {key[1]: coded.principal for key, coded in second.items()} == {"own001": "K21.9", "own002": "I10"}
    assert list(second) == list(read(tmp_path / "dev" / "first")) == [("own", "own001"), ("own", "own002")]


@pytest.mark.parametrize("split", sorted(p.name for p in module.SECOND.iterdir()))
def test_committed_codings_are_of_the_gold_notes(split: str) -> None:
    """Both codings have the same notes, all of their split; hashes are those of the gold; the second is valid; no text is in either."""
    tabular = TabularList()
    for path in sorted((module.SECOND / split / "second").glob("*.jsonl")):
        first, second, gold = (
            {n["id"]: n for n in map(json.loads, p.read_text().splitlines())} for p in (path.parents[1] / "first" / path.name, path, GOLD / path.name)
        )
        assert list(first) == list(second)
        for identifier, note in second.items():
            assert splits()[path.stem][identifier] == split
            assert note["sha256"] == first[identifier]["sha256"] == gold[identifier]["sha256"]
            assert set(note) == {"id", "setting", "sha256", "codes", "notCoded", "gaps"}
            assert sum(c.get("principal", False) for c in note["codes"]) == 1
            assert all(c["code"] in tabular.billable and c["evidence"] for c in note["codes"])


def test_a_draft_with_an_error_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that can't be billed is named, and nothing is written."""
    monkeypatch.setattr(module, "SECOND", tmp_path / "second")
    monkeypatch.setattr("onnx_models.evaluation.annotate.source_texts", lambda source, data: {"own001": "Hypertension."} if source == "own" else {})
    draft = tmp_path / "draft.txt"
    draft.write_text("@ own own001 outpatient\n* E11 | Hypertension\n")
    result = CliRunner().invoke(main, ["build", str(draft), "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "E11 is not a billable code" in result.output
    assert not (tmp_path / "second").exists()
