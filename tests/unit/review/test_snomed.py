"""A problem list in SNOMED CT, read through the customer's map. Concepts and rows of these files are invented; rules are in the map's own language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.codesets import Choices, Library
from cds_service.codesets.command import codeset
from cds_service.errors import CodeSetError
from cds_service.review import Knowledge
from cds_service.review.case import open_case
from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.snomed import Who, holds, mapped, through_map
from fhir_mappers.record import Coding, Concept, EncounterRecord, Patient, Problem, Setting
from fhir_mappers.systems import SNOMED
from tests.unit.codesets.official_files import write

NAME = "der2_iisssccRefset_ExtendedMapSnapshot_US1000124_20260301.txt"
HEAD = "id effectiveTime active moduleId refsetId referencedComponentId mapGroup mapPriority mapRule mapAdvice mapTarget correlationId mapCategoryId".split()
FEMALE, MALE = "IFA 248152002 | Female (finding) |", "IFA 248153007 | Male (finding) |"
YOUNG = "IFA 445518008 | Age at onset of clinical finding (observable entity) | < 18.0 years"
GROWN = "IFA 445518008 | Age at onset of clinical finding (observable entity) | >= 18.0 years"
OLDER = f"{GROWN} AND IFA 445518008 | Age at onset of clinical finding (observable entity) | < 65.0 years"
ROWS = (
    ("100001", 1, 1, "TRUE", "ALWAYS I10", "I10"),
    ("100002", 1, 1, FEMALE, "IF FEMALE CHOOSE N76.0", "N76.0"),
    ("100002", 1, 2, "OTHERWISE TRUE", "ALWAYS N48.1", "N48.1"),
    ("100003", 1, 1, YOUNG, "IF AGE AT ONSET BELOW 18 YEARS CHOOSE J45.20", "J45.20"),
    ("100003", 1, 2, OLDER, "IF AGE AT ONSET 18 TO 65 YEARS CHOOSE J45.30", "J45.30"),
    ("100003", 1, 3, "OTHERWISE TRUE", "ALWAYS J45.40", "J45.40"),
    ("100004", 1, 1, "TRUE", "ALWAYS E11.22", "E11.22"),
    ("100004", 2, 1, "TRUE", "ALWAYS N18.30", "N18.30"),
    ("100005", 1, 1, "TRUE", "ALWAYS S72.001? | EPISODE OF CARE INFORMATION NEEDED", "S72.001?"),
    ("100006", 1, 1, "TRUE", "MAP SOURCE CONCEPT CANNOT BE CLASSIFIED WITH AVAILABLE DATA", ""),
    ("100007", 1, 1, "IFA 100001 | Marsh pressure (disorder) |", "IF MARSH PRESSURE CHOOSE I11.9", "I11.9"),
    ("100007", 1, 2, "OTHERWISE TRUE", "ALWAYS I51.9", "I51.9"),
)


def line(concept: str, group: int, priority: int, rule: str, advice: str, target: str, *, active: str = "1", refset: str = "6011000124106") -> str:
    """Return one row as it is published."""
    cells = ["80000000-0000-0000-0000-000000000000", "20260301", active, "5991000124107", refset, concept, str(group), str(priority), rule, advice, target]
    return "\t".join([*cells, "447561005", "447637006"])


def published(folder: Path, rows: Sequence[str] | None = None) -> Path:
    """Write the reference set."""
    return write(folder / NAME, ["\t".join(HEAD), *(rows if rows is not None else [line(*r) for r in ROWS])])


@pytest.fixture(scope="module")
def codes(knowledge: Knowledge) -> CodeSet:
    """ICD-10-CM of the day."""
    return knowledge.code_sets.in_force(ICD10CM, date(2026, 3, 2))


@pytest.fixture
def with_map(knowledge: Knowledge, tmp_path: Path, codes: CodeSet) -> Knowledge:
    """The review's tables with the map, as an import makes it."""
    library = Library(tmp_path / "library", (codes,), ())
    [held], _ = library.bring([published(tmp_path / "snomed")], Choices())
    assert (held.family, held.version, held.codes) == ("snomed-icd-10-cm", "2026-03-01", 7)
    return replace(knowledge, maps=library.shelf().maps)


@pytest.mark.parametrize(
    ("rule", "who", "expected"),
    [
        ("TRUE", Who(), True),
        ("OTHERWISE TRUE", Who(), True),
        (FEMALE, Who("female"), True),
        (FEMALE, Who("male"), False),
        (MALE, Who("male"), True),
        (FEMALE, Who(), None),
        (YOUNG, Who(onset_days=17 * 365.25), True),
        (YOUNG, Who(onset_days=18 * 365.25), False),
        (YOUNG, Who(), None),
        (OLDER, Who(onset_days=40 * 365.25), True),
        (OLDER, Who(onset_days=70 * 365.25), False),
        (f"{FEMALE} AND {YOUNG}", Who("male"), False),
        ("IFA 445518008 | Age at onset | < 28.0 days", Who(onset_days=3), True),
        ("IFA 100001 | Marsh pressure (disorder) |", Who(concepts=frozenset({"100001"})), True),
        ("IFA 100001 | Marsh pressure (disorder) |", Who(), False),
        ("SOMETHING ELSE", Who(), None),
    ],
)
def test_rules_of_the_map(rule: str, who: Who, expected: bool | None) -> None:
    """Sex, age at onset and other concepts decide; what isn't known decides nothing."""
    assert holds(rule, who) is expected


