"""Payers' rule files: one file with dates and its own tests; what is wrong is refused with line and reason."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from cds_service.errors import RuleError
from cds_service.review import Knowledge
from cds_service.review.codeset import ICD10CM, CodeSets
from cds_service.review.command import rules as command
from cds_service.review.payer import PayerRules
from cds_service.review.payer_file import payer_rules
from fhir_mappers.record import Coverage
from tests.unit.review.conftest import note, of, reading, record

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "payer-rules.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plan(knowledge: Knowledge) -> PayerRules:
    """The example of the documentation."""
    return payer_rules(EXAMPLE.name, TEXT, knowledge.code_sets)


def test_the_example_of_the_documentation_is_in_order(plan: PayerRules) -> None:
    """Its own tests run as it is read."""
    assert (plan.payer, [r.id for r in plan.rules], len(plan.rules[0].tests)) == ("Example Health Plan", ["obesity-with-bmi"], 3)


def schema() -> Any:
    """Return the published schema."""
    return json.loads((resources.files("cds_service.review") / "tables" / "payer-rules.schema.json").read_text(encoding="utf-8"))


def as_json(text: str) -> Any:
    """Return a rule file as JSON has it: dates as strings."""
    return json.loads(json.dumps(tomllib.loads(text), default=str))


# what is wrong -> (text of the example, text in its place, line, reason, whether the schema sees it)
WRONG = {
    "not TOML": ('version = "2026.2"', "version = 2026.2.1", 4, "not TOML", None),
    "unknown field of the file": ('version = "2026.2"', 'version = "2026.2"\nprice = 3', 5, "there is no field 'price'", True),
    "unknown field of a rule": ('severity = "critical"', 'urgency = "critical"', 13, "there is no field 'urgency'", True),
    "unknown field of a condition": ("age_from = 18", "age_form = 18", 21, "there is no field 'age_form'", True),
    "unknown field of a test": ("age = 50\nfinds = true", "ages = 50\nfinds = true", 30, "there is no field 'ages'", True),
    "missing field": ('remedy = "Add the Z68 code where the record documents the body mass index."\n', "", 7, "the field 'remedy' is missing", True),
    "wrong type": ("age_from = 18", 'age_from = "18"', 21, "'age_from' is '18', where a whole number", True),
    "a date as text": ("from = 2026-01-01", 'from = "2026-01-01"', 10, "where a date such as", None),
    "wrong format": ("payer-rules/1", "payer-rules/9", 2, "'marginalia-payer-rules/1' is expected", True),
    "a code that doesn't exist": ('["E66"]', '["E66", "E99.9"]', 19, "E99.9 is no code of ICD-10-CM 2026-04-01", False),
    "a code without its dot": ('["Z68"]', '["Z6836"]', 24, "Z6836 is no ICD-10-CM code, with its dot", True),
    "no service code": ("age_from = 18", 'services = ["ABC"]', 21, "ABC is no HCPCS or CPT code", True),
    "ends before it begins": ("to = 2026-12-31", "to = 2025-12-31", 11, "before it begins", False),
    "unknown setting": ('["outpatient"]', '["hotel"]', 20, "'hotel' is none of", False),
    "wrong reason code": ("CO-16", "XX", 16, "'XX' is no reason code", True),
    "wrong id": ('"obesity-with-bmi"', '"Obesity"', 8, "'Obesity' is no id", True),
    "a test that fails": ("age = 50\nfinds = true", "age = 50\nfinds = false", 26, "finds something in its test 'without body mass index'", False),
    "no condition": ('diagnoses = ["E66"]\nsettings = ["outpatient"]\nage_from = 18\n', "", 18, "without a condition", True),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_is_refused_with_its_line(name: str, knowledge: Knowledge) -> None:
    """Unknown field, wrong code, overlapping dates and the like: line and reason; the schema agrees where it can see it."""
    old, new, line, reason, seen = WRONG[name]
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(RuleError) as error:
        payer_rules("plan.toml", text, knowledge.code_sets)
    assert error.value.message.startswith(f"plan.toml, line {line}: ")
    assert reason in error.value.message
    if seen is not None:
        assert jsonschema.Draft202012Validator(schema()).is_valid(as_json(text)) is not seen
    jsonschema.validate(as_json(TEXT), schema())


def test_dates_of_one_rule_may_not_overlap(knowledge: Knowledge) -> None:
    """The same id twice is two versions of a rule: one ends before the other begins."""
    second = TEXT[TEXT.index("[[rules]]") :]
    with pytest.raises(RuleError, match=r"line 49: the dates of rule obesity-with-bmi overlap"):
        payer_rules("plan.toml", f"{TEXT}{second}", knowledge.code_sets)
    moved = second.replace("from = 2026-01-01", "from = 2027-01-01").replace("to = 2026-12-31\n", "").replace("2026-03-01", "2027-03-01")
    moved = moved[: moved.rindex("[[rules.tests]]")]
    assert len(payer_rules("plan.toml", f"{TEXT}{moved}", knowledge.code_sets).rules) == 2


def test_a_rule_that_needs_both_kinds_of_test(knowledge: Knowledge) -> None:
    """One that finds, one near miss."""
    first = TEXT.index("[[rules.tests]]")
    second = TEXT.index("[[rules.tests]]", first + 1)
    with pytest.raises(RuleError, match="needs a test that finds something and one that doesn't"):
        payer_rules("plan.toml", TEXT[:second], knowledge.code_sets)


def test_a_code_that_ends_while_the_rule_is_in_force_is_refused_with_its_successor(knowledge: Knowledge) -> None:
    """A rule outlives a release: the code must be valid on all its days."""
    now = knowledge.code_sets.in_force(ICD10CM, date(2026, 9, 1))
    later = replace(
        now,
        version="2027",
        effective_from=date(2026, 10, 1),
        entries={c: e for c, e in now.entries.items() if c != "E66.9"},
        billable=now.billable - {"E66.9"},
        conversions={"E66.9": ("E66.89",)},
    )
    text = TEXT.replace('diagnoses = ["E66"]', 'diagnoses = ["E66.9"]', 1)
    with pytest.raises(RuleError, match=r"line 19: E66.9 ended on 2026-09-30. E66.89 takes its place"):
        payer_rules("plan.toml", text, CodeSets([now, later]))
    payer_rules("plan.toml", text.replace("to = 2026-12-31", "to = 2026-09-30"), CodeSets([now, later]))


def test_findings_stand_among_those_of_the_claim_with_their_source(knowledge: Knowledge, plan: PayerRules) -> None:
    """For the coder: table and version say whose rule it is. Another payer's patient has none."""
    one = note("Assessment: obesity.")
    read = {one.source: reading(one.text, {"obesity": "E66.9"})}
    ours = replace(knowledge, payers=(plan,))
    of_plan = record(one, coverages=(Coverage("Coverage/1", "EXAMPLE HEALTH PLAN"),))
    [found] = [f for f in of(of_plan, read, ours).claim_findings if f.edit.startswith("payer.")]
    assert (found.edit, found.codes, found.reason_code) == ("payer.obesity-with-bmi", ("E66.9",), "CO-16")
    assert (found.table, found.version) == ("Example Health Plan: Provider manual 2026, section 4.2 (invented)", "2026.2")
    assert (found.effective_from, found.effective_to) == (date(2026, 1, 1), date(2026, 12, 31))
    for other in (record(one, coverages=(Coverage("Coverage/1", "Another Plan"),)), record(one)):
        assert not [f for f in of(other, read, ours).claim_findings if f.edit.startswith("payer.")]


def test_the_commands_check_add_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong file changes nothing; a right one is in force until it is removed."""
    monkeypatch.setenv("MARGINALIA_DATA", str(tmp_path / "data"))
    run = CliRunner().invoke
    assert "payer-rules.toml: 1 rules of Example Health Plan are in order, 3 tests passed" in run(command, ["check", str(EXAMPLE)]).stderr
    wrong = tmp_path / "payer-rules.toml"
    wrong.write_text(TEXT.replace('["E66"]', '["E99"]'))
    assert isinstance(run(command, ["check", str(wrong)]).exception, RuleError)
    assert isinstance(run(command, ["add", str(wrong)]).exception, RuleError)
    assert list((tmp_path / "data").rglob("*.toml")) == []
    assert run(command, ["add", str(EXAMPLE)]).exit_code == 0
    assert "payer.obesity-with-bmi\t" in run(command, ["list"]).stdout
    assert run(command, ["remove", "payer-rules"]).exit_code == 0
    assert "payer." not in run(command, ["list"]).stdout
