"""What the engine returns for one note: sections, mentions with their assertion, and candidate codes.

The engine knows text and codes only. Offsets count Unicode code points of the note's plain text, and
`text[begin:end]` of every mention is exactly its `text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONGEST_STATEMENT = 400  # characters: up to here a text is a phrase or a short statement rather than a note


class Polarity(StrEnum):
    """Whether the statement affirms or denies."""

    AFFIRMED = "affirmed"
    NEGATED = "negated"


class Certainty(StrEnum):
    """How sure the author is; hypothetical covers conditional and instructional text ("return if fever")."""

    CERTAIN = "certain"
    POSSIBLE = "possible"
    HYPOTHETICAL = "hypothetical"


class Temporality(StrEnum):
    """Whether the statement is about now or about a resolved past."""

    CURRENT = "current"
    HISTORICAL = "historical"


class Experiencer(StrEnum):
    """Of whom the statement speaks."""

    PATIENT = "patient"
    FAMILY = "family"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Assertion:
    """How a mention is asserted. The default is what a bare diagnosis says: the patient has it, now."""

    polarity: Polarity = Polarity.AFFIRMED
    certainty: Certainty = Certainty.CERTAIN
    temporality: Temporality = Temporality.CURRENT
    experiencer: Experiencer = Experiencer.PATIENT

    @property
    def is_asserted(self) -> bool:
        """True where the patient is said to have it, now and without doubt."""
        return self == _PLAIN


_PLAIN = Assertion()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a note under one heading; `kind` is a canonical name such as "assessment_plan"."""

    kind: str
    title: str
    begin: int  # of the body, after the heading
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or list item."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that made a candidate what it is: the name of the feature and its part of the score."""

    feature: str  # e.g. "dictionary", "embedding", "section:assessment_plan"
    text: str  # plain words
    weight: float  # contribution to the log-odds; positive supports


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code that a mention may mean."""

    code: str  # with dot: "E11.65"; may be a category where the words say no more
    score: float  # calibrated probability in [0, 1] that this code is right for this mention
    why: tuple[Reason, ...] = ()
    taught: bool = True  # clinicians' phrases for it were learned from, not only its names


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the words around a mention say about it; a field is None where they say nothing."""

    laterality: str | None = None  # "left" | "right" | "bilateral"
    acuity: str | None = None  # "acute" | "chronic" | "acute on chronic" | "subacute" | "recurrent"
    severity: str | None = None  # "mild" | "moderate" | "severe"
    stage: str | None = None  # "3a", "IV", ...
    episode: str | None = None  # "initial" | "subsequent" | "sequela"
    control: str | None = None  # "controlled" | "uncontrolled" | "poorly controlled"


@dataclass(frozen=True, slots=True)
class Mention:
    """Words of the note that name or describe a condition, with what they may mean, best first."""

    begin: int
    end: int
    text: str
    section: str  # Section.kind
    sentence: Sentence
    assertion: Assertion
    attributes: Attributes
    candidates: tuple[Candidate, ...]
    cue: str | None = None  # the words that decided the assertion ("denies", "mother"), verbatim


@dataclass(frozen=True, slots=True)
class NoteReading:
    """Everything the engine found in one note."""

    sections: tuple[Section, ...]
    sentences: tuple[Sentence, ...]
    mentions: tuple[Mention, ...]  # ordered by begin, then end
    language: str  # "en", or what the text looks like ("es"); mentions are empty unless "en"
    unread: tuple[Section, ...] = ()  # sections left out because time ran out, by the engine's own priority
    timing_ms: tuple[tuple[str, float], ...] = ()  # stage name, milliseconds
