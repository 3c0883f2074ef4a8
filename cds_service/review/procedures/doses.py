"""Doses: what a drug's code counts, what was given, and the billing units that this makes.

Source: CMS, Medicare Claims Processing Manual, chapter 17, section 10 and 90.2: units are multiples of the dose in the code's descriptor, rounded up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from enum import StrEnum

_UNITS: dict[str, tuple[str, Decimal]] = {
    **dict.fromkeys(("mg", "milligram", "milligrams", "mgs"), ("mg", Decimal(1))),
    **dict.fromkeys(("g", "gm", "gram", "grams", "gms"), ("mg", Decimal(1000))),
    **dict.fromkeys(("mcg", "microgram", "micrograms", "µg", "μg", "ug"), ("mg", Decimal("0.001"))),
    **dict.fromkeys(("unit", "units", "u", "iu", "i.u.", "[iu]", "[u]", "usp", "international units"), ("units", Decimal(1))),
    **dict.fromkeys(("ml", "cc", "milliliter", "milliliters"), ("ml", Decimal(1))),
    **dict.fromkeys(("l", "liter", "liters"), ("ml", Decimal(1000))),
    **dict.fromkeys(("meq", "milliequivalent"), ("meq", Decimal(1))),
    **dict.fromkeys(("mci", "millicurie", "millicuries"), ("mci", Decimal(1))),
    **dict.fromkeys(("dose", "doses", "{dose}"), ("dose", Decimal(1))),
}
_UNIT = "|".join(sorted((re.escape(u) for u in _UNITS), key=len, reverse=True))
_AMOUNT = re.compile(rf"(?<![\w.,])(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)\s*-?({_UNIT})(?![\w\[])", re.I)
# Of titles, in which one space stands for any number: no part can be matched in two ways, so that the time grows with the title and no faster.
_COUNTED = re.compile(rf"[,;]? ?(?:(?:per|up to|each) ?)?(?:(\d[\d,]{{0,14}}(?:\.\d{{1,9}})?|\.\d{{1,9}}) ?)?(?<![a-z])({_UNIT}) ?(?=\(|$)", re.I)
_AFTER_NAME = re.compile(r",\s*(?:not otherwise|not therapeutically|inhalation|oral|biosimilar|preservative|administered|fda|per\b|up to)", re.I)
_CONDITION = re.compile(r",? ?(?:for (?:intravenous|subcutaneous|intramuscular) (?:use|injection)|not otherwise specified|of iron|\(for [^()]*\)) ?$", re.I)
_PARENTHESES = re.compile(r" ?\([^()]*\)")
_ONLY_BRAND = re.compile(r"not therapeutically equivalent|biosimilar|\([^()]+\)", re.I)
_SALTS = frozenset(
    "hydrochloride hcl sodium potassium sulfate phosphate acetate citrate mesylate maleate tartrate bitartrate tromethamine succinate fumarate lactate "
    "hydrobromide bromide chloride besylate dihydrate monohydrate disodium calcium hydrate nitrate lactobionate injection unclassified".split()
)
_NOT_SALT = frozenset({"sodium", "potassium", "calcium", "chloride", "phosphate", "sulfate", "citrate", "acetate", "nitrate"})


class Form(StrEnum):
    """How a drug is given, as far as titles of codes tell it apart."""

    INJECTION = "injection"
    INHALATION = "inhalation"
    ORAL = "oral"


@dataclass(frozen=True, slots=True)
class Amount:
    """A dose in one of the few units that codes count in: mg, units, ml, meq, mci, dose."""

    value: Decimal
    unit: str

    @classmethod
    def of(cls, value: str | float, unit: str) -> Amount | None:
        """Return an amount in its base unit, or None where the unit is another."""
        known = _UNITS.get(unit.strip().lower().rstrip("."))
        try:
            return cls(Decimal(str(value).replace(",", "")) * known[1], known[0]) if known else None
        except InvalidOperation:
            return None

    def told(self) -> str:
        """Return the amount in words: "30 mg"."""
        return f"{self.value.normalize():f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Counted:
    """What the title of a drug's code names and counts."""

    code: str
    drug: tuple[str, ...]  # words of the name without salts
    form: Form
    per: Amount  # one billing unit
    brand: bool  # the title holds for one brand, maker, biosimilar or use only
    whole: frozenset[str] = frozenset()  # all words of the name, salts included


def counted(code: str, title: str) -> Counted | None:
    """Return what the title of a code counts: "Injection, ketorolac tromethamine, per 15 mg"; None where it is no drug by dose."""
    whole = " ".join(title.replace(";", ",").split())
    plain = _CONDITION.sub("", whole)
    closed = plain.endswith(")")
    amount = next((m for m in _COUNTED.finditer(plain) if m.end() == len(plain) or closed), None)
    if amount is None:
        return None
    per = Amount.of(amount[1] or "1", amount[2])
    head = plain[: amount.start()].rstrip(", ")
    form = _form(head)
    if per is None or per.value <= 0 or form is None or not head:
        return None
    drug = drug_words(_PARENTHESES.sub("", _AFTER_NAME.split(_named(head))[0]))
    return Counted(code, drug, form, per, bool(_ONLY_BRAND.search(whole)), frozenset(_all_words(head))) if drug else None


def _form(head: str) -> Form | None:
    low = head.lower()
    if low.startswith(("injection", "infusion")):
        return Form.INJECTION
    if "inhalation" in low:
        return Form.INHALATION
    return Form.ORAL if re.search(r"\boral\b", low) else None


def _named(head: str) -> str:
    return re.sub(r"^(?:injection|infusion)[,:]?\s*", "", head, flags=re.I)


def all_words(name: str) -> frozenset[str]:
    """Return all words of a drug's name, salts included."""
    return frozenset(_all_words(name))


def drug_words(name: str) -> tuple[str, ...]:
    """Return the words that name a drug, in lower case, without salts; a salt alone stays ("potassium chloride")."""
    words = _all_words(name)
    kept = tuple(w for w in words if w not in _SALTS)
    return kept or tuple(w for w in words if w in _NOT_SALT)


def _all_words(name: str) -> list[str]:
    return [w for w in re.findall(r"[a-z][a-z0-9-]*", name.lower()) if w not in ("mg", "mcg", "ml", "g")]


def amounts(text: str) -> tuple[tuple[int, int, Amount], ...]:
    """Return the doses that text names, with their places."""
    found = ((m.start(), m.end(), Amount.of(m[1], m[2])) for m in _AMOUNT.finditer(text))
    return tuple((b, e, a) for b, e, a in found if a is not None)


def units(given: Iterable[Amount], per: Amount) -> int | None:
    """Return the billing units of a dose given on one day; None where it isn't in what the code counts."""
    doses = tuple(given)
    if not doses or any(d.unit != per.unit or d.value <= 0 for d in doses):
        return None
    return int((sum((d.value for d in doses), Decimal(0)) / per.value).to_integral_value(ROUND_CEILING))