@pytest.mark.parametrize(
    ("concept", "who", "expected", "advice"),
    [
        ("100001", Who(), ("I10",), ()),
        ("100002", Who("female"), ("N76.0",), ()),
        ("100002", Who("male"), ("N48.1",), ()),
        ("100002", Who(), (), ("IF FEMALE CHOOSE N76.0",)),
        ("100003", Who(onset_days=10 * 365.25), ("J45.20",), ()),
        ("100003", Who(onset_days=30 * 365.25), ("J45.30",), ()),
        ("100003", Who(), (), ("IF AGE AT ONSET BELOW 18 YEARS CHOOSE J45.20",)),
        ("100004", Who(), ("E11.22", "N18.30"), ()),
        ("100005", Who(), (), ("ALWAYS S72.001? | EPISODE OF CARE INFORMATION NEEDED",)),
        ("100006", Who(), (), ()),
        ("100007", Who(concepts=frozenset({"100001"})), ("I11.9",), ()),
        ("100007", Who(), ("I51.9",), ()),
        ("999999", Who(), (), ()),
    ],
)
def test_a_concept_becomes_codes(with_map: Knowledge, codes: CodeSet, concept: str, who: Who, expected: tuple[str, ...], advice: tuple[str, ...]) -> None:
    """Groups together, the first row that holds in each; the map's advice where it can't be decided."""
    found = mapped(concept, with_map.maps[0], who, codes)
    assert (found.codes, found.advice) == (expected, advice)


def problems(*concepts: Concept, onset: date | None = None, gender: str = "female") -> EncounterRecord:
    """Return a record with a problem list."""
    listed = tuple(Problem(f"Condition/{n}", c, "problem-list-item", "active", onset=onset) for n, c in enumerate(concepts, 1))
    return EncounterRecord(Patient("p1", date(2000, 5, 1), gender), "e1", Setting.OUTPATIENT, None, None, problems=listed)


def snomed(concept: str) -> Concept:
    """Return a concept of SNOMED CT alone."""
    return Concept((Coding(SNOMED, concept, "Words of the list"),), None)


def test_the_problem_list_is_read_through_the_map(with_map: Knowledge, codes: CodeSet) -> None:
    """Codes are added beside the concept; an ICD-10-CM code that is there already stays alone."""
    own = Concept((Coding(SNOMED, "100001"), Coding(ICD10CM, "I15.0")), None)
    found = through_map(problems(snomed("100004"), own, snomed("100005")), with_map.maps, codes, date(2026, 3, 2))
    coded = [[c.code for c in p.concept.codings if c.system == ICD10CM] for p in found.problems]
    assert coded == [["E11.22", "N18.30"], ["I15.0"], []]
    assert through_map(found, with_map.maps, codes, date(2026, 3, 2)) == found
    assert found.problems[0].concept.codings[0].code == "100004"


def test_a_case_is_opened_through_the_map(with_map: Knowledge) -> None:
    """Age at onset is that of the problem; a map that isn't in force yet isn't used."""
    child, adult = problems(snomed("100003"), onset=date(2010, 1, 1)), problems(snomed("100003"), onset=date(2022, 1, 1))
    read = [open_case(r, {}, with_map, date(2026, 3, 2)).record.problems[0].concept.code_in(ICD10CM) for r in (child, adult)]
    assert read == ["J45.20", "J45.30"]
    assert open_case(child, {}, with_map, date(2026, 2, 1)).record.problems[0].concept.code_in(ICD10CM) is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["not\ta\tmap"], "13 fields are expected"),
        ([line("x", 1, 1, "TRUE", "", "I10")], "are numbers"),
        ([line("100001", 1, 1, "TRUE", "", "hypertension")], "is no ICD-10-CM code"),
        ([line("100001", 1, 1, "TRUE", "", "I10", active="0")], "no active row"),
        ([line("100001", 1, 1, "TRUE", "", "I10", refset="447562003")], "no active row"),
    ],
)
def test_a_damaged_map_is_refused_with_its_line(tmp_path: Path, codes: CodeSet, rows: Sequence[str], words: str) -> None:
    """Nothing is taken in then."""
    library = Library(tmp_path / "library", (codes,), ())
    with pytest.raises(CodeSetError) as refused:
        library.bring([published(tmp_path / "snomed", rows)], Choices())
    assert words in refused.value.message
    assert library.held() == ()


def test_the_command_shows_what_the_map_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`codeset map`: codes with titles, or the advice with what is left to choose from."""
    monkeypatch.setenv("MARGINALIA_DATA", str(tmp_path / "data"))
    run = CliRunner().invoke
    assert run(codeset, ["import", str(published(tmp_path / "snomed"))]).exit_code == 0
    assert run(codeset, ["map", "100001", "--date", "2026-03-02"]).stdout == "I10\tEssential (primary) hypertension\n"
    told = json.loads(run(codeset, ["map", "100002", "--date", "2026-03-02", "--json"]).stdout)
    assert told == {"map": "2026-03-01", "codes": [], "advice": ["IF FEMALE CHOOSE N76.0"], "possible": ["N76.0", "N48.1"]}
    assert "SNOMED CT to ICD-10-CM  2026-03-01: 7 concepts" in run(codeset, ["list"]).stdout
