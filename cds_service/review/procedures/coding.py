"""Coding of procedures: from the case to coded procedures of an inpatient, what is left out and why, and what to ask.

Nothing leaves here that the tables of the release in force don't build, and no axis is guessed: what isn't documented is asked, with the codes that are
left to choose from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cds_service.errors import NoCodeSetInForce
from cds_service.review.case import Case
from cds_service.review.codeset import ICD10PCS, CodeSet
from cds_service.review.gaps import faults
from cds_service.review.gaps.language import CLOSING
from cds_service.review.model import CodeAssignment, CodeSetUsed, DocumentationQuery, Evidence, EvidenceKind, NotCoded, Rationale
from cds_service.review.procedures.acts import NoteActs, Status, acts_in_words, acts_of
from cds_service.review.procedures.inpatient import Performed, Told, alone, performed
from cds_service.review.procedures.parts import Part
from cds_service.review.procedures.phrases import Phrases
from cds_service.review.procedures.tables import Axis, differing
from cds_service.review.procedures.words import ProcedureWords
from cds_service.review.structured import procedure_evidence
from fhir_mappers.record import ProcedureDone

_GUIDELINES = "ICD-10-PCS Official Guidelines for Coding and Reporting"
_CHARTED = 0.95  # confidence of a code that the chart itself gives
_MOST_OPTIONS = 7
_MOST_POSSIBLE = 12  # codes left to choose from, beyond which a verb alone says too little to tell of
_NAMED_IN_REASON = 4
_EVIDENCE = 5
_REASONS = {
    Status.PLANNED: "planned, not done at this encounter",
    Status.CANCELLED: "cancelled or not done",
    Status.PAST: "historical",
    Status.NEGATED: "negated",
    Status.FAMILY: "family",
}
# Share of right codes on the development sentences, by how the axes were decided (docs/evaluation.md, "Procedures").
_BY_NAME, _BY_VERB, _ELSEWHERE = 0.97, 0.93, 0.04


@dataclass(frozen=True, slots=True)
class Services:
    """What was done for a patient and given to him: for the review."""

    procedures: tuple[CodeAssignment, ...] = ()
    supplies: tuple[CodeAssignment, ...] = ()
    not_coded: tuple[NotCoded, ...] = ()
    queries: tuple[DocumentationQuery, ...] = ()
    code_sets: tuple[CodeSetUsed, ...] = ()
    warnings: tuple[str, ...] = ()


def inpatient_services(case: Case) -> Services:
    """Return the procedures of a stay by ICD-10-PCS; where no tables of the date are at hand, nothing but a warning if there is something to code."""
    try:
        release = case.knowledge.code_sets.in_force(ICD10PCS, case.on)
    except NoCodeSetInForce:
        return _without_tables(case, "no release of ICD-10-PCS is at hand")
    charted, unknown, unread = _charted(case, release)
    if not release.tables:
        rest = _without_tables(case, f"release {release.version} of ICD-10-PCS was imported without its tables")
        return Services(charted, (), unknown, (), (_used(release),) if charted else (), rest.warnings)
    parts = _parts_of(case.knowledge.procedures, release)
    notes = {n.source: acts_of(n.text, case.readings[n.source], case.knowledge.procedures, parts, year=case.on.year) for n in case.notes}
    chart = [Told(p.source, act, structured=True) for p in unread for act in acts_in_words(_label(p), case.knowledge.procedures, parts)]
    done = performed(notes, chart, release.tables)
    coded = _once((*charted, *(a for p in done if p.built.codes for a in _assignments(case, release, p))))
    taken = {a.code for a in coded}
    open_ones = [p for p in done if not p.built.codes and (p.by_name or len(p.built.possible) <= _MOST_POSSIBLE) and not taken & set(p.built.possible)]
    left = (*unknown, *(_open(case, release, p) for p in open_ones), *_not_done(case, release, notes, taken))
    queries = tuple(q for p in open_ones if (q := _query(case, release, p)) is not None)
    used = (_used(release),) if coded or open_ones else ()
    return Services(coded, (), tuple(left), queries, used, tuple(_due(case, release)) if coded else ())


@lru_cache(maxsize=4)
def _parts_of(words: ProcedureWords, release: CodeSet) -> Phrases[tuple[Part, ...]]:
    return words.parts_for(label for table in release.tables.values() for label in table.labels[Axis.PART].values())


def _used(release: CodeSet) -> CodeSetUsed:
    return CodeSetUsed(release.system, release.version, release.effective_from, release.effective_to)


def _due(case: Case, release: CodeSet) -> Iterator[str]:
    after = release.superseded_after
    if after and case.on > after:
        yield f"The date of service {case.on} is after {after}, the last day of ICD-10-PCS release {release.version}: a newer release is due."


def _without_tables(case: Case, why: str) -> Services:
    """Return a warning where notes tell of procedures that can't be coded."""
    parts = case.knowledge.procedures.parts_for(())
    found = any(
        act.named and act.status is Status.DONE
        for note in case.notes
        for act in acts_of(note.text, case.readings[note.source], case.knowledge.procedures, parts, year=case.on.year).acts
    )
    if not found:
        return Services()
    told = f"Procedures are documented and not coded: {why}. Import the order file and the tables of the year (marginalia codeset import)."
    return Services(warnings=(told,))


