"""Units: from what laboratories write to UCUM, and to the unit in which a test is usually reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fhir_mappers import analytes, units
from fhir_mappers.analytes import ANALYTES


@pytest.mark.parametrize(
    ("value", "unit", "loinc", "expected"),
    [
        (5.5, "mmol/L", "2345-7", (99.0858, "mg/dL")),  # glucose, molar mass 180.156
        (88, "umol/L", "2160-0", (0.995438, "mg/dL")),  # creatinine
        (2.5, "mmol/L", "17861-6", (10.0195, "mg/dL")),  # calcium
        (5, "meq/L", "17861-6", (10.0195, "mg/dL")),  # two charges
        (140, "mEq/L", "2951-2", (140.0, "mmol/L")),  # sodium, one charge
        (65, "mmol/mol", "4548-4", (8.0982, "%")),  # NGSP = 0.09148 x IFCC + 2.152
        (8.1, "%", "4548-4", (8.1, "%")),
        (98.6, "[degF]", "8310-5", (37.0, "Cel")),
        (98.6, "°F", "8310-5", (37.0, "Cel")),
        (180, "lbs", "29463-7", (81.6466, "kg")),
        (70, "in", "8302-2", (177.8, "cm")),
        (12, "K/uL", "6690-2", (12.0, "10*3/uL")),
        (7.2, "10*9/L", "6690-2", (7.2, "10*3/uL")),
        (7200, "{cells}/uL", "6690-2", (7.2, "10*3/uL")),
        (16, "kPa", "2703-7", (120.01, "mm[Hg]")),
        (60, "mL/min/1.73m2", "33914-3", (60.0, "mL/min/{1.73_m2}")),
        (30, "mg/mmol", "9318-7", (265.21, "mg/g")),
        (300, "ug/mg{creat}", "9318-7", (300.0, "mg/g")),
        (0.95, "1", "2708-6", (95.0, "%")),
        (10, "u[IU]/mL", "3016-3", (10.0, "m[IU]/L")),
        (40, "ng/L", "10839-9", (0.04, "ng/mL")),
        (1.2, None, "6301-6", (1.2, "1")),  # INR has no unit
        (14, None, "44261-6", (14, "{score}")),
        (3, "g/L", None, (300.0, "mg/dL")),  # unknown test: by kind of quantity
        (30, "%", None, (30, "%")),
    ],
)
def test_values_come_in_the_usual_unit(value: float, unit: str | None, loinc: str | None, expected: tuple[float, str]) -> None:
    """Conversion through molar mass, charge, prefix or offset."""
    assert units.canonical(value, unit, loinc) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit", "loinc"),
    [
        (60, "mL/min", "33914-3"),  # not normalised to body surface: another quantity
        (8.1, None, "4548-4"),  # no unit: % or mmol/mol can't be told
        (12, "furlong", "4548-4"),
        (12, "mg/dL", "8310-5"),
        (12, "", None),
        (1, "/", None),
        (1, "m)(", None),
        (1, "10*", None),
    ],
)
def test_what_can_not_be_converted_is_not_guessed(value: float, unit: str | None, loinc: str | None) -> None:
    """No canonical value rather than a wrong one."""
    assert units.canonical(value, unit, loinc) is None


def test_every_usual_unit_is_understood() -> None:
    """The table of tests names units that the parser knows."""
    assert sorted({a.unit for a in ANALYTES.values() if not units.is_known(a.unit)}) == []


def test_threads_share_one_registry() -> None:
    """The first requests may come at the same moment: quantities of two registries can't be combined."""
    units._made.cache_clear()
    units._unit.cache_clear()
    units._line.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda loinc: units.canonical(5.5, "mmol/L", loinc), ["2345-7", "17861-6", "2160-0", "3094-0"] * 4))
    assert {f[1] for f in found if f} == {"mg/dL"}
    assert None not in found


def test_no_test_is_listed_twice() -> None:
    """A LOINC code has one usual unit."""
    listed = [code for _, codes in analytes._GROUPS for code in codes.split()]
    assert sorted({c for c in listed if listed.count(c) > 1}) == []
