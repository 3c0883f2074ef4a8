"""Groups that figures are broken down by: chapter, how common a code is, age and sex as the note tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from onnx_models.retrieval import Concepts
from onnx_models.training.terms import TabularList

# First category of each chapter of ICD-10-CM, in order.
_CHAPTERS = (
    ("A00", "01 infectious"), ("C00", "02 neoplasms"), ("D50", "03 blood"), ("E00", "04 endocrine"), ("F01", "05 mental"), ("G00", "06 nervous"),
    ("H00", "07 eye"), ("H60", "08 ear"), ("I00", "09 circulatory"), ("J00", "10 respiratory"), ("K00", "11 digestive"), ("L00", "12 skin"),
    ("M00", "13 musculoskeletal"), ("N00", "14 genitourinary"), ("O00", "15 pregnancy"), ("P00", "16 perinatal"), ("Q00", "17 congenital"),
    ("R00", "18 symptoms"), ("S00", "19 injury"), ("U00", "22 special"), ("V00", "20 external causes"), ("Z00", "21 factors"),
)  # fmt: skip
_AGE = re.compile(r"\b(\d{1,3})[- ]?(?:year|yr|y/?o)[- s]*(?:old)?\b", re.I)
_INFANT = re.compile(r"\b\d{1,2}[- ](?:day|week|month)[- ]old\b|\bnewborn\b", re.I)
_FEMALE, _MALE = re.compile(r"\b(?:female|woman|girl|she|her)\b", re.I), re.compile(r"\b(?:male|man|boy|he|his)\b", re.I)


def chapter(code: str) -> str:
    """Return number and short name of the chapter of an ICD-10-CM code."""
    return max((first, name) for first, name in _CHAPTERS if first <= code[:3])[1]


def frequency(code: str, concepts: Concepts, tabular: TabularList) -> str:
    """Return how common a code is in charts coded by US professional coders."""
    row = concepts.row(tabular.stem(code))
    prior = concepts[row].us_prior if row is not None else 0.0
    return "common (10 charts or more)" if prior > 2.39 else "seen (1 to 9 charts)" if prior > 0 else "never seen"


def person(text: str) -> Iterator[tuple[str, str]]:
    """Yield ("age", group) and ("sex", group) as far as the words of a note tell them."""
    age = _AGE.search(text)
    if age or _INFANT.search(text):
        years = int(age[1]) if age else 0
        yield "age", "under 18" if years < 18 else "18 to 64" if years < 65 else "65 and over"
    female, male = len(_FEMALE.findall(text)), len(_MALE.findall(text))
    if female != male:
        yield "sex", "female" if female > male else "male"
