"""Commands codeset, explain and rules: exit code, standard output and error."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cds_service.codesets.command import codeset
from cds_service.review.command import explain, rules


def test_releases_are_listed_with_their_dates() -> None:
    """One release is at hand: FY 2026."""
    result = CliRunner().invoke(codeset, ["list", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["version"] == "2026-04-01"
    assert "null" not in result.stdout


def test_a_claim_in_order_passes_and_a_faulty_one_fails_with_its_reasons() -> None:
    """Exit code 1 for a critical finding; each names table, reason and remedy."""
    fine = CliRunner().invoke(codeset, ["check", "E11.22", "N18.31", "--date", "2026-03-01", "--json"])
    assert (fine.exit_code, json.loads(fine.stdout)) == (0, [])
    faulty = CliRunner().invoke(codeset, ["check", "e11.9", "E10.9", "S72.001", "M25.56", "X99", "--date", "2026-03-01", "--json"])
    assert faulty.exit_code == 1
    assert {f["edit"] for f in json.loads(faulty.stdout)} == {"excludes1", "code.seventh-character", "code.incomplete"}


def test_a_code_is_explained() -> None:
    """Notes of the tabular list, rules, questions and risk adjustment of one code."""
    result = CliRunner().invoke(explain, ["E11.22", "--date", "2026-03-01", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["title"] == "Type 2 diabetes mellitus with diabetic chronic kidney disease"
    assert "E11.22: code to identify stage of chronic kidney disease (N18.1-N18.6)" in found["useAdditional"]
    assert any(line.startswith("guideline.I.C.4.a.with") for line in found["rules"])
    assert found["riskAdjustment"] == ["CMS-HCC Model V28, payment year 2027: HCC 37 Diabetes with Chronic Complications"]


@pytest.mark.parametrize(
    ("code", "edits"),
    [
        ("E11.22", []),
        ("F02.80", ["principal.manifestation", "principal.never-first"]),
        ("M25.569", ["laterality.unspecified"]),
        ("O24.410", ["age.conflict"]),
        ("S72.001", ["code.seventh-character"]),
        ("W19.XXXA", ["principal.external-cause", "principal.never-first"]),
    ],
)
def test_the_edits_of_a_code_are_told(code: str, edits: list[str]) -> None:
    """Each with its table and version."""
    told = json.loads(CliRunner().invoke(explain, [code, "--date", "2026-03-01", "--json"]).stdout)["edits"]
    assert [line.split(":")[0] for line in told] == edits
    assert all(line.endswith("v43.1)") for line in told)


def test_an_unknown_code_is_wrong_use() -> None:
    """Exit code 2, and the message says of which release."""
    result = CliRunner().invoke(explain, ["Q99.99", "--date", "2026-03-01"])
    assert result.exit_code == 2
    assert "Q99.99 is no code of http://hl7.org/fhir/sid/icd-10-cm 2026-04-01" in result.stderr


def test_the_rules_are_in_order() -> None:
    """`rules check` passes on what is shipped."""
    result = CliRunner().invoke(rules, ["check"])
    assert result.exit_code == 0, result.stdout
    assert "gap rules are in order" in result.stderr
    assert "guideline.I.C.9.a\t" in CliRunner().invoke(rules, ["list"]).stdout
