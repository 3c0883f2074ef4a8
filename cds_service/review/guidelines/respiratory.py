"""Respiratory system: COPD with exacerbation, infection and asthma; emphysema; influenza with pneumonia.

Guidelines I.C.10.a; tabular notes at J43 and J44; Alphabetic Index.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, least, together
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_LOWER_INFECTION = ("J09.X1", "J10.0", "J11.0", "J12", "J13", "J14", "J15", "J16", "J17", "J18", "J20", "J21", "J22")
_PLAIN = "J44.9"
_OF_THE_DISEASE = 30  # characters within which an exacerbation belongs to the disease


@rule(
    "guideline.I.C.10.a.infection",
    "COPD with acute lower respiratory infection",
    f"{GUIDELINES}, I.C.10.a; tabular list, J44.0",
    Phase.COMBINATION,
    needs=("J44",),
    yields=("J44.0",),
)
def with_infection(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """COPD with acute bronchitis or pneumonia is J44.0, and the infection is coded also."""
    infection = best(sheet.under(*_LOWER_INFECTION))
    disease = best(sheet.under("J44.9", "J44.1"))
    if infection is None or disease is None or "J44.0" in sheet:
        return
    text = "An acute lower respiratory infection of a patient with COPD."
    if disease.code == _PLAIN:
        yield Exchange(_PLAIN, "J44.0", text, least(disease, infection), infection.evidence)
    else:
        yield Add("J44.0", least(disease, infection), (*disease.evidence, *infection.evidence), text)


@rule(
    "guideline.I.C.10.a.1",
    "COPD with acute exacerbation",
    f"{GUIDELINES}, I.C.10.a.1",
    Phase.COMBINATION,
    needs=("J44.9", "J44.0"),
    yields=("J44.1",),
)
def with_exacerbation(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An exacerbation is coded where it is documented of this disease."""
    disease = best(sheet.under(_PLAIN, "J44.0"))
    if disease is None or "J44.1" in sheet:
        return
    found = _exacerbated(disease, case)
    if not found:
        return
    text = "An acute exacerbation is documented."
    if disease.code == _PLAIN:
        yield Exchange(_PLAIN, "J44.1", text, least(disease, WORDING), found)
    else:
        yield Add("J44.1", least(disease, WORDING), (*disease.evidence, *found), text)


@rule(
    "guideline.I.C.10.a.asthma",
    "Asthma with acute exacerbation",
    f"{GUIDELINES}, I.C.10.a.1; tabular list, J45",
    Phase.COMBINATION,
    needs=("J45",),
    yields=("J45",),
)
def asthma_exacerbation(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Uncomplicated asthma with a documented exacerbation takes the sibling code that says so."""
    for line in sheet.under("J45"):
        sibling = f"{line.code[:-1]}1"
        found = _exacerbated(line, case) if line.code[-1] in "09" and case.codes.is_billable(sibling) else ()
        if found and "exacerbation" in case.codes.title(sibling):
            yield Exchange(line.code, sibling, "An acute exacerbation is documented.", least(line, WORDING), found)


@rule(
    "index.copd-with-asthma",
    "COPD with asthma",
    "Tabular list, J44 (includes asthma with chronic obstructive pulmonary disease; code also type of asthma), J44.89",
    Phase.EXCLUSION,
    needs=("J44",),
    yields=("J44.89",),
)
def with_asthma(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Asthma of a patient with COPD is part of J44; only a specified kind of asthma is coded also."""
    for line in sheet.under("J45.909", "J45.998"):
        if _PLAIN in sheet:
            disease = sheet.lines[_PLAIN]
            text, otherwise = "Asthma with chronic obstructive pulmonary disease.", "Right if the patient has no asthma."
            yield Exchange(_PLAIN, "J44.89", text, least(disease, line), line.evidence, otherwise)
        yield Withhold(line.code, "contained in J44 (no kind of asthma is specified)")


@rule(
    "tabular.J44.emphysema",
    "Emphysema is the more specific COPD",
    "Tabular list, J44, Excludes1: emphysema without chronic bronchitis (J43.-)",
    Phase.EXCLUSION,
    needs=("J43",),
)
def emphysema(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """COPD of a patient with emphysema is coded as emphysema alone."""
    disease = best(sheet.under("J43"))
    if disease and _PLAIN in sheet:
        yield Withhold(_PLAIN, f"less specific than {disease.code}", disease.code, "Right if emphysema is not meant.")


@rule(
    "guideline.I.C.10.c",
    "Influenza with pneumonia",
    f"{GUIDELINES}, I.C.10.c; tabular list, J10.0, J11.0",
    Phase.COMBINATION,
    needs=("J10.1", "J11.1"),
    yields=("J10.00", "J11.00"),
)
def influenza_pneumonia(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Influenza with pneumonia is one code."""
    pneumonia = sheet.lines.get("J18.9")
    if pneumonia is None:
        return
    for line in sheet.under("J10.1", "J11.1"):
        combined = f"{line.code[:3]}.00"
        yield Exchange(line.code, combined, "Influenza with pneumonia of unspecified type.", least(line, pneumonia), pneumonia.evidence)
        yield Withhold("J18.9", f"contained in {combined}")


def _exacerbated(line: Line, case: Case) -> tuple[Evidence, ...]:
    """Return where an exacerbation is said of a disease; nothing where one is also denied of it ("without exacerbation")."""
    found = beside(case.said("exacerbation"), line.evidence, before=_OF_THE_DISEASE, after=_OF_THE_DISEASE)
    asserted = tuple(e for e in found if e.assertion and e.assertion.is_asserted)
    return asserted if len(asserted) == len(found) else ()


@rule(
    "guideline.I.C.10.d",
    "Ventilator associated pneumonia only where the provider says so",
    f"{GUIDELINES}, I.C.10.d.1",
    Phase.STATUS,
    needs=("J95.851",),
    yields=("J18.9",),
)
def ventilator(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Pneumonia of a ventilated patient is not by itself due to the ventilator: the provider must link them."""
    line = sheet.lines["J95.851"]
    if not together(case, "ventilator_pneumonia", line.evidence):
        yield Exchange("J95.851", "J18.9", "No link of the pneumonia to the ventilator is documented.", alternative="Right if the provider links them.")


RULES = (ventilator, influenza_pneumonia, with_infection, with_exacerbation, asthma_exacerbation, with_asthma, emphysema)
