"""Sections and sentences of US clinical notes, with exact offsets.

Headings are recognised by form (a short line of its own, or capitals before a colon) and named by a table of the words that
US notes use. A heading the table doesn't know still opens a section, of kind "other": text is never lost.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from onnx_models.reading import Section, Sentence

# Patterns are tried in order against the lower-cased heading; the first that is found names the section.
_KINDS: tuple[tuple[str, str], ...] = (
    ("family", r"family (?:medical |health )?(?:history|hx)|^fh$|^fhx$|^fam"),
    ("ros", r"review of systems?|^ros\b|systems? review"),
    ("social", r"social (?:history|hx)|^sh$|^shx$|habits|^lifestyle"),
    ("past_surgical", r"(?:past )?surgical (?:history|hx)|^psh\b|past surger|previous surger|prior surger|procedures? history"),
    ("obstetric", r"(?:obstetric|gyn|ob/gyn|ob|birth|menstrual|prenatal)\w*\s*(?:history|hx)|^pregnancy history"),
    ("past_medical", r"past (?:medical|psychiatric|ocular|cardiac|oncologic|history|illness)|^pmh|^pmhx|^pmx|medical (?:history|hx)|psychiatric history|"
     r"chronic (?:conditions|problems|medical)|comorbid|previous (?:medical )?history|^history$|^past history"),
    ("problem_list", r"problem list|active problems|^problems?$|active diagnos"),
    ("medications", r"medication|^meds\b|^rx$|prescriptions|current drugs|^home meds|^mar$"),
    ("allergies", r"allerg|adverse (?:drug )?reactions"),
    ("immunizations", r"immuni[sz]ation|vaccin"),
    ("preop_diagnosis", r"pre-?\s*operative diagnos|pre-?\s*procedure diagnos|pre-?op(?:erative)? (?:dx|diagnos)|preop dx"),
    ("diagnosis", r"(?:post-?\s*op(?:erative)?|post-?\s*procedure|final|discharge|principal|primary|secondary|other|pathologic\w*|visit|encounter|clinical|"
     r"working|active|additional|ed|billing|current)\s*(?:dx|diagnos[ei]s|diagnoses)|^diagnos[ei]s(?: list)?$|^dx$|^final dx"),
    ("admission_diagnosis", r"admi(?:ssion|tting) (?:dx|diagnos)|reason for admission|provisional diagnos"),
    ("differential", r"differential"),
    ("assessment_plan", r"assessment|^a\s*(?:/|&|and)\s*p\b|^a\s?[/&+]\s?p$|impression (?:and|&|/) (?:plan|recommendation)|^ap$|medical decision|^mdm\b|"
     r"clinical impression|problem[- ]based|plan by problem|^a:"),
    ("hospital_course", r"hospital course|(?:ed|emergency|clinical|treatment|icu|brief hospital|emergency department|er) course|course in|"
     r"summary of (?:hospital|stay)|interval history|^course$|progress since|events? (?:overnight|of the day)|overnight events|24.?hour"),
    ("instructions", r"instruction|patient education|return precautions|counsel|anticipatory|follow[- ]?up|discharge plan|education"),
    ("plan", r"^plan\b|recommendations?|^treatment(?: plan)?$|disposition|^orders?$|therapy plan|^p:"),
    ("chief_complaint", r"chief complaint|^cc$|reason for (?:visit|consult|referral|encounter|evaluation|study|exam)|presenting (?:complaint|problem)|"
     r"^complaint|^reason$|presenting symptoms"),
    ("hpi", r"history of (?:the )?(?:present|presenting)|present(?:ing)? illness|^hpi\b|^subjective|^s:|history of (?:chief )?complaint|clinical history|"
     r"brief history|interim history|^history and physical|^interval|narrative|^background"),
    ("indication", r"indication"),
    ("procedure", r"procedure|operation|blood loss|^drains?$|tourniquet|^implants?$|^specimens?|urine output|^(?:iv )?fluids$|"
     r"operative (?:note|report|course|technique)|^technique|description of|^anesthesia|surgery performed|details of"),
    ("impression", r"^impressions?\b|^conclusions?$|^interpretation"),
    ("findings", r"findings|gross description|microscopic|^comparison|^specimen"),
    ("imaging", r"imaging|radiolog|x-?rays?\b|^cxr|^ct\b|^mri\b|ultraso|echocardio|^echo\b|^ekg|^ecg|electrocardio|diagnostic stud|studies"),
    ("labs", r"^labs?\b|laborator|lab (?:data|results|values)|^results?\b|pertinent (?:results|data)|diagnostic (?:data|results|test)|^data\b|^cultures?|"
     r"microbiolog"),
    ("vitals", r"vital|^vs$|^measurements"),
    ("exam", r"physical|^exam|examination|^pe\b|^objective|^o:|mental status|^mse$|neurolog\w* exam|general appearance"),
    ("nutrition", r"nutrition|^diet"),
    ("complications", r"complications?"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)

# Body systems stand as sub-headings inside a review of systems or an examination: they don't leave it.
_SYSTEM = re.compile(
    r"^(?:general|constitutional|heent|head|eyes?|ears?|ent|nose|mouth|throat|neck|cardiovascular|cardiac|cv|heart|respiratory|resp|lungs?|chest|"
    r"pulmonary|gastrointestinal|gi|abdomen|abd|genitourinary|gu|musculoskeletal|msk|extremit\w+|ext|skin|integumentary|neuro\w*|psych\w*|endocrine|"
    r"hematolog\w*|heme\w*|lymph\w*|allergic|immunologic\w*|back|spine|breasts?|pelvi\w+|rectal|vascular|gyn\w*|neck and .*)(?:\s*[/&,].*)?$"
)
_ALONE = re.compile(r"^[ \t]*(?:#+[ \t]*|\*\*)?(?P<title>[A-Za-z][A-Za-z0-9 /&,()'\u2019+-]{1,60}?)(?:\*\*)?[ \t]*:?[ \t]*$", re.M)
_INLINE = re.compile(
    r"(?:^|(?<=[\n]))[ \t]*(?:#+[ \t]*|\*\*)?(?P<line>[A-Z][A-Za-z0-9 /&()'\u2019+-]{1,50}?)(?:\*\*)?:(?=[\s,*])"
    r"|(?<=[.,;:!?\n\]) ])[ \t]*(?P<caps>[A-Z][A-Z0-9 /&()'\u2019+-]{2,50}):(?=[\s,])"
)
# A period after these, or after a single capital, doesn't end a sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|st|vs|approx|no|fig|e\.g|i\.e|etc|pt|pts|hx|dx|tx|rx|sx|fx|wk|wks|mo|mos|yr|yrs|hr|hrs|min|mg|ml|cc|cm|mm|"
    r"p\.o|b\.i\.d|t\.i\.d|q\.i\.d|q\.d|p\.r\.n|a\.m|p\.m|jr|sr|dept|temp|resp|inc)|\b[A-Z]|\d)\.$",
    re.I,
)
_BREAK = re.compile(r"[.!?]+[\"')\]]*(?=\s|,\s*[A-Z]|$)|;|\n[ \t]*(?=\n)|\n(?=[ \t]*(?:[-*\u2022\u00b7o>#]|\d{1,2}[.)])[ \t])|\n")
_BULLET = re.compile(r"[ \t]*(?:[-*\u2022\u00b7>#]+|\d{1,2}[.)])[ \t]*")


def kind_of(title: str) -> str | None:
    """Return the canonical section kind of a heading, or None if the table doesn't know it."""
    lowered = re.sub(r"[^a-z0-9/&:+ -]", "", title.lower()).strip()
    return next((kind for kind, pattern in _COMPILED if pattern.search(lowered)), None)


