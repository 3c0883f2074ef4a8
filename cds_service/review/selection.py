"""Selection: from mentions of all notes to the codes that are proposed, and the findings that are left out with a reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cds_service.review.case import Case, Statement
from cds_service.review.codeset import CodeSet
from cds_service.review.model import Alternative, NotCoded, Rationale
from cds_service.review.sheet import Line, Sheet, joined
from cds_service.review.specificity import leaves
from onnx_models.reading import Assertion, Attributes, Candidate, Certainty, Experiencer, Polarity, Reason, Temporality

_TRAILING_SIDE = re.compile(r"\s*(?:,|\(|-|on the|of the|in the)\s*(left|right|bilateral)\b")
_REASONS = 3  # features of the model that a rationale names
_ALTERNATIVES = 3
_LEAST_ALTERNATIVE = 0.1  # an alternative below this confidence only distracts


@dataclass(frozen=True, slots=True)
class _Support:
    statement: Statement
    candidate: Candidate
    rank: int  # 0 where it is the best candidate of its place


def propose(case: Case) -> Sheet:
    """Return the sheet of codes that the notes assert with at least the threshold, each at its leaf."""
    lines: dict[str, Line] = {}
    left_out: list[NotCoded] = []
    for code, found in sorted(_by_code(case).items()):
        asserted = [s for s in found if case.counts(s.statement.mention.assertion)]
        if not asserted:
            left_out += _left_out(case, code, found)
            continue
        confidence = max(s.candidate.score for s in asserted)
        if confidence < case.knowledge.threshold or all(s.rank for s in asserted):
            continue
        attributes = _attributes([s.statement for s in asserted])
        words = " ".join(_sentence(s.statement) for s in asserted)
        for leaf in leaves(case.codes, code, attributes, words):
            line = Line(
                leaf,
                confidence,
                tuple(s.statement.evidence for s in asserted),
                _rationale(max(asserted, key=lambda s: s.candidate.score).candidate, code, leaf),
                _alternatives(case, asserted, leaf),
                attributes,
            )
            lines[leaf] = joined(lines[leaf], line) if leaf in lines else line
    return Sheet(lines, tuple(left_out))


def reason_left_out(assertion: Assertion, cue: str | None = None) -> str:
    """Return in one or two words why a statement doesn't count."""
    if assertion.experiencer is Experiencer.FAMILY:
        return "family"
    if assertion.experiencer is Experiencer.OTHER:
        return "other person"
    if assertion.polarity is Polarity.NEGATED:
        return "ruled out" if cue and ("rule" in cue.lower() or "exclude" in cue.lower()) else "negated"
    if assertion.certainty is Certainty.HYPOTHETICAL:
        return "hypothetical"
    if assertion.temporality is Temporality.HISTORICAL:
        return "historical"
    return "uncertain (outpatient)"


def _by_code(case: Case) -> dict[str, list[_Support]]:
    found: dict[str, list[_Support]] = defaultdict(list)
    for statement in case.statements:
        ranked = [c for c in statement.mention.candidates if case.codes.is_valid(c.code)]
        for rank, candidate in enumerate(sorted(ranked, key=lambda c: (-c.score, c.code))):
            found[candidate.code].append(_Support(statement, candidate, rank))
    return found


def _left_out(case: Case, code: str, found: Sequence[_Support]) -> list[NotCoded]:
    """Return why a code that nothing asserts is left out; nothing where it was never the likely reading of its words."""
    first = [s for s in found if s.rank == 0]
    if not first or len(code) < 3:
        return []
    by_reason: dict[str, list[Statement]] = defaultdict(list)
    for support in first:
        mention = support.statement.mention
        by_reason[reason_left_out(mention.assertion, mention.cue)].append(support.statement)
    return [NotCoded(code, case.codes.title(code), tuple(s.evidence for s in statements), reason) for reason, statements in sorted(by_reason.items())]


def _attributes(statements: Sequence[Statement]) -> Attributes:
    """Return the attributes of all mentions together: both sides are bilateral, otherwise the first that says something counts."""
    if len(statements) == 1:
        own = statements[0].mention.attributes
        return own if own.laterality or not (side := _trailing_side(statements[0])) else replace(own, laterality=side)
    named = [s.mention.attributes for s in statements]
    lateral = {side for s in statements if (side := s.mention.attributes.laterality or _trailing_side(s))}

    def first(field: str) -> str | None:
        return next((v for a in named if (v := getattr(a, field))), None)

    side = "bilateral" if len(lateral) > 1 else next(iter(lateral), None)
    return Attributes(side, first("acuity"), first("severity"), first("stage"), first("episode"), first("control"))


def _trailing_side(statement: Statement) -> str | None:
    """Return the side that follows a condition as US headings put it: "Knee osteoarthritis, left"."""
    sentence, end = statement.mention.sentence, statement.mention.end
    match = _TRAILING_SIDE.match(statement.note.text[end : min(sentence.end, end + 40)].lower())
    return match[1] if match else None


def _sentence(statement: Statement) -> str:
    sentence = statement.mention.sentence
    return statement.note.text[sentence.begin : sentence.end].lower()


def _rationale(candidate: Candidate, code: str, leaf: str) -> tuple[Rationale, ...]:
    strongest: list[Reason] = sorted(candidate.why, key=lambda r: (-r.weight, r.feature))[:_REASONS]
    reasons = [Rationale(f"model.{r.feature}", r.text) for r in strongest if r.weight > 0]
    if not reasons:
        reasons = [Rationale("model.score", "The words of the note name this condition.")]
    if leaf != code:
        text = f"Completed from {code} to the most specific code that the documentation supports."
        reasons.append(Rationale("guideline.I.B.2", text, "ICD-10-CM Official Guidelines I.B.2"))
    return tuple(reasons)


@lru_cache(maxsize=1024)
def _plain_leaves(codes: CodeSet, attributes: Attributes) -> Callable[[str], tuple[str, ...]]:
    """Return what gives, and remembers, the leaves of a code for documentation that says `attributes`."""
    return lru_cache(maxsize=8192)(lambda code: leaves(codes, code, attributes))


def _alternatives(case: Case, asserted: Sequence[_Support], leaf: str) -> tuple[Alternative, ...]:
    """Return the other codes that the same words may mean, best first."""
    best: dict[str, float] = {}
    for support in asserted:
        leaves_of = _plain_leaves(case.codes, support.statement.mention.attributes)
        for other in support.statement.mention.candidates:
            if other.score < _LEAST_ALTERNATIVE:
                continue
            for code in leaves_of(other.code):
                if code != leaf:
                    best[code] = max(best.get(code, 0.0), other.score)
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:_ALTERNATIVES]
    return tuple(Alternative(c, case.codes.title(c), score, "The same words may also mean this.") for c, score in ranked)