def _charted(case: Case, release: CodeSet) -> tuple[tuple[CodeAssignment, ...], tuple[NotCoded, ...], tuple[ProcedureDone, ...]]:
    """Return the procedures that the chart codes, those whose code isn't in force, and those without a code."""
    coded: list[CodeAssignment] = []
    unknown: list[NotCoded] = []
    unread: list[ProcedureDone] = []
    for one in sorted(case.record.procedures, key=lambda p: p.source):
        if one.status not in (None, "completed", "in-progress"):
            continue
        code = one.concept.code_in(ICD10PCS)
        if code is None:
            unread.append(one)
        elif release.is_billable(code):
            why = Rationale("procedure.charted", "The chart gives this code, and the release in force holds it.", f"ICD-10-PCS {release.version}")
            coded.append(_assignment(release, code, _CHARTED, (procedure_evidence(one),), (why,)))
        else:
            gone = release.retired.get(code)
            reason = gone.told() if gone else f"{code} is no code of ICD-10-PCS on {case.on.isoformat()}."
            unknown.append(NotCoded(code, gone.title if gone else "", (procedure_evidence(one),), reason, "codeset.in-force"))
    return tuple(coded), tuple(unknown), tuple(unread)


def _label(procedure: ProcedureDone) -> str:
    return ", ".join(w for w in (procedure.concept.label, *(s.label for s in procedure.body_sites)) if w)


def _assignment(release: CodeSet, code: str, confidence: float, evidence: tuple[Evidence, ...], why: tuple[Rationale, ...]) -> CodeAssignment:
    return CodeAssignment(code, release.system, release.title(code), round(confidence, 4), None, release.is_billable(code), evidence[:_EVIDENCE], why)


def _assignments(case: Case, release: CodeSet, done: Performed) -> Iterator[CodeAssignment]:
    confidence = (_BY_NAME if done.by_name else _BY_VERB) - _ELSEWHERE * len(done.built.elsewhere)
    for code in done.built.codes:
        yield _assignment(release, code, confidence, _evidence(case, done.told), _rationale(release, code, done))


def _rationale(release: CodeSet, code: str, done: Performed) -> tuple[Rationale, ...]:
    table = release.tables[code[:3]]
    axes = "; ".join(f"{axis.words} {table.label(axis, code[3 + axis])}" for axis in Axis)
    reasons = [Rationale("procedure.table", f"Root operation {table.operation}; {axes}.", f"ICD-10-PCS {release.version}, table {table.stem}")]
    if done.built.elsewhere:
        told = f"Not in the same sentence, but elsewhere in the note: {', '.join(done.built.elsewhere)}."
        reasons.append(Rationale("procedure.elsewhere", told, f"{_GUIDELINES}, A11"))
    if done.converted:
        reasons.append(Rationale("procedure.converted", "Converted to open: coded to the open approach.", f"{_GUIDELINES}, B5.2b"))
    return tuple(reasons)


def _evidence(case: Case, told: Iterable[Told]) -> tuple[Evidence, ...]:
    """Return where a procedure is told: words of notes, verbatim, and resources of the chart."""
    notes = {n.source: n for n in case.notes}
    charted = {p.source: p for p in case.record.procedures}
    found: dict[tuple[str, int | None], Evidence] = {}
    for one in told:
        if one.structured:
            found.setdefault((one.source, None), procedure_evidence(charted[one.source]))
            continue
        note, act = notes[one.source], one.act
        place = (act.begin, act.end, act.section, act.assertion, case.sha256[note.source], note.date)
        found.setdefault((one.source, act.begin), Evidence(EvidenceKind.NOTE, note.source, note.text[act.begin : act.end], *place))
    return tuple(found.values())