def _headings(text: str) -> list[tuple[int, int, str, str]]:
    """Return (begin, end of heading, kind, title), in order; sub-headings of exam and review are left out."""
    found: dict[int, tuple[int, int, str, str]] = {}
    for match in _ALONE.finditer(text):
        title = match["title"].strip()
        capitals = title.isupper() and len(title) > 2
        colon = match.group().rstrip().endswith(":")
        words = title.split()
        kind = kind_of(title) if len(words) <= 7 else None
        # A bare line of a few words is a heading when the table knows it and it is written as one.
        if (capitals and (kind or (len(words) <= 6 and not re.search(r"\d", title)))) or (kind and (colon or title.istitle() or _is_title_case(words))):
            found[match.start("title")] = (match.start("title"), match.end(), kind or "other", title)
    for match in _INLINE.finditer(text):
        title = (match["line"] or match["caps"]).strip()
        begin = match.start("line") if match["line"] else match.start("caps")
        kind = kind_of(title) if len(title.split()) <= 7 else None
        if kind or (title.isupper() and len(title) > 3):
            found.setdefault(begin, (begin, match.end(), kind or "other", title))
    return [found[b] for b in sorted(found)]


def _is_title_case(words: Sequence[str]) -> bool:
    small = {"of", "and", "the", "in", "for", "by", "on", "or", "&", "/"}
    return all(w[0].isupper() or w.lower() in small for w in words if w[0].isalpha())


