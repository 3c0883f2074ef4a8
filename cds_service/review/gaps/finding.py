"""Finding gaps: applies the rules to a settled case and forms the questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from cds_service.review.case import Case, Statement
from cds_service.review.codeset import ICD10CM
from cds_service.review.gaps.language import Coded, Condition, Contradicted, Drug, Earlier, GapRule, Listed, Measured, Mentioned, Ordered, Said
from cds_service.review.model import DocumentationQuery, Evidence
from cds_service.review.sheet import Line, written_codes
from cds_service.review.specificity import side_of, sides
from cds_service.review.structured import earlier_evidence, medication_evidence, observation_evidence, order_evidence, problem_evidence, procedure_evidence
from fhir_mappers.record import Observation
from onnx_models.reading import Certainty, Experiencer, Polarity

Found = tuple[Evidence, ...]
_SHOWN = 6  # indicators of one question
_PER_CONDITION = 3


def queries(lines: Sequence[Line], case: Case) -> tuple[DocumentationQuery, ...]:
    """Return the questions that the rules ask of a case whose codes are settled, the most important first."""
    written = written_codes(line.code for line in lines)
    found = [q for rule in case.knowledge.gap_rules if _applies(rule, case) and _concerned(rule, written) for q in _asked(rule, lines, case)]
    return tuple(sorted(found, key=lambda q: (q.priority, q.id)))


def _applies(rule: GapRule, case: Case) -> bool:
    born = case.record.patient.birth_date
    age = (case.on - born).days // 365.25 if born else None
    fits = age is None or ((rule.min_age is None or age >= rule.min_age) and (rule.max_age is None or age <= rule.max_age))
    return fits and case.record.setting.value in rule.settings


def _concerned(rule: GapRule, written: str) -> bool:
    """Tell whether every code that a rule needs stands, by its first characters: a quick look before the whole rule is tried."""
    return all(any(f"\n{code}" in written for code in need.codes) for need in rule.needs if isinstance(need, Coded))


def _asked(rule: GapRule, lines: Sequence[Line], case: Case) -> Iterator[DocumentationQuery]:
    subject = rule.needs[0] if rule.needs else None
    if rule.each and isinstance(subject, Coded):
        for line in lines:
            if _fits(line, subject, case):
                yield from _question(rule, [line], lines, case, line.code)
    else:
        yield from _question(rule, lines, lines, case, None)


def _question(rule: GapRule, subjects: Sequence[Line], lines: Sequence[Line], case: Case, code: str | None) -> Iterator[DocumentationQuery]:
    needed: list[Found] = []
    for at, condition in enumerate(rule.needs):
        found = holds(condition, subjects if at == 0 else lines, case)
        if not found:
            return
        needed.append(found)
    several = [found for condition in rule.any if (found := holds(condition, lines, case))]
    if rule.any and len(several) < rule.at_least:
        return
    if any(holds(condition, lines, case) for condition in rule.unless):
        return
    shown = [holds(condition, lines, case) for condition in rule.show]
    indicators = tuple(dict.fromkeys(e for found in (*needed, *several, *shown) for e in found[:_PER_CONDITION]))[:_SHOWN]
    title = case.codes.title(code) if code else ""
    yield DocumentationQuery(
        id=f"{rule.id}.{code}" if code else rule.id,
        family=rule.family,
        title=rule.title.replace("{condition}", title),
        question=rule.question.replace("{condition}", title),
        indicators=indicators,
        options=rule.all_options,
        rule=rule.id,
        reference=rule.source,
        priority=rule.priority,
    )


def holds(condition: Condition, lines: Sequence[Line], case: Case) -> Found:
    """Return the evidence for a condition; empty where it doesn't hold."""
    return _HOLDS[type(condition)](condition, lines, case)


def _fits(line: Line, condition: Coded, case: Case) -> bool:
    if not line.code.startswith(condition.codes) or condition.admission not in (None, line.admission):
        return False
    title = case.codes.title(line.code).lower()
    return (condition.title is None or condition.title in title) and (
        not condition.sided or (side_of(title) == "unspecified" and bool(sides(case.codes, line.code)))
    )


def _coded(condition: Coded, lines: Sequence[Line], case: Case) -> Found:
    below = [line for line in lines if line.code.startswith(condition.codes)]
    return tuple(e for line in below if _fits(line, condition, case) for e in line.evidence)


def _said(condition: Said, _lines: Sequence[Line], case: Case) -> Found:
    found = case.said(condition.cue) if condition.assertion == "any" else case.asserted(condition.cue)
    return tuple(
        e for e in found if (not condition.sections or e.section in condition.sections) and (not condition.earlier or (e.when and e.when.date() < case.on))
    )


def _mentioned(condition: Mentioned, _lines: Sequence[Line], case: Case) -> Found:
    likely = [s for s in case.statements if s.likeliest.startswith(condition.codes)]
    return tuple(s.evidence for s in likely if _so(s, condition))


