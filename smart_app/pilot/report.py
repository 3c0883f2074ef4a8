"""The figures as a file: CSV for a spreadsheet, JSON for another program, plain lines for a terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from typing import Any

from smart_app.pilot.disclosure import Count
from smart_app.pilot.estimates import Bounds
from smart_app.pilot.figures import Figures, Line, Told
from smart_app.pilot.measures import Measure

_COLUMNS = ("section", "key", "name", "unit", "value", "low", "high", "n", "note")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report_json(figures: Figures) -> dict[str, Any]:
    """Return the figures as an object; a share lies between 0 and 1. What isn't told has no value and says so."""
    told: dict[str, Any] = {
        "tenant": figures.tenant,
        "from": figures.since.date().isoformat(),
        "to": figures.until.date().isoformat(),
        "change": figures.change.date().isoformat() if figures.change else None,
        "leastCell": figures.least,
        "made": figures.made.isoformat(timespec="seconds"),
        "withheld": figures.withheld,
    }
    if figures.withheld:
        return told
    told["totals"] = {key: _count(count) for key, _, count in figures.totals}
    told["measures"] = [_measure(line) for line in figures.lines]
    told["codes"] = [
        {"code": line.code or None, "codes": line.codes, "decided": line.decided, "accepted": _count(line.accepted), "share": _estimate(line.share)}
        for line in figures.codes
    ]
    told["overrideReasons"] = {key: _count(count) for key, _, count in figures.reasons}
    told["cards"] = {key: _count(count) for key, _, count in figures.cards}
    told["months"] = [{"month": m.month, **{key or "open": _count(count) for key, count in m.outcomes.items()}} for m in figures.months]
    if agreement := figures.agreement:
        told["secondReadings"] = {
            "encounters": agreement.encounters,
            "same": _estimate(agreement.same),
            "share": _estimate(agreement.share),
            "kappa": _estimate(agreement.kappa),
            "codes": [{"code": code, "readings": readings, "alike": _count(alike)} for code, _, readings, alike in agreement.codes],
        }
    return told


def report_csv(figures: Figures) -> str:
    """Return one line for each figure."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\r\n", restval="")
    writer.writeheader()
    for row in _rows(figures):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return buffer.getvalue()


def report_text(figures: Figures) -> str:
    """Return the main figures for a terminal."""
    head = f"Pilot figures of {figures.tenant}, {figures.since.date()} to {figures.until.date()}"
    if figures.withheld:
        return f"{head}: not shown, since they are of fewer than {figures.least} patients."
    rows = [(words, count.words) for _, words, count in figures.totals]
    rows += [(line.measure.words, said(line.all, line.measure)) for line in figures.lines]
    width = max(len(words) for words, _ in rows)
    return "\n".join([head, "", *(f"{words:<{width}}  {value}" for words, value in rows)])


def said(estimate: Told, measure: Measure, *, signed: bool = False) -> str:
    """Return an estimate in words, such as "83 % (79 to 87)"."""
    if estimate is None:
        return "not shown"
    if isinstance(estimate, Bounds):
        return f"over {math.floor(estimate.low * 100)} %" if estimate.low else f"under {math.ceil(estimate.high * 100)} %"
    scale, unit, digits = (100.0, " %" if not signed else " points", 0) if measure.how == "share" else (1.0, f" {measure.unit}".rstrip(), 1)
    if measure.unit == "ms":
        digits = 0

    def number(value: float) -> str:
        return f"{value * scale:{'+' if signed else ''}.{digits}f}"

    if estimate.low is None or estimate.high is None:
        return f"{number(estimate.value)}{unit}"
    return f"{number(estimate.value)}{unit} ({number(estimate.low)} to {number(estimate.high)})"


def _rows(figures: Figures) -> Iterable[dict[str, Any]]:
    period = f"{figures.since.date()} to {figures.until.date()}"
    note = f"not shown: fewer than {figures.least} patients" if figures.withheld else f"least cell {figures.least} patients"
    yield {"section": "period", "key": figures.tenant, "name": period, "note": note}
    for section, table in (("total", figures.totals), ("override reason", figures.reasons), ("card", figures.cards)):
        for key, words, count in table:
            yield {"section": section, "key": key, "name": words, "value": count.value, "note": "" if count.value is not None else count.words}
    for line in figures.lines:
        m = line.measure
        for section, estimate in (("all", line.all), ("before", line.before), ("after", line.after), ("difference", line.difference)):
            if section == "all" or figures.change:
                yield {"section": section, "key": m.key, "name": m.words, "unit": m.unit or m.how} | _flat(estimate)
    for code in figures.codes:
        name = code.display if code.code else f"{code.codes} other codes"
        told = _flat(code.share) | {"n": code.decided, "note": "" if code.accepted.value is not None else code.accepted.words}
        yield {"section": "code", "key": code.code, "name": name, "unit": "share"} | told
    for month in figures.months:
        for key, count in month.outcomes.items():
            yield {"section": "month", "key": month.month, "name": key or "open", "value": count.value, "note": "" if count.value is not None else count.words}
    if agreement := figures.agreement:
        for key, estimate in (("same", agreement.same), ("share", agreement.share), ("kappa", agreement.kappa)):
            yield {"section": "second reading", "key": key, "unit": key if key == "kappa" else "share"} | _flat(estimate)
        for code_, title, readings, alike in agreement.codes:
            note = "" if alike.value is not None else alike.words
            yield {"section": "second reading", "key": code_, "name": title, "value": alike.value, "n": readings, "note": note}


def _flat(estimate: Told) -> dict[str, Any]:
    if estimate is None:
        return {"note": "not shown"}
    if isinstance(estimate, Bounds):
        return {"n": estimate.n, "note": f"between {estimate.low:.4f} and {estimate.high:.4f}"}
    return {name: value for name, value in _estimate(estimate).items() if value is not None}  # type: ignore[union-attr]


def _measure(line: Line) -> dict[str, Any]:
    told = {"key": line.measure.key, "name": line.measure.words, "kind": line.measure.how, "unit": line.measure.unit or None, "all": _estimate(line.all)}
    return told | {"before": _estimate(line.before), "after": _estimate(line.after), "difference": _estimate(line.difference)}


def _estimate(estimate: Told) -> dict[str, float | int | None] | None:
    if estimate is None:
        return None
    if isinstance(estimate, Bounds):
        return {"least": round(estimate.low, 4), "most": round(estimate.high, 4), "n": estimate.n}
    low, high = (None if bound is None else round(bound, 4) for bound in (estimate.low, estimate.high))
    return {"value": round(estimate.value, 4), "low": low, "high": high, "n": estimate.n}


def _count(count: Count) -> int | str:
    return count.value if count.value is not None else count.words


def _cell(value: object) -> str:
    words = "" if value is None else str(value)
    return f"'{words}" if isinstance(value, str) and words.startswith(_FORMULA) else words
