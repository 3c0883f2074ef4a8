"""The SNOMED CT to ICD-10-CM map as published: the Extended Map reference set of the US Edition (RF2, Snapshot).

Columns: id, effectiveTime, active, moduleId, refsetId, referencedComponentId, mapGroup, mapPriority, mapRule, mapAdvice, mapTarget, correlationId,
mapCategoryId, tab-separated. The map of ICD-10-CM is reference set 6011000124106; rows of other maps in the file are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds_service.codesets.diagnoses import Terms
from cds_service.codesets.official import OfficialFile
from cds_service.review.snomed import MapRow, SnomedMap

_COLUMNS = (
    "id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId", "mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget",
    "correlationId", "mapCategoryId",
)  # fmt: skip
_REFSET = "6011000124106"
_TARGET = re.compile(r"(?:[A-Z][0-9A-Z]{2}(?:\.[0-9A-Z?]{1,4})?)?")
_PUBLISHED = "Give the Snapshot of the US Edition as it was published."


def snomed_map(file: OfficialFile, terms: Terms) -> SnomedMap:
    """Return the map of a release. Raises CodeSetError with the line that isn't in the layout."""
    found = SnomedMap.of(terms.effective_from.isoformat(), terms.effective_from, _rows(file))
    if not len(found):
        raise file.damaged(1, f"no active row of reference set {_REFSET} (SNOMED CT to ICD-10-CM)", _PUBLISHED)
    return found


def _rows(file: OfficialFile) -> Iterator[tuple[str, MapRow]]:
    began = False
    rules: dict[str, str] = {}  # many rows share their words
    for number, line in file.lines():
        cells = line.split("\t")
        if not began:
            if tuple(c.strip() for c in cells) != _COLUMNS:
                raise file.damaged(number, "the columns of an Extended Map reference set are expected", _PUBLISHED)
            began = True
            continue
        if len(cells) != len(_COLUMNS):
            raise file.damaged(number, f"{len(_COLUMNS)} fields are expected, and there are {len(cells)}")
        if cells[2] != "1" or cells[4] != _REFSET:
            continue
        concept, group, priority, target = cells[5], cells[6], cells[7], cells[10].strip()
        if not concept.isdigit() or not group.isdigit() or not priority.isdigit():
            raise file.damaged(number, "concept, group and priority are numbers")
        if not _TARGET.fullmatch(target):
            raise file.damaged(number, f"{target[:12]!r} is no ICD-10-CM code")
        rule, advice = (rules.setdefault(c.strip(), c.strip()) for c in (cells[8], cells[9]))
        yield concept, MapRow(int(group), int(priority), rule, advice, target)
