"""Body parts: from words of a note to the body parts that tables of ICD-10-PCS name, with their side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SIDE_LAST = re.compile(r", (Right|Left|Bilateral)$")
_SIDE_INSIDE = re.compile(r"\b(Right|Left) (?=[A-Z])")
SIDES = ("right", "left", "bilateral")


@dataclass(frozen=True, slots=True)
class Part:
    """A body part without its side; `side` where the words hold it ("RUL")."""

    name: str  # "Upper Lung Lobe"
    side: str | None = None

    @classmethod
    def of(cls, written: str) -> Part:
        """Return the part that a table writes as "Upper Lung Lobe@right"."""
        name, _, side = written.partition("@")
        return cls(name.strip(), side or None)


def unsided(label: str) -> tuple[str, str | None]:
    """Return a label of a table without its side, and the side: "Skin, Right Lower Arm" -> ("Skin, Lower Arm", "right")."""
    if last := _SIDE_LAST.search(label):
        return label[: last.start()], last[1].lower()
    if inside := _SIDE_INSIDE.search(label):
        return label[: inside.start()] + label[inside.end() :], inside[1].lower()
    return label, None


def fitting(labels: Mapping[str, str], parts: Iterable[Part], side: str | None) -> dict[str, str | None]:
    """Return the values of a table that parts may be, each with the side it stands for.

    A label that is exactly the part counts before those that add a side. With a side documented, only values of that side are left; bilateral gives
    the value "Bilateral" where the table has one, else both sides.
    """
    found: dict[str, str | None] = {}
    for part in parts:
        exact = {value: None for value, label in labels.items() if label == part.name}
        sided = {value: s for value, label in labels.items() if (named := unsided(label))[0] == part.name and (s := named[1]) is not None}
        wanted = part.side or side
        if not sided or exact:
            found.update(exact)
        elif wanted == "bilateral":
            both = {v: s for v, s in sided.items() if s == "bilateral"}
            found.update(both or sided)
        else:
            found.update({v: s for v, s in sided.items() if wanted in (None, s)})
    return found


def spoken(label: str) -> tuple[str, ...]:
    """Return how a label may be said: "Skin, Lower Arm" -> "skin lower arm", "lower arm skin"."""
    head, comma, rest = label.partition(", ")
    plain = label.replace(",", "").lower()
    return (plain, f"{rest} {head}".replace(",", "").lower()) if comma else (plain,)