def _likely(statement: Statement, codes: tuple[str, ...]) -> bool:
    return statement.likeliest.startswith(codes)


def _so(statement: Statement, condition: Mentioned) -> bool:
    assertion = statement.mention.assertion
    if condition.reports is not None and statement.note.is_report is not condition.reports:
        return False
    if condition.assertion == "any":
        return True
    if assertion.experiencer is not Experiencer.PATIENT:
        return False
    if condition.assertion == "negated":
        return assertion.polarity is Polarity.NEGATED
    if condition.assertion == "possible":
        return assertion.certainty is Certainty.POSSIBLE and assertion.polarity is Polarity.AFFIRMED
    return assertion.is_asserted


def _contradicted(condition: Contradicted, lines: Sequence[Line], case: Case) -> Found:
    denied = [s for s in case.statements if s.mention.assertion.polarity is Polarity.NEGATED and not s.note.is_report]
    for line in lines if denied else ():
        if line.code.startswith(condition.codes):
            saying = {e.source for e in line.evidence}
            denying = tuple(s.evidence for s in denied if s.note.source not in saying and _likely(s, (line.code[:5],)))
            if denying:
                return (line.evidence[0], *denying)
    return ()


def _measured(condition: Measured, _lines: Sequence[Line], case: Case) -> Found:
    end = _moment(case.record.end.date() if case.record.end else case.on) + timedelta(days=1)
    results = [r for r in case.knowledge.measurements.results(condition.name, case.record) if r[0] < end]
    moves = (condition.rise, condition.rise_percent, condition.fall, condition.fall_percent)
    if any(m is not None for m in moves):
        return _moved(condition, results)
    if condition.within_days is not None:
        results = [r for r in results if r[0] >= end - timedelta(days=condition.within_days + 1)]
    beyond = [
        r for r in results if (condition.below is None or r[1] < condition.below) and (condition.above is None or r[1] > condition.above)
    ]
    if len(beyond) < condition.times or (beyond[-1][0] - beyond[0][0]).days < condition.apart_days if beyond else True:
        return ()
    newest = beyond[-1:] if condition.times == 1 else [beyond[0], *beyond[-(condition.times - 1) :]]
    return tuple(observation_evidence(o) for _, _, o in newest)


def _moved(condition: Measured, results: Sequence[tuple[datetime, float, Observation]]) -> Found:
    """Return the two results between which a value moved as far as the condition says."""
    span = timedelta(days=condition.within_days or 36500)
    for at, (late, last, after) in enumerate(results):
        for early, first, before in results[:at]:
            if late - early > span or first == 0:
                continue
            change = last - first
            if (
                (condition.rise is not None and change >= condition.rise)
                or (condition.rise_percent is not None and change / first * 100 >= condition.rise_percent)
                or (condition.fall is not None and -change >= condition.fall)
                or (condition.fall_percent is not None and -change / first * 100 >= condition.fall_percent)
            ):
                return observation_evidence(before), observation_evidence(after)
    return ()


def _drug(condition: Drug, _lines: Sequence[Line], case: Case) -> Found:
    given = case.knowledge.measurements.given(condition.group, case.record)
    return tuple(medication_evidence(m) for m in given if not (condition.unexplained and m.reasons))


def _ordered(condition: Ordered, _lines: Sequence[Line], case: Case) -> Found:
    def named(label: str) -> bool:
        return any(w in label.lower() for w in condition.words)

    orders = sorted((o for o in case.record.orders if named(o.concept.label)), key=lambda o: o.source)
    done = sorted((p for p in case.record.procedures if named(p.concept.label)), key=lambda p: p.source)
    return (*(order_evidence(o) for o in orders), *(procedure_evidence(p) for p in done))


def _listed(condition: Listed, _lines: Sequence[Line], case: Case) -> Found:
    problems = sorted((p for p in case.record.problems if p.clinical_status in (None, "active", "recurrence", "relapse")), key=lambda p: p.source)
    return tuple(
        problem_evidence(p)
        for p in problems
        if any(c.code.startswith(condition.codes) for c in p.concept.codings if condition.codes) or any(w in p.concept.label.lower() for w in condition.words)
    )


def _earlier(condition: Earlier, _lines: Sequence[Line], case: Case) -> Found:
    meant = [d for d in case.record.earlier_diagnoses if any(c.system == ICD10CM and c.code.startswith(condition.codes) for c in d.concept.codings)]
    if any(d.day.year == case.on.year for d in meant):
        return ()
    return tuple(earlier_evidence(d) for d in meant if d.day.year == case.on.year - 1)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


_HOLDS: dict[type, Callable[..., Found]] = {
    Coded: _coded,
    Said: _said,
    Mentioned: _mentioned,
    Contradicted: _contradicted,
    Measured: _measured,
    Drug: _drug,
    Ordered: _ordered,
    Listed: _listed,
    Earlier: _earlier,
}

