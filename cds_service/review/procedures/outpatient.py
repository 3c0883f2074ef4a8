"""Procedures of an outpatient: CPT from the customer's licensed file, and HCPCS Level II.

Marginalia holds no CPT content: without the customer's file nothing of it is said. What the chart codes is held to the release of the day; what only notes
and labels tell gets a code where they name wholly what the code is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.model import CodeAssignment, Evidence, EvidenceKind, NotCoded, Rationale
from cds_service.review.procedures.acts import Act, Status, acts_of
from cds_service.review.procedures.titles import Named, titles_of, told
from cds_service.review.structured import procedure_evidence
from fhir_mappers.record import Note, ProcedureDone
from fhir_mappers.systems import CPT, HCPCS

_CHARTED, _BY_TITLE = 0.95, 0.8
_DONE = (None, "completed", "in-progress")
_REASONS = {
    Status.PLANNED: "planned, not done at this encounter",
    Status.CANCELLED: "cancelled or not done",
    Status.PAST: "historical",
    Status.NEGATED: "negated",
    Status.FAMILY: "family",
}


def outpatient_procedures(case: Case, releases: tuple[CodeSet, ...]) -> tuple[tuple[CodeAssignment, ...], tuple[NotCoded, ...]]:
    """Return the procedures of the chart and of the notes by the releases of CPT and HCPCS that are in force."""
    found: dict[str, CodeAssignment] = {}
    left: list[NotCoded] = []
    for one in (*_charted(case, releases), *_told(case, releases)):
        if isinstance(one, NotCoded):
            left.append(one)
        elif one.code in found:
            before = found[one.code]
            evidence = tuple(dict.fromkeys((*before.evidence, *one.evidence)))
            found[one.code] = replace(before, evidence=evidence, confidence=max(before.confidence, one.confidence))
        else:
            found[one.code] = one
    return tuple(found.values()), tuple(n for n in left if n.code not in found)


def _charted(case: Case, releases: tuple[CodeSet, ...]) -> Iterator[CodeAssignment | NotCoded]:
    for done in sorted(case.record.procedures, key=lambda p: p.source):
        if done.status not in _DONE:
            continue
        evidence = (procedure_evidence(done),)
        given = [(r, code) for r in releases if (code := done.concept.code_in(r.system))]
        for release, code in given:
            if release.is_billable(code):
                why = Rationale("procedure.charted", "The chart gives this code, and the release in force holds it.", _name(release))
                yield CodeAssignment(code, release.system, release.title(code), _CHARTED, None, True, evidence, (why,))
        if not any(done.concept.code_in(system) for system in (CPT, HCPCS)):
            yield from _by_title(_label(done), evidence, releases, None)


def _told(case: Case, releases: tuple[CodeSet, ...]) -> Iterator[CodeAssignment | NotCoded]:
    words = case.knowledge.procedures
    licensed = tuple(r for r in releases if r.system == CPT)
    if not licensed:
        return
    parts = words.parts_for(())
    for note in case.notes:
        if note.is_report or note.is_transcript or note.copied_from:
            continue
        for act in acts_of(note.text, case.readings[note.source], words, parts, year=case.on.year).acts:
            if act.named:
                sentence = note.text[act.sentence.begin : act.sentence.end]
                yield from _by_title(sentence, (_evidence(case, note, act),), licensed, act)


def _by_title(text: str, evidence: tuple[Evidence, ...], releases: tuple[CodeSet, ...], act: Act | None) -> Iterator[CodeAssignment | NotCoded]:
    for release in releases:
        named: Named = titles_of(release).named(text)
        if named.code is None and not named.others:
            continue
        code = named.code or named.others[0]
        title = release.title(code)
        if act is not None and act.status is not Status.DONE:
            yield NotCoded(code, title, evidence, _REASONS[act.status], f"procedure.{act.status.name.lower()}")
        elif named.code is None:
            yield NotCoded(code, title, evidence, f"several codes come near: {told(named.others)}", "procedure.open")
        else:
            why = Rationale("procedure.title", "The documentation names what this code is called.", _name(release))
            yield CodeAssignment(code, release.system, title, _BY_TITLE, None, True, evidence, (why,))
        return


def _name(release: CodeSet) -> str:
    return f"{'CPT' if release.system == CPT else 'HCPCS Level II'} {release.version}"


def _label(done: ProcedureDone) -> str:
    return ", ".join(w for w in (done.concept.label, *(s.label for s in done.body_sites)) if w)


def _evidence(case: Case, note: Note, act: Act) -> Evidence:
    place = (act.begin, act.end, act.section, act.assertion, case.sha256[note.source], note.date)
    return Evidence(EvidenceKind.NOTE, note.source, note.text[act.begin : act.end], *place)