def sections(text: str, declared: Sequence[tuple[str, int, int]] = ()) -> tuple[Section, ...]:
    """Split `text` into sections that cover it wholly, in order.

    `declared` are (title, begin, end) that the document's own structure gives; headings inside them split them further.
    """
    marks = {b: (b, e, k, t) for b, e, k, t in _headings(text)}
    for title, begin, _ in declared:
        marks[begin] = (begin, begin, kind_of(title) or "other", title)
    result: list[Section] = []
    previous, kind, title = 0, "preamble", ""
    ordered = [marks[b] for b in sorted(marks)]
    for at, (begin, end, new_kind, new_title) in enumerate(ordered):
        if new_kind == "other" and not text[end : ordered[at + 1][0] if at + 1 < len(ordered) else len(text)].strip():
            continue  # capitals with nothing under them are a statement ("COPD"), not a heading
        if new_kind in ("other", "exam", "imaging", "findings", "vitals", "procedure") and _SYSTEM.match(new_title.lower()):
            if kind in ("ros", "exam", "findings", "imaging"):
                continue
            new_kind = "exam"
        if begin < previous:  # a heading inside the heading before it
            continue
        if text[previous:begin].strip() or title:
            result.append(Section(kind, title, previous, begin))
        # A sub-heading that the table doesn't know belongs to what it stands in ("Kidney stones." under the plan).
        inherits = new_kind == "other" and kind in ("assessment_plan", "plan", "diagnosis", "hospital_course", "ros", "exam", "family")
        previous, kind, title = end, kind if inherits else new_kind, new_title
    if text[previous:].strip() or title or not result:
        result.append(Section(kind, title, previous, len(text)))
    return tuple(result)


def sentences(text: str, parts: Sequence[Section]) -> tuple[Sentence, ...]:
    """Split the sections of `text` into sentences and list items, trimmed of white space and bullets."""
    result: list[Sentence] = []
    for part in parts:
        begin = part.begin
        for match in _BREAK.finditer(text, part.begin, part.end):
            if _continues(text, match, begin, part.end):
                continue
            result += _trimmed(text, begin, match.end())
            begin = match.end()
        result += _trimmed(text, begin, part.end)
    return tuple(result)


def _continues(text: str, match: re.Match[str], begin: int, limit: int) -> bool:
    """Tell whether a possible end of sentence is none: an abbreviation, a decimal, a hard-wrapped line."""
    mark = match.group()
    if mark == "\n":
        after = text[match.end() : match.end() + 60].lstrip(" \t")
        before = text[max(begin, match.start() - 120) : match.start()]
        line = before.rsplit("\n", 1)[-1]
        # A wrapped line is long and goes on in lower case.
        return bool(after[:1].islower() and len(line) > 45 and not _BULLET.match(after[:3] or "x") and before.rstrip()[-1:] not in ".:;")
    if mark.startswith("."):
        if match.end() < limit and text[match.end() : match.end() + 1] == ",":
            return False
        word = text[max(begin, match.start() - 8) : match.start() + 1]
        following = text[match.end() : match.end() + 3].lstrip()
        if _ABBREVIATION.search(word) and following and not (following[0].isupper() and re.search(r"\d\.$", word)):
            # "2." at the beginning of a line numbers an item; elsewhere "5 mg. He" ends a sentence all the same.
            return not (following[0].isupper() and re.search(r"(?:mg|ml|cm|mm|hr|hrs|min|yr|yrs|wk|wks|mo|mos)\.$", word, re.I))
    return False


def _trimmed(text: str, begin: int, end: int) -> list[Sentence]:
    bullet = _BULLET.match(text, begin, end)
    while begin < end and (text[begin].isspace() or text[begin] == ","):
        begin += 1
        bullet = _BULLET.match(text, begin, end)
    if bullet and bullet.group().strip():
        begin = bullet.end()
    while end > begin and text[end - 1].isspace():
        end -= 1
    return [Sentence(begin, end)] if end > begin and any(c.isalnum() for c in text[begin:end]) else []


def section_at(parts: Sequence[Section], offset: int) -> Section:
    """Return the section that holds `offset`."""
    return parts[max(0, bisect_right([p.begin for p in parts], offset) - 1)]
