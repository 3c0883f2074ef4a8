"""Units of observations: what the source writes -> UCUM -> the unit the test is usually reported in.

Unified Code for Units of Measure (https://ucum.org), section 2.1: terms of atoms joined by "." and "/", with integer exponents and
annotations in braces. The arithmetic is pint's.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from threading import RLock
from typing import Any

import pint

from fhir_mappers.analytes import ANALYTES, Analyte

# UCUM atom -> pint unit. Prefixed forms that UCUM builds from an atom are tried by `_atom`.
_ATOMS = {
    "m": "meter", "g": "gram", "L": "liter", "l": "liter", "s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year",
    "mol": "mole", "K": "kelvin", "Cel": "degree_Celsius", "[degF]": "degree_Fahrenheit", "Pa": "pascal", "bar": "bar", "m[Hg]": "mercury_",
    "[in_i]": "inch", "[ft_i]": "foot", "[lb_av]": "pound", "[oz_av]": "ounce", "%": "percent", "[ppth]": "permille", "[IU]": "iu_", "[iU]": "iu_",
    "[arb'U]": "arbitrary_", "U": "enzyme_", "kat": "katal", "eq": "equivalent_", "osm": "osmole_", "1": "", "J": "joule", "cal": "calorie", "[pH]": "ph_",
    "10*3": "thousand_", "10^3": "thousand_", "10*6": "million_", "10^6": "million_", "10*9": "billion_", "10^9": "billion_", "10*12": "trillion_",
    "10^12": "trillion_", "10*": "ten_", "10^": "ten_",
}  # fmt: skip
_PREFIXES = {"k": "kilo", "d": "deci", "c": "centi", "m": "milli", "u": "micro", "n": "nano", "p": "pico", "f": "femto", "h": "hecto", "M": "mega", "G": "giga"}
_DEFINITIONS = (
    "iu_ = [international_unit]",
    "arbitrary_ = [arbitrary_unit]",
    "equivalent_ = [charge_equivalent]",
    "osmole_ = [osmole]",
    "ph_ = [ph]",
    "enzyme_ = 1e-6 * mole / minute",
    "mercury_ = 133322.387415 * pascal",
    "ten_ = 10",
    "thousand_ = 1e3",
    "million_ = 1e6",
    "billion_ = 1e9",
    "trillion_ = 1e12",
)
# What US laboratories and monitors write instead of UCUM, in lower case without blanks -> UCUM.
_SPELLINGS = {
    "mg/dl": "mg/dL", "mgs/dl": "mg/dL", "g/dl": "g/dL", "gm/dl": "g/dL", "gms/dl": "g/dL", "ug/dl": "ug/dL", "mcg/dl": "ug/dL", "ng/ml": "ng/mL",
    "ng/dl": "ng/dL", "pg/ml": "pg/mL", "ug/ml": "ug/mL", "mcg/ml": "ug/mL", "ug/l": "ug/L", "mcg/l": "ug/L", "mg/l": "mg/L", "g/l": "g/L", "ng/l": "ng/L",
    "pg/dl": "pg/dL", "mmol/l": "mmol/L", "umol/l": "umol/L", "µmol/l": "umol/L", "μmol/l": "umol/L", "nmol/l": "nmol/L", "pmol/l": "pmol/L",
    "meq/l": "meq/L", "iu/l": "[IU]/L", "u/l": "U/L", "units/l": "U/L", "uiu/ml": "u[IU]/mL", "miu/l": "m[IU]/L", "miu/ml": "m[IU]/mL", "iu/ml": "[IU]/mL",
    "mu/l": "m[IU]/L", "k/ul": "10*3/uL", "k/mcl": "10*3/uL", "k/cumm": "10*3/uL", "k/mm3": "10*3/uL", "th/ul": "10*3/uL", "thou/ul": "10*3/uL",
    "thousand/ul": "10*3/uL", "thou/mcl": "10*3/uL", "x10e3/ul": "10*3/uL", "x10(3)/mcl": "10*3/uL", "x10(3)/ul": "10*3/uL", "x103/ul": "10*3/uL",
    "10e3/ul": "10*3/uL", "10^3/ul": "10*3/uL", "10*3/ul": "10*3/uL", "x10^3/ul": "10*3/uL", "10(3)/mcl": "10*3/uL", "10e9/l": "10*9/L", "10^9/l": "10*9/L",
    "x10^9/l": "10*9/L", "x10e9/l": "10*9/L", "m/ul": "10*6/uL", "m/mcl": "10*6/uL", "mil/ul": "10*6/uL", "million/ul": "10*6/uL", "x10e6/ul": "10*6/uL",
    "10^6/ul": "10*6/uL", "10*6/ul": "10*6/uL", "10e6/ul": "10*6/uL", "x10(6)/mcl": "10*6/uL", "cells/ul": "{cells}/uL", "cells/mcl": "{cells}/uL",
    "mmhg": "mm[Hg]", "mm hg": "mm[Hg]", "mm[hg]": "mm[Hg]", "kpa": "kPa", "lb": "[lb_av]", "lbs": "[lb_av]", "pounds": "[lb_av]", "[lb_av]": "[lb_av]",
    "oz": "[oz_av]", "in": "[in_i]", "inches": "[in_i]", "[in_us]": "[in_i]", "[lb_us]": "[lb_av]", "ft": "[ft_i]", "kg": "kg", "kilograms": "kg", "cm": "cm",
    "f": "[degF]", "°f": "[degF]", "degf": "[degF]", "degreesf": "[degF]", "fahrenheit": "[degF]", "[degf]": "[degF]", "c": "Cel", "°c": "Cel", "degc": "Cel",
    "cel": "Cel", "degreesc": "Cel", "celsius": "Cel", "bpm": "/min", "beats/min": "/min", "{beats}/min": "/min", "breaths/min": "/min", "br/min": "/min",
    "/min": "/min", "percent": "%", "%": "%", "%oftotalhgb": "%", "%a1c": "%", "%hba1c": "%", "sec": "s", "seconds": "s", "secs": "s", "fl": "fL",
    "mm/hr": "mm/h", "mm/h": "mm/h", "kg/m2": "kg/m2", "kg/m^2": "kg/m2", "kg/m²": "kg/m2", "kg/sqm": "kg/m2", "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1.73m²": "mL/min/{1.73_m2}", "ml/min/1.73": "mL/min/{1.73_m2}", "ml/min/1.73m^2": "mL/min/{1.73_m2}", "ml/min/1.73sqm": "mL/min/{1.73_m2}",
    "ml/min/{1.73_m2}": "mL/min/{1.73_m2}", "ml/min/1.73sq.m": "mL/min/{1.73_m2}", "ml/min/{1.73m2}": "mL/min/{1.73_m2}", "ml/min/bsa": "mL/min/{1.73_m2}",
    "mg/gcreat": "mg/g", "mg/gcr": "mg/g", "mcg/mgcreat": "mg/g", "ug/mgcreat": "mg/g", "mcg/mg": "mg/g", "mg/g": "mg/g", "mosm/kg": "mosm/kg",
    "mosmol/kg": "mosm/kg", "ratio": "1", "inr": "1", "{inr}": "1", "phunits": "[pH]", "ph": "[pH]",
}  # fmt: skip
# For tests that `analytes` doesn't list: one unit for each kind of quantity.
_BY_KIND = ("Cel", "mm[Hg]", "mg/dL", "mmol/L", "U/L", "m[IU]/L", "10*3/uL", "/min", "mL/min", "kg", "cm", "kg/m2")
_LOCK = RLock()  # the registry defines units with prefixes while it parses, so threads take turns
_UNITLESS = frozenset({"1", "[pH]", "{score}"})
_TERM = re.compile(r"([^\d+-].*?|10[*^]\d*|1)?([+-]?\d+)?")
_IFCC = ("4548-4", "17856-6", "4549-2", "59261-8")


def ucum(written: str) -> str:
    """Return the UCUM code for a unit as a source writes it; one that is unknown comes back as it is."""
    plain = written.strip()
    return _SPELLINGS.get(plain.lower().replace(" ", ""), plain)


def is_known(code: str) -> bool:
    """Return whether a UCUM code is understood."""
    return _unit(code) is not None


def canonical(value: float, unit: str | None, loinc: str | None) -> tuple[float, str] | None:
    """Return the value in the unit in which the test is usually reported (by LOINC code, else by the kind of quantity), with that unit.

    None where the unit is unknown or can't be converted to it. A value without a unit is taken only where the test has none (INR, pH, scores).
    """
    analyte = ANALYTES.get(loinc or "")
    if unit is None:
        return (value, analyte.unit) if analyte and analyte.unit in _UNITLESS else None
    source = ucum(unit)
    if loinc in _IFCC and source == "mmol/mol":
        return _rounded(0.09148 * value + 2.152), "%"  # NGSP master equation (https://ngsp.org/ifcc.asp)
    if analyte is None and source == "%":  # a percentage is a ratio of anything: no other ratio is its like
        return value, "%"
    for target in (analyte.unit,) if analyte else _BY_KIND:
        factors = _line(source, target, analyte)
        if factors:
            return _rounded(value * factors[0] + factors[1]), target
    return None


def _rounded(value: float) -> float:
    """Six significant digits: conversion adds no precision, and 98.6 [degF] is 37 Cel."""
    return float(f"{value:.6g}")


@lru_cache(maxsize=2048)
def _line(source: str, target: str, analyte: Analyte | None) -> tuple[float, float] | None:
    """Return slope and intercept of the conversion, or None where there is none."""
    with _LOCK:
        return _conversion(source, target, analyte)


def _conversion(source: str, target: str, analyte: Analyte | None) -> tuple[float, float] | None:
    given, wanted = _unit(source), _unit(target)
    if given is None or wanted is None:
        return None
    if source == target:
        return 1.0, 0.0
    if ("{1.73_m2}" in target) != ("{1.73_m2}" in source):
        return None  # a clearance normalised to body surface is another quantity than one that isn't
    for factor in _bridges(analyte):
        try:
            zero = _registry().Quantity(0.0, given)
            one = _registry().Quantity(1.0, given)
            if factor is not None:
                zero, one = zero * factor, one * factor
            intercept = float(zero.to(wanted).magnitude)
            return float(one.to(wanted).magnitude) - intercept, intercept
        except (pint.errors.PintError, ZeroDivisionError):
            continue
    return None


def _bridges(analyte: Analyte | None) -> list[Any]:
    """Return the quantities that link mass, substance and charge of an analyte, the plain conversion (None) first."""
    bridges: list[Any] = [None]
    registry = _registry()
    charge = registry.Quantity(1.0, "equivalent_ / mole") * (analyte.valence if analyte else 1)
    if analyte and analyte.unit.startswith("mmol"):
        bridges.append(1 / charge)
    if analyte and analyte.molar_mass:
        molar = registry.Quantity(analyte.molar_mass, "gram / mole")
        bridges += [molar, 1 / molar, molar / charge]
    return bridges


def _registry() -> Any:
    """Return the one registry of the process: quantities of two registries can't be combined, so threads must not make two."""
    with _LOCK:
        return _made()


@cache
def _made() -> Any:
    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@lru_cache(maxsize=1024)
def _unit(code: str) -> Any:
    """Return the pint unit of a UCUM code, or None where it isn't understood."""
    plain = re.sub(r"\{[^}]*\}", "", code)
    words: list[str] = []
    for number, part in enumerate(plain.split("/")):
        for term in part.split("."):
            if not term or term == "1":
                continue
            found = _term(term)
            if found is None:
                return None
            words.append(f"({found}) ** -1" if number else f"({found})")
    try:
        with _LOCK:
            return _registry().parse_units(" * ".join(words))
    except (pint.errors.PintError, ValueError, AttributeError, TypeError):
        return None


def _term(term: str) -> str | None:
    match = _TERM.fullmatch(term)
    if match is None or not match.group(1):
        return None
    atom = _atom(match.group(1))
    if atom is None:
        return None
    return f"{atom} ** {int(match.group(2))}" if match.group(2) and atom else atom


def _atom(name: str) -> str | None:
    if name in _ATOMS:
        return _ATOMS[name]
    base = _ATOMS.get(name[1:])
    prefix = _PREFIXES.get(name[:1])
    return f"{prefix}{base}" if base and prefix else None
