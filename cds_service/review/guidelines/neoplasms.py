"""Neoplasms: history against current disease, anaemia of malignancy, unknown primary.

Guidelines I.C.2.c, I.C.2.d, I.C.2.m.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.support import GUIDELINES, WORDING, all_past, beside, best, least, together
from cds_service.review.rules import Add, Change, Exchange, Phase, Precede, Withhold, rule
from cds_service.review.sheet import Sheet
from cds_service.review.specificity import below, side_of, sides

_WORDS_BETWEEN = 10  # characters between "metastatic to" and the site: "the ", "her right "
_SECONDARY = (  # primary site -> the same site reached by metastasis
    ("C15", "C78.89"), ("C16", "C78.89"), ("C17", "C78.4"), ("C18", "C78.5"), ("C19", "C78.5"), ("C20", "C78.5"), ("C22", "C78.7"), ("C25", "C78.89"),
    ("C34", "C78.00"), ("C38.4", "C78.2"), ("C40", "C79.51"), ("C41", "C79.51"), ("C43", "C79.2"), ("C44", "C79.2"), ("C48", "C78.6"), ("C50", "C79.81"),
    ("C56", "C79.60"), ("C61", "C79.82"), ("C64", "C79.00"), ("C67", "C79.11"), ("C70", "C79.32"), ("C71", "C79.31"), ("C74", "C79.70"),
)  # fmt: skip
_PAST = 0.6  # confidence in the history of a malignancy that is mentioned as past
_HISTORY = (
    ("C50", "Z85.3"), ("C61", "Z85.46"), ("C18", "Z85.038"), ("C20", "Z85.048"), ("C34", "Z85.118"), ("C67", "Z85.51"), ("C64", "Z85.528"),
    ("C73", "Z85.850"), ("C43", "Z85.820"), ("C53", "Z85.41"), ("C54", "Z85.42"), ("C56", "Z85.43"), ("C16", "Z85.028"), ("C62", "Z85.47"),
    ("C15", "Z85.01"), ("C22", "Z85.05"), ("C25", "Z85.07"), ("C32", "Z85.21"), ("C71", "Z85.841"), ("C81", "Z85.71"), ("C82", "Z85.72"),
    ("C83", "Z85.72"), ("C84", "Z85.72"), ("C85", "Z85.72"), ("C44", "Z85.828"),
)  # fmt: skip


@rule(
    "guideline.I.C.2.c.1",
    "Anaemia in malignancy",
    f"{GUIDELINES}, I.C.2.c.1; tabular list, D63.0",
    Phase.COMBINATION,
    needs=("D64.9",),
    yields=("D63.0",),
)
def anemia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Anaemia that the provider links to the malignancy is D63.0 after it."""
    cancer = best(line for line in sheet.under("C") if not line.code.startswith("C44"))
    linked = case.asserted("anemia_of_malignancy")
    if cancer and linked:
        yield Exchange("D64.9", "D63.0", "The anaemia is documented as due to the malignancy.", least(cancer, sheet.lines["D64.9"], WORDING), linked)


