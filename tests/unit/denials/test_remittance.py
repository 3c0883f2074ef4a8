"""Remittances (X12 835): what is read, and that a damaged file is refused with line and reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.denials import RemittanceError, claim_encounters, matched, remitted_claims
from tests.unit.denials.remittances import Paid, segments, written

DENIED = Paid("A2", "4", charged="100", paid="0", adjustments=("CO*50*60**16*40",), more=("MOA***N115",), service=False)


def test_claims_are_read_with_their_adjustments(tmp_path: Path) -> None:
    """CLP, CAS of claim and service with up to six reasons, MOA remarks, date of the remittance."""
    paid, denied = remitted_claims(written(tmp_path / "a.835", segments([Paid("A1"), DENIED])))
    assert (paid.claim, paid.charged, paid.paid, paid.day, paid.is_denied) == ("A1", Decimal(200), Decimal(150), date(2026, 1, 5), False)
    assert (denied.claim, denied.is_denied, denied.denial_reasons, denied.remarks[:1]) == ("A2", True, ("CO-16", "CO-50"), ("N115",))
    assert denied.line == 19


@pytest.mark.parametrize("between", ["~", "~\r\n"])
def test_line_breaks_between_segments_do_not_matter(tmp_path: Path, between: str) -> None:
    """Payers send one long line, or a line a segment."""
    assert [c.claim for c in remitted_claims(written(tmp_path / "a.835", segments([Paid("A1"), DENIED]), between=between))] == ["A1", "A2"]


@pytest.mark.parametrize(
    ("claim", "denied"),
    [
        (Paid("x", "1", paid="0", adjustments=("CO*97*200",)), True),  # nothing paid, though processed
        (Paid("x", "1", paid="0", adjustments=("PR*1*200",)), False),  # the patient owes it
        (Paid("x", "1", paid="0", adjustments=("CO*45*200",)), False),  # contract
        (Paid("x", "2", paid="150", adjustments=("OA*23*50",)), False),  # secondary payer
    ],
)
def test_what_counts_as_a_denial(tmp_path: Path, claim: Paid, denied: bool) -> None:
    """Status 4, or nothing paid for another reason than contract or the patient's share."""
    assert remitted_claims(written(tmp_path / "a.835", segments([claim])))[0].is_denied is denied


def _put(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line.replace(old, new) for line in lines]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_put("CO*50*60**16*40", "CO*50*6O**16*40"), r"line 20, segment 20 \(CAS\): 6O stands where an amount belongs \(CAS03\)"),
        (_put("CO*50*60**16*40", "CO*FIFTY*60**16*40"), r"line 20, segment 20 \(CAS\): FIFTY stands where a reason code belongs \(CAS02\)"),
        (_put("CO*50*60**16*40", "XX*50*60**16*40"), "line 20, .*unknown group XX"),
        (_put("CO*50*60**16*40", "CO*50*60**16*50"), r"line 19, segment 19 \(CLP\): claim and adjustments don't balance: 100 charged, 0 paid, 110 adjusted"),
        (_put("SVC*HC:99213*200", "SVC*HC:99213*180"), "line 13, .*the services don't add up"),
        (_put("CLP*A1*1*", "CLP**1*"), "line 13, .*without its number"),
        (_put("DTM*405*20260105", "DTM*405*20261399"), "line 6, .*20261399 is no date"),
        (_put("ST*835*", "ST*837*"), "line 3, .*transaction set 837"),
        (lambda lines: [*lines[:14], *lines[15:]], r"line 23, segment 23 \(SE\): SE count of"),
        (lambda lines: lines[:-1], "IEA.*missing"),
        (lambda lines: lines[:20], "missing"),
        (lambda lines: ["claim,paid", "A1,100"], "line 1: no X12 file"),
        (lambda lines: [lines[0], lines[-1].replace("*1*", "*0*")], "no transaction set"),
    ],
)
def test_a_damaged_file_is_refused_with_line_and_reason(tmp_path: Path, damage: Callable[[list[str]], list[str]], told: str) -> None:
    """Cut off, wrong counts, wrong amounts, unknown groups, another transaction, no X12 at all."""
    path = written(tmp_path / "bad.835", damage(segments([Paid("A1"), DENIED])))
    with pytest.raises(RemittanceError, match=told) as refused:
        remitted_claims(path)
    assert refused.value.message.startswith("bad.835, line ")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file of another kind."""
    (tmp_path / "bad.835").write_bytes(b"ISA*00\n\xff\xfe")
    with pytest.raises(RemittanceError, match=r"bad.835, line 2: not UTF-8"):
        remitted_claims(tmp_path / "bad.835")


def test_the_first_decision_counts(tmp_path: Path) -> None:
    """A reversal is no decision, and a corrected claim that is paid later was denied as it was sent first."""
    first = remitted_claims(written(tmp_path / "1.835", segments([DENIED], day="20260105")))
    reversal = Paid("A2", "22", charged="-100", paid="0", adjustments=("CO*50*-100",))
    later = remitted_claims(written(tmp_path / "2.835", segments([reversal, Paid("A2")], day="20260205")))
    found = matched([*later, *first], {"A2": {"setting": "outpatient", "claimFindings": [{"edit": "excludes1"}]}})
    assert (found.claims, found.denied, dict(found.reasons)) == (1, 1, {"CO-50": 1, "CO-16": 1})


def test_claims_are_matched_by_a_table_where_numbers_differ(tmp_path: Path) -> None:
    """Claim numbers of a billing system; claims without a review are counted."""
    (tmp_path / "t.csv").write_text("claim,encounter\nA1,e1\nA2,e2\n", encoding="utf-8")
    claims = remitted_claims(written(tmp_path / "a.835", segments([Paid("A1"), DENIED])))
    found = matched(claims, {"e2": {"setting": "inpatient", "claimFindings": []}}, claim_encounters(tmp_path / "t.csv"))
    assert (found.claims, found.without_review, found.examples[0].features) == (2, 1, {"setting:inpatient"})


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("claim;encounter\n", "line 1: the columns are"),
        ("claim,encounter\nA1,e1\nA2\n", "line 3: a claim and an encounter"),
        ("claim,encounter\nA1,e1\nA1,e2\n", "line 3: claim A1 belongs to two encounters"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, table: str, told: str) -> None:
    """Unknown columns, missing cells, contradictions."""
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    with pytest.raises(RemittanceError, match=told):
        claim_encounters(tmp_path / "t.csv")
