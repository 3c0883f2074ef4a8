"""The gate of the code set: nothing leaves the review that isn't in force on the date of service.

The engine knows the codes of all releases at hand; the date decides. A code that ended gives way to its successor where there is one, and is named with
its successors where there are several. Source: 45 CFR 162.1002 (a code is valid by the date of service or discharge).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from cds_service.review.case import Case
from cds_service.review.claims.services import Service
from cds_service.review.codeset import CodeSet, CodeSets, Retired
from cds_service.review.model import Alternative, ClaimFinding, Evidence, NotCoded, Rationale
from cds_service.review.sheet import Line, Sheet
from fhir_mappers.systems import CPT, HCPCS
from onnx_models.reading import Candidate

RULE = "codeset.in-force"
_DENIAL = "The payer's system doesn't know the service on this date, and the line is denied."
_REFERENCE = "45 CFR 162.1002: codes are those valid on the date of service or discharge"


def in_force_only(sheet: Sheet, case: Case) -> Sheet:
    """Return the sheet without codes that aren't in force, and with the reason where words of a note mean a code that ended."""
    codes = case.codes
    came = dict(_successions(case))
    for line in tuple(sheet):
        if not codes.is_valid(line.code):
            gone = codes.retired.get(line.code)
            reason = gone.told() if gone else f"{line.code} is no code of ICD-10-CM on {case.on.isoformat()}."
            sheet = sheet.without(line.code, NotCoded(line.code, gone.title if gone else "", line.evidence, reason, RULE))
            continue
        told = tuple(came[c] for c in (line.code, codes.stem(line.code)) if c in came)[:1]
        others = tuple(a for a in line.alternatives if codes.is_valid(a.code))
        if told or others != line.alternatives:
            sheet = sheet.replaced(_explained(line, told, others))
    return sheet.with_left_out(_ended(case))


def _explained(line: Line, told: Sequence[Retired], others: tuple[Alternative, ...]) -> Line:
    rationale = tuple(Rationale(RULE, gone.told(), _REFERENCE) for gone in told)
    return replace(line, rationale=(*line.rationale, *rationale), alternatives=others)


def _successions(case: Case) -> Iterator[tuple[str, Retired]]:
    """Yield code and ended code where the engine proposed the ended one and one successor took its place."""
    for _, _, gone in _ended_candidates(case):
        if len(gone.successors) == 1:
            yield gone.successors[0], gone


def _ended(case: Case) -> list[NotCoded]:
    """Return the ended codes that words of the notes mean, where no one code took their place."""
    at = {(s.note.source, s.mention.begin, s.mention.end): s for s in case.statements}
    places: dict[str, list[Evidence]] = {}
    for place, candidate, gone in _ended_candidates(case):
        statement = at[place]
        if len(gone.successors) != 1 and candidate.score >= case.knowledge.threshold and case.counts(statement.mention.assertion):
            places.setdefault(candidate.code, []).append(statement.evidence)
    return [NotCoded(code, case.codes.retired[code].title, tuple(found), case.codes.retired[code].told(), RULE) for code, found in sorted(places.items())]


def _ended_candidates(case: Case) -> Iterator[tuple[tuple[str, int, int], Candidate, Retired]]:
    """Yield place, candidate and what is known of it, for each candidate that the release no longer holds."""
    if not case.codes.retired:
        return
    for note in case.notes:
        for mention in case.readings[note.source].mentions:
            for candidate in mention.candidates:
                gone = case.codes.retired.get(candidate.code)
                if gone is not None and not case.codes.is_valid(candidate.code):
                    yield (note.source, mention.begin, mention.end), candidate, gone


def service_code_findings(services: Sequence[Service], releases: CodeSets) -> tuple[ClaimFinding, ...]:
    """Return the services whose HCPCS or CPT code isn't in force on their day, where a release of that day was imported."""
    found: dict[tuple[str, date], ClaimFinding] = {}
    for service in services:
        system = CPT if service.code[:1].isdigit() else HCPCS
        release = next((r for r in reversed(releases.of(system)) if r.in_force(service.day)), None)
        if release is None:
            continue
        fault = _service_fault(service, release)
        if fault:
            orders = (service.source,) if service.is_order else ()
            table = "CPT code set" if system == CPT else "HCPCS Level II code set"
            period = (release.effective_from, release.effective_to)
            remedy = "Choose a code that is valid on this date."
            finding = ClaimFinding(
                "service.invalid", (service.code,), table, release.version, fault, remedy, "critical", orders, *period, reason_code="CO-181", denial=_DENIAL
            )
            found.setdefault((service.code, service.day), finding)
    return tuple(found.values())


def _service_fault(service: Service, release: CodeSet) -> str | None:
    last = release.ends.get(service.code)
    if last is not None and service.day > last:
        became = release.conversions.get(service.code, ())
        return Retired(service.code, release.title(service.code), last, became, f"release {release.version}").told()
    if release.is_valid(service.code):
        return None
    gone = release.retired.get(service.code)
    return gone.told() if gone else f"{service.code} is no code of the release in force on {service.day.isoformat()}."