@rule(
    "guideline.I.C.2.l",
    "Unspecified malignancy beside a named one",
    f"{GUIDELINES}, I.C.2.j; tabular list, C80",
    Phase.EXCLUSION,
    needs=("C80.1", "D49", "C76"),
)
def unspecified(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A malignancy without site is not reported beside one whose site is documented."""
    named = best(line for line in sheet.under("C") if not line.code.startswith(("C80", "C76", "C77", "C78", "C79")))
    if named:
        for line in sheet.under("C80.1", "D49.9", "C76"):
            yield Withhold(line.code, f"less specific than {named.code}", named.code, "Right if a second, unnamed malignancy is meant.")


@rule(
    "guideline.I.C.2.m",
    "A malignancy of the past",
    f"{GUIDELINES}, I.C.2.d and I.C.2.m; tabular list, Z85",
    Phase.STATUS,
    yields=("Z85",),
)
def past(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A malignancy that is told as history, with no treatment directed at it, is Z85 by its site."""
    for line in sheet.under("C"):
        code = _history_of(line.code)
        if code and all_past(line.evidence, case) and not together(case, "cancer_treatment", line.evidence):
            yield Exchange(line.code, code, "The malignancy is documented as past.", alternative="Right if it is still there, or still treated.")
    for left in sheet.left_out:
        code = _history_of(left.code)
        if code and left.reason == "historical" and not sheet.has(left.code[:3], code):
            yield Add(code, _PAST, left.evidence, "The malignancy is documented as past.")


def _history_of(code: str) -> str | None:
    return next((history for prefix, history in _HISTORY if code.startswith(prefix)), None)


@rule(
    "guideline.I.C.2.k",
    "Unknown primary malignancy",
    f"{GUIDELINES}, I.C.2.k; Alphabetic Index, Neoplasm, unknown site or unspecified, primary",
    Phase.COMPANION,
    needs=("C77", "C78", "C79"),
    yields=("C80.1",),
)
def unknown_primary(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Metastases whose primary is documented as unknown are accompanied by C80.1."""
    said = case.said("unknown_primary")
    secondary = best(sheet.under("C77", "C78", "C79"))
    primary = [line for line in sheet.under("C") if not line.code.startswith(("C77", "C78", "C79"))]
    if said and secondary and not primary and not sheet.has("Z85"):
        yield Add("C80.1", least(secondary, WORDING), said, "The primary site is documented as unknown.")


@rule(
    "guideline.I.C.2.c.2",
    "Anaemia of chemotherapy",
    f"{GUIDELINES}, I.C.2.c.2; tabular list, D64.81",
    Phase.COMBINATION,
    needs=("D64.9",),
    yields=("D64.81",),
)
def chemotherapy_anemia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Anaemia that the provider links to chemotherapy is D64.81."""
    linked = case.asserted("anemia_of_chemotherapy")
    if linked:
        yield Exchange("D64.9", "D64.81", "The anaemia is documented as due to chemotherapy.", least(sheet.lines["D64.9"], WORDING), linked)


@rule(
    "index.neoplasm-metastatic-to",
    "A site that a malignancy has spread to",
    "Alphabetic Index, Neoplasm, secondary; Metastasis to; ICD-10-CM Official Guidelines FY2026, I.C.2",
    Phase.STATUS,
    needs=tuple(prefix for prefix, _ in _SECONDARY),
    yields=("C77", "C78", "C79"),
)
def metastatic_to(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"Metastatic to the lung" is a secondary malignancy of the lung, no second primary; two primaries both stand."""
    for line in sheet.under(*(prefix for prefix, _ in _SECONDARY)):
        code = next(secondary for prefix, secondary in _SECONDARY if line.code.startswith(prefix))
        if line.evidence and all(beside(case.said("metastatic_to"), (e,), before=_WORDS_BETWEEN, after=0) for e in line.evidence):
            side = side_of(case.codes.title(line.code))
            whole = sides(case.codes, code).get(side or "", code)
            yield Exchange(line.code, whole, "The malignancy is documented as having spread to this site.", least(line, WORDING))


@rule(
    "guideline.I.C.2.overlapping",
    "One malignancy that overlaps two sites",
    f"{GUIDELINES}, I.C.2: overlapping sites to .8; sites that are not contiguous each by their own code",
    Phase.COMBINATION,
    needs=("C",),
    yields=("C",),
)
def overlapping(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Two sites of one organ that one tumour is said to overlap are the code of overlapping sites; separate tumours are each coded."""
    if not case.said("overlapping_sites"):
        return
    joined = [line for line in sheet.under("C") if together(case, "overlapping_sites", line.evidence)]
    for first, second in combinations(joined, 2):
        code = _overlap(first.code, case.codes) if first.code[:3] == second.code[:3] else None
        same_side = code and side_of(case.codes.title(first.code)) == side_of(case.codes.title(second.code))
        if code and same_side and case.codes.is_billable(first.code) and code not in (first.code, second.code):
            yield Exchange(first.code, code, "One tumour is documented as overlapping the two sites.", least(first, second), second.evidence)
            yield Withhold(second.code, f"contained in {code}")
            return


def _overlap(code: str, codes: CodeSet) -> str | None:
    """Return the code of overlapping sites of the same organ, side and sex."""
    title = codes.title(code).lower()
    for other in below(codes, f"{code[:3]}.8") if codes.children(f"{code[:3]}.8") else (f"{code[:3]}.8",):
        named = codes.title(other).lower() if codes.is_billable(other) else ""
        if "overlapping" in named and side_of(named) == side_of(title) and ("female" in named) == ("female" in title):
            return other
    return None


@rule(
    "guideline.I.C.2.b",
    "Treatment directed at the secondary site",
    f"{GUIDELINES}, I.C.2.b: the secondary neoplasm first, though the primary is still present",
    Phase.EXCLUSION,
    needs=("C77", "C78", "C79"),
)
def secondary_treated(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where treatment is directed at a metastasis and none at the primary, the metastasis comes before the primary."""
    said = case.said("treatment_of_site")
    secondary = sheet.under("C77", "C78", "C79")
    primary = [line for line in sheet.under("C") if line not in secondary]
    treated = [line for line in secondary if beside(said, line.evidence, before=_WORDS_BETWEEN, after=0)]
    if said and not any(beside(said, line.evidence, before=_WORDS_BETWEEN, after=0) for line in primary):
        for line in treated:
            for other in primary:
                yield Precede(line.code, other.code, "Treatment is directed at this secondary site only.")


RULES = (metastatic_to, past, anemia, chemotherapy_anemia, overlapping, unknown_primary, unspecified, secondary_treated)
