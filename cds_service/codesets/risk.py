"""Mappings of diagnoses to CMS-HCC V28 categories, as CMS publishes them for a payment year.

Two official layouts: the format file of the risk adjustment software (`F2827T1N.TXT`: diagnosis, blank or tab, category) and the table of mappings
saved as CSV, whose headings stand below a few lines of text ("Diagnosis Code", "CMS-HCC Model Category V28", "... for 2027 Payment Year").
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.codesets.official import OfficialFile
from cds_service.codesets.order import DIAGNOSIS
from cds_service.review.risk import RiskModel

_LINE = re.compile(r"(\S+)\s+(\d+(?:\.0)?)\s*")
_V28 = re.compile(r"CMS-HCC\s+Model\s+Category\s+V28\s*$", re.I)


def risk_model(file: OfficialFile, year: int, base: RiskModel) -> RiskModel:
    """Return the model of a payment year: categories from the file, labels and hierarchy from `base`, the model before it. Raises CodeSetError."""
    categories: dict[str, tuple[str, ...]] = {}
    rows = _table(file) if file.path.suffix.lower() == ".csv" else _format(file)
    for number, code, category in rows:
        if not DIAGNOSIS.fullmatch(code):
            raise file.damaged(number, f"{code} is no ICD-10-CM code")
        if category not in base.labels:
            raise file.damaged(number, f"{category} is no category of CMS-HCC V28", "Give the mapping of model V28.")
        if category in categories.get(code, ()):
            raise file.damaged(number, f"{code} is mapped to {category} twice")
        categories[code] = (*categories.get(code, ()), category)
    if not categories:
        raise file.damaged(1, "no mapping in the whole file")
    return replace(base, payment_year=year, categories=categories)


def _format(file: OfficialFile) -> Iterator[tuple[int, str, str]]:
    for number, text in file.lines():
        match = _LINE.fullmatch(text)
        if match is None:
            raise file.damaged(number, "a diagnosis and a category are expected")
        yield number, match[1].replace(".", ""), match[2].removesuffix(".0")


def _table(file: OfficialFile) -> Iterator[tuple[int, str, str]]:
    reader = csv.reader(line for _, line in file.lines())
    numbers = iter([n for n, _ in file.lines()])
    column = None
    for number, cells in zip(numbers, reader, strict=False):
        if column is None:
            if cells and cells[0].strip().lower() == "diagnosis code":
                column = next((i for i, head in enumerate(cells) if _V28.search(" ".join(head.split()))), None)
                if column is None:
                    raise file.damaged(number, "no column 'CMS-HCC Model Category V28'")
            continue
        code = cells[0].strip().replace(".", "") if cells else ""
        if not DIAGNOSIS.fullmatch(code):
            if len(cells) > column and cells[column].strip():
                raise file.damaged(number, f"{code[:20]!r} is no ICD-10-CM code")
            continue  # notes below the table
        if len(cells) > column and (category := cells[column].strip().removesuffix(".0")):
            yield number, code, category
    if column is None:
        raise file.damaged(1, "no line of headings that begins with 'Diagnosis Code'")
