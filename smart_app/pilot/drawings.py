"""Drawings of the figures as SVG, made on the server with pygal.

They stand in the page itself: our own style sheet colours them, so no style and no script is inside. What a colour says is said by
lightness and in words as well, and each drawing repeats a table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from lxml import etree

from smart_app.pilot.estimates import Estimate
from smart_app.pilot.figures import Figures

_SVG = "{http://www.w3.org/2000/svg}"
_GONE = frozenset({f"{_SVG}style", f"{_SVG}script", f"{_SVG}desc", f"{_SVG}title", "style", "script", "desc", "title"})
_NEVER = ("id", "style", "onclick", "onload")  # ids would stand twice on a page with two drawings
_ROW, _FRAME = 32, 44  # height of a bar's row, and of what is around the rows
_MOST_CODES = 15
_FONT = 13


def acceptance(figures: Figures) -> str:
    """Return the share of accepted suggestions by code, with its interval; '' where no code can be told."""
    lines = [(line.code or f"{line.codes} other codes", line.share) for line in figures.codes if line.share]
    return _bars("Accepted unchanged, by code, per cent", [(name, [share]) for name, share in lines[:_MOST_CODES]], ["accepted"])


def changes(figures: Figures) -> str:
    """Return the shares before and after the date, with their intervals; '' without a date or figures on both sides."""
    pairs = [(line.measure, line.before, line.after) for line in figures.lines if line.measure.how == "share"]
    told = [(m.short, [before, after]) for m, before, after in pairs if isinstance(before, Estimate) and isinstance(after, Estimate)]
    return _bars("Before and after, per cent", told, ["before", "after"])


def months(figures: Figures) -> str:
    """Return what became of the suggestions month by month, as stacked columns; '' where no month can be told."""
    told = [m for m in figures.months if m.rest.value is not None and m.outcomes["accept"].value is not None]
    if not told:
        return ""
    chart = _pygal().StackedBar(**_config(320))
    chart.x_labels = [m.month for m in told]
    chart.add("accepted", [m.outcomes["accept"].value for m in told])
    chart.add("changed, rejected or not decided", [m.rest.value for m in told])
    return _drawn(chart, "Suggestions by month")


@cache
def _pygal() -> Any:
    """Return the library: loaded when a page needs it, since that takes half a second, and without the import hook that it leaves for its maps."""
    hooks = list(sys.meta_path)
    library = importlib.import_module("pygal")
    sys.meta_path[:] = [hook for hook in sys.meta_path if hook in hooks or not type(hook).__module__.startswith("pygal")]
    return library


def _bars(title: str, rows: Sequence[tuple[str, Sequence[Estimate]]], series: Sequence[str]) -> str:
    if not rows:
        return ""
    upward = list(reversed(rows))  # pygal draws the first at the bottom
    chart = _pygal().HorizontalBar(**_config(_FRAME + _ROW * len(rows) * len(series) ** 0.5), range=(0, 100), zero=0)
    chart.x_labels = [name for name, _ in upward]
    chart.y_labels = [0, 25, 50, 75, 100]
    for at, name in enumerate(series):
        chart.add(name, [_value(shares[at]) for _, shares in upward])
    return _drawn(chart, title)


def _value(share: Estimate) -> dict[str, Any]:
    whole: dict[str, Any] = {"value": round(share.value * 100, 1)}
    if share.low is not None and share.high is not None:
        whole["ci"] = {"low": round(share.low * 100, 1), "high": round(share.high * 100, 1)}
    return whole


def _config(height: float) -> dict[str, Any]:
    return {
        "style": _pygal().style.Style(label_font_size=_FONT, major_label_font_size=_FONT),  # for its reckoning of margins
        "css": (),
        "js": (),
        "width": 720,
        "height": int(height),
        "disable_xml_declaration": True,
        "show_legend": False,  # the caption says what is what
        "margin": 8,
        "spacing": 12,
        "show_minor_y_labels": True,
        "print_values": False,
    }


def _drawn(chart: Any, title: str) -> str:
    """Return the drawing without scripts, styles and tooltips, named for who can't see it."""
    tree = chart.render_tree()
    for element in list(tree.iter()):
        parent = element.getparent()
        if parent is not None and (not isinstance(element.tag, str) or element.tag in _GONE or "tooltip" in (element.get("class") or "").split()):
            parent.remove(element)
            continue
        for name in _NEVER:
            element.attrib.pop(name, None)
    for name in ("width", "height"):
        tree.attrib.pop(name, None)
    tree.set("role", "img")
    tree.set("aria-label", f"{title}. The table below says the same.")
    tree.set("class", "drawing")
    return str(etree.tostring(tree, encoding="unicode"))
