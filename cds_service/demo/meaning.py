"""What the demo's patients are there to show: words that look alike and mean different things, and the codes that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A phrase of a patient's notes. Each of `codes` must be in the review, and none that begins with one of `never`."""

    patient: str
    phrase: str
    codes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()  # families of documentation questions, one of which must be there

    def faults(self, review: Mapping[str, Any]) -> list[str]:
        """Return what is wrong in a review of the patient; empty where all is as it should be."""
        found = [str(d["code"]) for d in review.get("diagnoses", [])]
        asked = {q["family"] for q in review.get("queries", [])}
        faults = [f"{code} is missing" for code in self.codes if code not in found]
        faults += [f"{code} is suggested" for code in found if code.startswith(self.never)] if self.never else []
        if self.asks and not asked & set(self.asks):
            faults.append("no question is asked")
        return faults

    @property
    def outcome(self) -> str:
        """What a right review does, in words."""
        parts = [", ".join(self.codes)] if self.codes else []
        parts += [f"not {', '.join(self.never)}"] if self.never else []
        return "; ".join([*parts, *(["a question is asked"] if self.asks else [])])


EXAMPLES = (
    Example("bertrand-sampleton", "Poor glycemic control, on insulin (diabetes documented)", codes=("E11.65", "Z79.4")),
    Example("carmen-exampleby", "Long-standing uncontrolled sugar levels (no diabetes)", ("R73.9",), ("E08", "E09", "E10", "E11", "E13"), ("indicator",)),
    Example("amalia-testwood", "denies chest pain", never=("R07", "I20")),
    Example("amalia-testwood", "Mother had breast cancer", never=("C50", "Z85.3")),
    Example("kofi-demoson", "Rule out PE", never=("I26",)),
)


def as_collection(transaction: Mapping[str, Any]) -> dict[str, Any]:
    """Return a patient's transaction as the collection Bundle that the review API takes."""
    entries: Iterable[Mapping[str, Any]] = transaction["entry"]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": entry["resource"]} for entry in entries]}
