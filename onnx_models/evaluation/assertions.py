"""The assertion set: sentences of US notes, each with one marked mention and the one right reading of it.

Files `gold/assertion/*.tsv`, one case a line: `label<TAB>section<TAB>sentence`, the mention in `[[double brackets]]`. All sentences
are invented for this set. Labels follow the reasons of docs/annotation-guide.md ("Not coded"):

- present: this patient has it now. "History of" a chronic disease counts, and so do "evidence of" and "diagnostic of".
- negated: denied, absent, ruled out; also "unlikely", "low suspicion for", "doubt".
- possible: uncertain in the words of the coding guidelines: "likely", "consistent with", "rule out", "versus", "cannot exclude".
- hypothetical: conditional or instructional, risk, prevention, screening of somebody without signs, drug given as needed.
- historical: resolved or removed, or an event of the past.
- family: a relative has it. other: a spouse, donor, roommate, colleague has it.

Where several hold, the first of family, other, negated, hypothetical, possible, historical counts.

`python -m onnx_models.evaluation.assertions [--split dev|test] [--wrong]` prints macro F1 and the score of each label. Rules are written
from the dev split alone, so `--wrong` shows wrong cases of that split only.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx_models.assertion import judge
from onnx_models.evaluation.metrics import Score
from onnx_models.reading import Assertion, Certainty, Experiencer, Polarity, Section, Temporality
from onnx_models.segmenter import sentences

__all__ = ["FOLDER", "LABELS", "AssertionCase", "CaseError", "by_label", "label_of", "macro_f1", "predicted", "read"]

FOLDER = Path(__file__).parent / "gold" / "assertion"
LABELS = ("present", "negated", "possible", "hypothetical", "historical", "family", "other")
_MARKED = re.compile(r"(?P<before>[^\[\]]*)\[\[(?P<mention>[^\[\]]+)\]\](?P<after>[^\[\]]*)")


class CaseError(ValueError):
    """A line of the set that breaks the format; the message names file, line and remedy."""


@dataclass(frozen=True, slots=True)
class AssertionCase:
    """One marked mention; `text[begin:end]` is the mention."""

    label: str
    section: str  # `Section.kind`
    text: str  # the sentence without its brackets
    begin: int
    end: int

    @property
    def split(self) -> str:
        """Return the frozen split: by the sentence without brackets, so that two mentions of one sentence never part."""
        return "test" if int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:4], "big") % 2 else "dev"

    @property
    def marked(self) -> str:
        """Return the sentence with its mention in brackets."""
        return f"{self.text[: self.begin]}[[{self.text[self.begin : self.end]}]]{self.text[self.end :]}"


def _parse(line: str, where: str) -> AssertionCase:
    cells = line.split("\t")
    if len(cells) != 3:
        raise CaseError(f"{where}: {len(cells)} cells; write label, section and sentence with a tab between them.")
    label, section, sentence = cells
    if label not in LABELS:
        raise CaseError(f"{where}: unknown label {label}; write one of {', '.join(LABELS)}.")
    match = _MARKED.fullmatch(sentence)
    if not match:
        raise CaseError(f"{where}: mark exactly one mention with [[ ]].")
    before, mention, after = match["before"], match["mention"], match["after"]
    return AssertionCase(label, section, before + mention + after, len(before), len(before) + len(mention))


def read(folder: Path = FOLDER) -> list[AssertionCase]:
    """Return all cases of the set. Raises CaseError for a line that breaks the format."""
    return [
        _parse(line, f"{path.name}:{number}")
        for path in sorted(folder.glob("*.tsv"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def label_of(assertion: Assertion) -> str:
    """Return the one label of an assertion, by the order of precedence of the set."""
    if assertion.experiencer is not Experiencer.PATIENT:
        return "family" if assertion.experiencer is Experiencer.FAMILY else "other"
    if assertion.polarity is Polarity.NEGATED:
        return "negated"
    if assertion.certainty is not Certainty.CERTAIN:
        return "hypothetical" if assertion.certainty is Certainty.HYPOTHETICAL else "possible"
    return "historical" if assertion.temporality is Temporality.HISTORICAL else "present"


def predicted(case: AssertionCase) -> str:
    """Return the label that the engine gives: the text is split into sentences first, as in a note."""
    whole = Section(case.section, "", 0, len(case.text))
    around = [s for s in sentences(case.text, [whole]) if s.begin <= case.begin < s.end]
    span = (around[0].begin, max(around[0].end, case.end)) if around else (0, len(case.text))
    return label_of(judge(case.text, span, (case.begin, case.end), case.section).assertion)


def by_label(pairs: Sequence[tuple[str, str]]) -> dict[str, Score]:
    """Return precision, recall and F1 of each label over (right, predicted) pairs."""
    scores = {}
    for label in LABELS:
        hits = sum(right == said == label for right, said in pairs)
        said_so, are_so = sum(said == label for _, said in pairs), sum(right == label for right, _ in pairs)
        precision, recall = hits / said_so if said_so else 0.0, hits / are_so if are_so else 0.0
        scores[label] = Score(precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0)
    return scores


def macro_f1(scores: Mapping[str, Score]) -> float:
    """Return the mean F1 of the labels, each with the same weight however rare."""
    return sum(s.f1 for s in scores.values()) / len(scores)


def main(arguments: Sequence[str]) -> int:
    """Print the scores of one split; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m onnx_models.evaluation.assertions", description="Score the engine's assertions.")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--wrong", action="store_true", help="list the wrong cases (dev split only)")
    chosen = parser.parse_args(arguments)
    if chosen.wrong and chosen.split == "test":
        parser.error("wrong cases of the test split are not shown: rules written from them would not be measured any more. Use --split dev.")
    cases = [c for c in read() if c.split == chosen.split]
    answers = [(case, predicted(case)) for case in cases]
    scores = by_label([(case.label, said) for case, said in answers])
    right = sum(case.label == said for case, said in answers)
    print(f"{chosen.split}: {len(cases)} cases, accuracy {right / len(cases):.3f}, macro F1 {macro_f1(scores):.3f}")
    for label, score in scores.items():
        count = sum(c.label == label for c in cases)
        print(f"  {label:<13}{count:>4}  precision {score.precision:.3f}  recall {score.recall:.3f}  F1 {score.f1:.3f}")
    for case, said in answers:
        if chosen.wrong and case.label != said:
            print(f"{case.label} (said {said})\t{case.section}\t{case.marked}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
