"""The words on a card: excerpts in quotes, how sure, dates, and Markdown that says only what we mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cds_service.hooks.card import SUMMARY_LIMIT
from cds_service.review.model import Evidence, EvidenceKind
from fhir_mappers.record import Note

_EXCERPT = 160  # characters of a note that a card quotes at most
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n")
_SECTIONS = {
    "assessment_plan": "assessment and plan",
    "hpi": "history of present illness",
    "ros": "review of systems",
    "labs": "laboratory",
    "exam": "physical exam",
}
_MARKUP = re.compile(r"([\\`*_{}\[\]#|<>~&!])")
_LINK = re.compile(r"(?i)(\b(?:https?|ftp|mailto|javascript|data)(?=:)|\bwww(?=\.))([:.])")  # GitHub-flavoured Markdown makes links of bare addresses
_DIRECTION = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # what shows words in another order than they are in
# What a clinician's card never speaks of (AHIMA/ACDIS 2022, rule 6).
_PAYMENT = re.compile(
    r"\b(pay(ments?|ers?|ors?|s)?|paid|reimburs\w*|revenue|billing|HCCs?|RAF|DRGs?|MCCs?|CCs?"
    r"|risk[- ]adjust\w*|denials?|deny|denied|CO-?\d+|quality score)\b"
)


def escaped(text: str) -> str:
    """Return text as Markdown that shows exactly these words on one line: no markup, no link, no signs that turn the line around."""
    plain = " ".join(_DIRECTION.sub("", text).split())
    return _LINK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", plain))


def speaks_of_payment(text: str) -> bool:
    """Tell whether words of ours touch payment, risk adjustment or denial."""
    return _PAYMENT.search(text) is not None


def shortened(text: str, limit: int = SUMMARY_LIMIT) -> str:
    """Return text cut at a word with an ellipsis, at most `limit` characters."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    ends_with_a_word = text[limit - 1].isspace()
    at_word = cut.rsplit(" ", 1)[0] if not ends_with_a_word and " " in cut[limit // 2 :] else cut
    return at_word.rstrip(" ,;:.-(") + "…"


def how_sure(confidence: float) -> str:
    """Return a probability in words and per cent."""
    word = next(w for least, w in ((0.9, "very likely"), (0.7, "likely"), (0.5, "more likely than not"), (0.0, "unsure")) if confidence >= least)
    # 100 % would claim a certainty that no model has.
    return f"{word}, {min(99, max(1, round(confidence * 100)))} %"


def section_words(kind: str) -> str:
    """Return what a section of a note is called; '' where it has no name that tells something."""
    return "" if kind in ("preamble", "other") else _SECTIONS.get(kind, kind.replace("_", " "))


def quoted(evidence: Evidence, notes: Mapping[str, Note]) -> str:
    """Return evidence as Markdown: the sentence in quotes with the words that count in bold, and where it stands; or the value."""
    if evidence.kind is EvidenceKind.STRUCTURED:
        return escaped(evidence.text)
    note = notes.get(evidence.source)
    place = [(note.title if note else "") or evidence.source]
    if note and note.date:
        place.append(f"{note.date:%Y-%m-%d}")
    if section := section_words(evidence.section or ""):
        place.append(section)
    return f"“{_in_sentence(evidence, note)}” ({escaped(', '.join(place))})"


def _in_sentence(evidence: Evidence, note: Note | None) -> str:
    """Return the excerpt with the rest of its sentence around it, cut at words to a card's length."""
    if note is None or evidence.begin is None or evidence.end is None:
        return f"**{escaped(shortened(evidence.text, _EXCERPT))}**"
    room = max(0, _EXCERPT - (evidence.end - evidence.begin)) // 2
    before = _SENTENCE_END.split(note.text[max(0, evidence.begin - 400) : evidence.begin])[-1].lstrip()
    after = _SENTENCE_END.split(note.text[evidence.end : evidence.end + 400])[0].rstrip()
    if len(before) > room:
        before = "…" + before[len(before) - room :].partition(" ")[2]
    if len(after) > room:
        after = after[:room].rpartition(" ")[0] + "…"
    return f"{_spaced(before, left=False)}**{escaped(shortened(evidence.text, _EXCERPT))}**{_spaced(after, left=True)}"


def _spaced(text: str, *, left: bool) -> str:
    """Return escaped text that keeps the space that parts it from the words beside it, so that bold type begins and ends there."""
    words = escaped(text)
    if not words:
        return ""
    if left:
        return (" " if text[:1].isspace() else "") + words
    return words + (" " if text[-1:].isspace() else "")
