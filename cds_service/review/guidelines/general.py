"""General guidelines of section I.B and I.A.17: acute on chronic, impending, borderline, and what may stand in either order.

Guidelines I.B.8, I.B.11, I.B.17, I.A.17.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, evidence, least
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Explain, Phase, Withhold, rule
from cds_service.review.sheet import Sheet
from cds_service.review.spans import coded_also

_ACUTE_ON_CHRONIC = (  # acute, chronic, both in one code
    ("I50.21", "I50.22", "I50.23"),
    ("I50.31", "I50.32", "I50.33"),
    ("I50.41", "I50.42", "I50.43"),
    ("J96.00", "J96.10", "J96.20"),
    ("J96.01", "J96.11", "J96.21"),
    ("J96.02", "J96.12", "J96.22"),
    ("I50.811", "I50.812", "I50.813"),
)
_IMPENDING = {"I21": "I20.0", "I22": "I20.0", "I63": "G45.9"}  # Alphabetic Index, Impending
_BORDERLINE = {"E08": "R73.03", "E09": "R73.03", "E10": "R73.03", "E11": "R73.03", "E13": "R73.03", "I10": "R03.0"}  # Alphabetic Index, Borderline


@rule(
    "guideline.I.B.8",
    "Acute on chronic",
    f"{GUIDELINES}, I.B.8 and I.B.9: one code where the classification has one for both",
    Phase.COMBINATION,
    needs=tuple(acute for acute, _, _ in _ACUTE_ON_CHRONIC),
    yields=tuple(both for _, _, both in _ACUTE_ON_CHRONIC),
)
def acute_on_chronic(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """The acute and the chronic form of one condition are one code where there is one."""
    for acute, chronic, both in _ACUTE_ON_CHRONIC:
        if acute in sheet and chronic in sheet:
            parts = sheet.lines[acute], sheet.lines[chronic]
            yield Exchange(acute, both, "Both the acute and the chronic form are documented.", least(*parts), evidence(*parts))
            yield Withhold(chronic, f"contained in {both}")


@rule(
    "guideline.I.B.11",
    "Impending or threatened conditions",
    f"{GUIDELINES}, I.B.11; Alphabetic Index, Impending; Threatened",
    Phase.STATUS,
)
def impending(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What was only impending is coded as the index says, else not at all; a code that itself says "threatened" stays."""
    if not case.said("impending"):
        return
    for line in sheet:
        title = case.codes.title(line.code).lower()
        if "threatened" in title or "impending" in title or not _worded(line.evidence, "impending", case):
            continue
        code = _IMPENDING.get(line.code[:3])
        if code:
            yield Exchange(line.code, code, "It was impending and did not occur.", least(line, WORDING))
        else:
            yield Withhold(line.code, "impending only")
    yield from _left_out(sheet, case, "impending", _IMPENDING, "It was impending and did not occur.")


@rule(
    "guideline.I.B.17",
    "Borderline diagnoses",
    f"{GUIDELINES}, I.B.17; Alphabetic Index, Borderline diabetes mellitus; Elevated blood pressure",
    Phase.STATUS,
    yields=("R73.03", "R03.0"),
)
def borderline(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Borderline diabetes and borderline hypertension have codes of their own; any other borderline diagnosis is coded as confirmed."""
    if not case.said("borderline"):
        return
    for line in sheet.under(*_BORDERLINE):
        if _worded(line.evidence, "borderline", case):
            yield Exchange(line.code, _BORDERLINE[line.code[:3]], "The documentation says borderline.", least(line, WORDING))
    yield from _left_out(sheet, case, "borderline", _BORDERLINE, "The documentation says borderline.")


def _worded(evidence: Iterable[Evidence], cue: str, case: Case) -> bool:
    """Tell whether every mention stands directly after a wording, or begins with it."""
    written = [e for e in evidence if e.begin is not None]
    ends = {(f.source, f.end) for f in case.said(cue)}
    starts = {(f.source, f.begin) for f in case.said(cue)}
    return bool(written) and all((e.source, (e.begin or 0) - 1) in ends or (e.source, e.begin) in starts for e in written)


def _left_out(sheet: Sheet, case: Case, cue: str, codes: Mapping[str, str], text: str) -> Iterator[Change]:
    """Report by the index what the wording made uncertain, and so left out."""
    for left in sheet.left_out:
        code = codes.get(left.code[:3])
        if code and code not in sheet and left.reason.startswith(("uncertain", "hypothetical")) and _worded(left.evidence, cue, case):
            yield Add(code, WORDING, left.evidence, text)


@rule(
    "convention.I.A.17",
    "Code also",
    f"{GUIDELINES}, I.A.17; code also notes of the tabular list",
    Phase.EXCLUSION,
)
def code_also(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Two codes that a note "code also" joins are both reported, and their order depends on severity and reason of the encounter."""
    for line in sheet:
        spans = coded_also(case.codes, line.code)
        other = next((o.code for o in sheet if o.code != line.code and o.code in spans), None) if spans else None
        if other:
            yield Explain(line.code, f"{other} is coded also; which comes first depends on the reason of the encounter.")


RULES = (acute_on_chronic, impending, borderline, code_also)