def _once(found: Iterable[CodeAssignment]) -> tuple[CodeAssignment, ...]:
    """Return each code once, with all its evidence."""
    kept: dict[str, CodeAssignment] = {}
    for one in found:
        before = kept.get(one.code)
        kept[one.code] = _both(before, one) if before else one
    return tuple(kept.values())


def _both(one: CodeAssignment, other: CodeAssignment) -> CodeAssignment:
    evidence = tuple(dict.fromkeys((*one.evidence, *other.evidence)))[:_EVIDENCE]
    why = tuple(dict.fromkeys((*one.rationale, *other.rationale)))
    return CodeAssignment(one.code, one.system, one.display, max(one.confidence, other.confidence), None, one.billable, evidence, why)


def _open(case: Case, release: CodeSet, done: Performed) -> NotCoded:
    """Return a procedure that the documentation leaves open: what isn't documented, and the codes left to choose from."""
    possible = done.built.possible
    missing = ", ".join(dict.fromkeys(_missing(release, possible)))
    named = ", ".join(possible[:_NAMED_IN_REASON]) + (f" and {len(possible) - _NAMED_IN_REASON} more" if len(possible) > _NAMED_IN_REASON else "")
    return NotCoded(possible[0][:3], release.title(possible[0][:3]), _evidence(case, done.told), f"{missing} not documented: {named}", "procedure.open")


def _missing(release: CodeSet, possible: tuple[str, ...]) -> Iterator[str]:
    for stem, codes in _by_table(possible).items():
        yield from (axis.words for axis in differing(codes))
        if len(_by_table(possible)) > 1:
            yield "extent" if release.tables[stem].operation in ("Excision", "Resection") else "body part"


def _by_table(codes: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for code in codes:
        found[code[:3]].append(code)
    return found


def _query(case: Case, release: CodeSet, done: Performed) -> DocumentationQuery | None:
    """Return the question about the first axis that isn't documented; None where no compliant question can be asked."""
    tables = _by_table(done.built.possible)
    if len(tables) > 1:
        options = tuple(dict.fromkeys(release.tables[stem].operation for stem in tables))
        return _asked(case, done, "extent", "How much of the body part was taken", options, f"{_GUIDELINES}, B3.8") if _extent(options) else None
    (stem, codes), *_ = tables.items()
    table = release.tables[stem]
    axis = next(differing(codes), None)
    if axis is None:
        return None
    options = tuple(dict.fromkeys(table.label(axis, code[3 + axis]) for code in codes))
    return _asked(case, done, axis.words, f"Which {axis.words} applies", options, f"{_GUIDELINES}, A9")


def _extent(options: tuple[str, ...]) -> bool:
    return set(options) == {"Excision", "Resection"}


_EXTENT = ("A portion of it", "All of it")


def _asked(case: Case, done: Performed, what: str, question: str, options: tuple[str, ...], reference: str) -> DocumentationQuery | None:
    choices = _EXTENT if what == "extent" else options
    if not 2 <= len(choices) <= _MOST_OPTIONS:
        return None
    name = " ".join(done.name.split())
    query = DocumentationQuery(
        id=f"procedure.{what.replace(' ', '-')}.{done.built.possible[0][:3]}",
        family="specificity",
        title=f"Detail of a procedure: {name}",
        question=f"The record tells of this procedure: {name}. {question}?",
        indicators=_evidence(case, done.told)[:_EVIDENCE],
        options=(*choices, *CLOSING),
        rule="procedure.open",
        reference=reference,
        priority=3,
    )
    return None if faults(query) else query


def _not_done(case: Case, release: CodeSet, notes: Mapping[str, NoteActs], taken: set[str]) -> Iterator[NotCoded]:
    """Yield procedures that are named and weren't done at this encounter, unless they are coded after all."""
    for source, note in notes.items():
        for act in note.acts:
            if act.status is Status.DONE or not act.named:
                continue
            made = alone(act, note, release.tables)
            codes = made.codes or made.possible
            if codes and not taken & set(codes):
                code = codes[0] if made.codes else codes[0][:3]
                yield NotCoded(code, release.title(code), _evidence(case, [Told(source, act)]), _REASONS[act.status], f"procedure.{act.status.name.lower()}")
