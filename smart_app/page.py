"""What the page shows, as plain values for the templates: nothing here that the role may not see.

The templates decide how it looks; which words stand where is decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cds_service.asking import Happened, QueryEvent
from cds_service.hooks.words import how_sure, section_words
from fhir_mappers.record import Note
from smart_app.alternatives import telling_words
from smart_app.cards import CardTold, last_word
from smart_app.charts import Chart, age, evidences
from smart_app.decisions import Decision
from smart_app.highlight import Excerpt, Line, lines
from smart_app.queries import QueryStep, Step
from smart_app.results import Drug, Finding, Result, drugs, findings, results
from smart_app.roles import Role

_CONTEXT = 60  # characters shown around an excerpt in the list
_MANNERS = {
    "affirmed": "",
    "possible": "uncertain",
    "hypothetical": "hypothetical",
    "negated": "denied",
    "historical": "history",
    "family": "family",
}
_KINDS = {
    "Observation": "a result",
    "MedicationRequest": "a medication",
    "MedicationStatement": "a medication",
    "MedicationAdministration": "a drug that was given",
    "Procedure": "a procedure",
    "Condition": "a problem or diagnosis",
    "ServiceRequest": "an order",
    "DeviceRequest": "an order",
    "DocumentReference": "a note that is gone",
    "DiagnosticReport": "a report that is gone",
    "Composition": "a note that is gone",
}
# Beginnings of `NotCoded.reason`, and the heading under which such findings stand.
_LEFT_OUT = (
    ("uncertain", "Uncertain, and outpatients are coded to certainty"),
    ("ruled out", "Ruled out"),
    ("negated", "Denied in the notes"),
    ("historical", "History, not current"),
    ("family", "About the family or another person"),
    ("hypothetical", "Hypothetical"),
    ("less specific", "Said more precisely by another code"),
    ("integral", "Part of another condition"),
    ("excluded", "Excluded beside another code"),
    ("planned", "Procedures that were planned, not done"),
    ("cancelled", "Procedures that were cancelled or declined"),
    ("several codes", "Several codes fit, and the documentation doesn't decide"),
)
_QUERY_STATES = {Step.SEND: "sent", Step.ANSWER: "answered", Step.CLOSE: "closed", Step.REOPEN: "open"}
_ATTRIBUTES = {"laterality": "Side", "acuity": "Acuity", "severity": "Severity", "stage": "Stage", "episode": "Encounter", "control": "Control"}


@dataclass(frozen=True, slots=True)
class Quote:
    """One piece of evidence in the list of a code or query."""

    anchor: str | None  # excerpt on the note; None for values and for notes that changed
    source: str
    before: str
    words: str
    after: str
    place: str  # note and section, or kind of value
    when: str | None
    manner: str
    manner_words: str
    structured: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True)
class CodeCard:
    """A suggested code."""

    anchor: str
    kind: str  # "diagnosis" | "procedure" | "supply"
    code: str
    display: str
    sure: str  # "very likely"
    percent: int
    role: str | None
    billable: bool
    quotes: tuple[Quote, ...]
    rules: tuple[Mapping[str, Any], ...]  # reasons that stand in a rule
    seen: tuple[Mapping[str, Any], ...]  # reasons that the model gives
    alternatives: tuple[Mapping[str, Any], ...]
    attributes: tuple[tuple[str, str], ...]
    hcc: tuple[Mapping[str, Any], ...]
    decision: Decision | None
    findings: tuple[Mapping[str, Any], ...] = ()  # claim edits that name it
    told: CardTold | None = None  # what the EHR told last about its card

    @property
    def first(self) -> str | None:
        """Anchor of the first excerpt on the note."""
        return next((q.anchor for q in self.quotes if q.anchor), None)


@dataclass(frozen=True, slots=True)
class HandCard:
    """A code with a decision that this review doesn't suggest: added by hand, or suggested by an earlier review."""

    code: str
    display: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class QueryCard:
    """A documentation query in compliant form: indicators, question, options without a preference."""

    anchor: str
    title: str
    family: str
    question: str
    quotes: tuple[Quote, ...]
    options: tuple[str, ...]
    reference: str
    id: str = ""  # of the query in its review; the same in a newer review
    last: QueryStep | None = None  # what became of it
    recipient: str = ""  # who wrote the words it rests on
    card: QueryEvent | None = None  # what last happened to it on a card in the EHR

    @property
    def waved_away(self) -> bool:
        """Whether its card was dismissed."""
        return self.card is not None and self.card.what is Happened.DISMISSED

    @property
    def state(self) -> str:
        """ "open", "sent", "answered" or "closed"."""
        return _QUERY_STATES[self.last.step] if self.last else "open"


@dataclass(frozen=True, slots=True)
class NotCodedCard:
    """Something found and left out, and why."""

    anchor: str
    code: str
    display: str
    group: int  # place of its heading
    heading: str
    detail: str  # what the heading doesn't say
    rule: str  # id of the rule that decided, '' where none did
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class NoteView:
    """One note with its highlights."""

    anchor: str
    source: str
    title: str
    byline: str
    lines: tuple[Line, ...]
    headings: tuple[tuple[str, str], ...]  # anchor of the line, words
    excerpts: int
    changed: bool
    added: bool
    skipped: str | None  # why it was not, or not wholly, read


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    chart: Chart
    role: Role
    codes: tuple[CodeCard, ...]
    by_hand: tuple[HandCard, ...]
    queries: tuple[QueryCard, ...]
    not_coded: tuple[NotCodedCard, ...]
    claim_findings: tuple[Mapping[str, Any], ...]
    denial_risk: Mapping[str, Any] | None  # learned from the organization's remittances
    notes: tuple[NoteView, ...]
    results: tuple[Result, ...]
    drugs: tuple[Drug, ...]
    problems: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]  # source, reason
    warnings: tuple[str, ...]
    missing_scopes: tuple[str, ...]

    @property
    def decided(self) -> int:
        """How many codes have a decision."""
        return sum(card.decision is not None for card in self.codes)

    @property
    def last_step(self) -> int:
        """The newest step on any query that the page shows."""
        return max((q.last.id for q in self.queries if q.last), default=0)

    @property
    def open_queries(self) -> int:
        """How many queries are neither answered nor closed."""
        return sum(q.state in ("open", "sent") for q in self.queries)

    @property
    def age(self) -> int | None:
        """The patient's age in years at the encounter, where both dates are known."""
        record = self.chart.record
        start = record.start or record.end
        return age(record.patient.birth_date, start.date()) if record.patient.birth_date and start else None

    @property
    def gaps(self) -> int:
        """How many things were not, or not wholly, read."""
        return len(self.skipped) + len(self.missing_scopes) + len(self.chart.added)

    @property
    def changed_titles(self) -> tuple[str, ...]:
        """Titles of what isn't any more as the review has read it."""
        titles = {note.source: note.title for note in self.notes}
        return tuple(dict.fromkeys(titles.get(source) or _KINDS.get(source.partition("/")[0], "a value") for source in self.chart.changed))

    @property
    def added_titles(self) -> tuple[str, ...]:
        """Titles of notes that came after the review."""
        return tuple(note.title for note in self.notes if note.added)


def build(
    chart: Chart,
    role: Role,
    standing: Mapping[str, Decision],
    titles: Callable[[str], str],
    *,
    missing_scopes: Sequence[str] = (),
    cards: tuple[CardTold, ...] = (),
    steps: Mapping[str, QueryStep] | None = None,
    asked_before: Sequence[Mapping[str, Any]] = (),
    on_cards: Iterable[QueryEvent] = (),
) -> Page:
    """Return the page of a chart for a role.

    `standing` are decisions by code, `titles` what codes are called, `cards` what the EHR told of them, `steps` the last step on
    each query, `asked_before` the queries with a step that this review doesn't ask any more, `on_cards` what happened to queries on cards.
    """
    document = chart.document
    marks = _Marks(chart)
    shown_findings = tuple(document.get("claimFindings", ())) if role.sees_payment else ()
    codes = tuple(
        replace(_code(kind, item, at, marks, role, standing, shown_findings), told=last_word(cards, item["code"]))
        for kind, name in (("diagnosis", "diagnoses"), ("procedure", "procedures"), ("supply", "supplies"))
        for at, item in enumerate(document.get(name, ()))
    )
    asked = [item for item in (*document.get("queries", ()), *asked_before) if role.may_read(item["title"], item["question"])]
    last_on_card = {event.query: event for event in sorted(on_cards, key=lambda e: e.at)}
    queries = tuple(
        replace(_query(at, item, marks, role, (steps or {}).get(item["id"])), card=last_on_card.get(item["id"])) for at, item in enumerate(asked)
    )
    left_out = [item for item in document.get("notCoded", ()) if role.may_read(item["reason"], item.get("rule", ""))]
    not_coded = tuple(_not_coded(at, item, marks) for at, item in enumerate(left_out))
    coverage = document.get("coverage", {})
    reasons: dict[str, str] = {s["source"]: s["reason"] for s in coverage.get("notesSkipped", ())}
    supports = marks.supports()
    notes = tuple(_note(at, note, marks, chart, reasons) for at, note in enumerate(chart.record.notes))
    return Page(
        chart=chart,
        role=role,
        codes=codes,
        by_hand=tuple(HandCard(code, titles(code), decision) for code, decision in standing.items() if code not in {c.code for c in codes}),
        queries=queries,
        not_coded=not_coded,
        claim_findings=shown_findings,
        denial_risk=document.get("denialRisk") if role.sees_payment else None,
        notes=notes,
        results=results(chart.record, supports),
        drugs=drugs(chart.record, supports),
        problems=findings(chart.record, supports),
        skipped=tuple(dict.fromkeys([*reasons.items(), *((s.source, s.reason) for s in chart.record.skipped)])),
        warnings=tuple(w for w in coverage.get("warnings", ()) if role.may_read(w)),
        missing_scopes=tuple(missing_scopes),
    )


@dataclass
class _Marks:
    """Gives each excerpt its place on the page, and remembers which statements rest on it."""

    chart: Chart
    notes: dict[str, Note] = field(init=False)
    _found: dict[tuple[str, int, int, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    _values: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        self.notes = {note.source: note for note in self.chart.record.notes}
        self._order = order = {note.source: at for at, note in enumerate(self.chart.record.notes)}
        keys = {
            (e["source"], e["begin"], e["end"], manner(e))
            for e in evidences(self.chart.document)
            if e["kind"] == "note" and not e.get("stale") and e["source"] in order
        }
        ordered = sorted(keys, key=lambda k: (order[k[0]], k[1], -k[2], k[3]))
        self._anchors = {key: f"x{at + 1}" for at, key in enumerate(ordered)}

    def quotes(self, items: Sequence[Mapping[str, Any]], target: str, label: str) -> tuple[Quote, ...]:
        """Return evidence as quotes. Words that stand inside longer words of the same statement aren't quoted twice."""
        kept = [e for e in items if not any(_inside(e, other) for other in items)]
        # This encounter's notes come first in the record, so their words do here; within a note the review's order stays.
        return tuple(self._quote(e, target, label) for e in sorted(kept, key=lambda e: self._order.get(e["source"], len(self._order))))

    def _quote(self, evidence: Mapping[str, Any], target: str, label: str) -> Quote:
        """Return evidence as a quote, and note that `target` rests on it."""
        said = manner(evidence)
        section = section_words(evidence.get("section") or "").replace("-", " ")
        when = _day(evidence.get("when"))
        if evidence["kind"] == "structured":
            self._values[evidence["source"]][target] = label
            return Quote(None, evidence["source"], "", evidence.get("text", ""), "", section, when, said, _MANNERS[said], True, bool(evidence.get("stale")))
        note = self.notes.get(evidence["source"])
        key = (evidence["source"], evidence["begin"], evidence["end"], said)
        if note is None or evidence.get("stale"):
            return Quote(None, evidence["source"], "", "", "", section, when, said, _MANNERS[said], stale=True)
        self._found[key][target] = label
        begin, end = evidence["begin"], evidence["end"]
        place = ", ".join(w for w in (note.title or "Note", section) if w)
        before, after = _around(note.text, begin, end)
        return Quote(self._anchors[key], note.source, before, note.text[begin:end], after, place, _day(note.date), said, _MANNERS[said])

    def excerpts(self, source: str) -> list[Excerpt]:
        """Return the excerpts of a note with what rests on them."""
        return [
            Excerpt(
                self._anchors[key],
                key[1],
                key[2],
                "left" if key[3] == "affirmed" and all(t.startswith("left-") for t in targets) else key[3],
                tuple(targets),
                tuple(dict.fromkeys(label for label in targets.values() if label)),
            )
            for key, targets in self._found.items()
            if key[0] == source
        ]

    def supports(self) -> dict[str, dict[str, str]]:
        """Return, for each resource, the anchors and labels of what rests on it."""
        return self._values


def _inside(evidence: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if evidence["kind"] != "note" or other["kind"] != "note" or evidence["source"] != other["source"]:
        return False
    inner, outer = (evidence["begin"], evidence["end"]), (other["begin"], other["end"])
    return inner != outer and outer[0] <= inner[0] and inner[1] <= outer[1] and manner(evidence) == manner(other)


def manner(evidence: Mapping[str, Any]) -> str:
    """Return how a statement is made, in one word; the strongest reason not to code it wins."""
    assertion = evidence.get("assertion") or {}
    if assertion.get("polarity") == "negated":
        return "negated"
    if assertion.get("experiencer") in ("family", "other"):
        return "family"
    if assertion.get("certainty") == "hypothetical":
        return "hypothetical"
    if assertion.get("temporality") == "historical":
        return "historical"
    return "possible" if assertion.get("certainty") == "possible" else "affirmed"


def _titled(item: Mapping[str, Any]) -> str:
    """Return the title of a code, with the units of a drug or supply."""
    units = item.get("units")
    return f"{item['display']} ({units} {'unit' if units == 1 else 'units'})" if units else str(item["display"])


def _code(
    kind: str,
    item: Mapping[str, Any],
    at: int,
    marks: _Marks,
    role: Role,
    standing: Mapping[str, Decision],
    claim_findings: Iterable[Mapping[str, Any]],
) -> CodeCard:
    code = item["code"]
    anchor = f"{kind}-{at}"
    sure, _, number = how_sure(item["confidence"]).partition(", ")
    attributes = item.get("attributes", {})
    rationale = [r for r in item["rationale"] if role.may_read(r["rule"], r["text"], r.get("reference", ""))]
    return CodeCard(
        anchor=anchor,
        kind=kind,
        code=code,
        display=_titled(item),
        sure=sure,
        percent=int(number.removesuffix(" %")),
        role=item.get("role"),
        billable=item.get("billable", True),
        quotes=marks.quotes(item["evidence"], anchor, code),
        rules=tuple(r for r in rationale if not r["rule"].startswith("model.")),
        seen=tuple(r for r in rationale if r["rule"].startswith("model.")),
        alternatives=tuple(
            {**a, "percent": round(a["confidence"] * 100), "telling": telling_words(item["display"], a["display"])}
            for a in item.get("alternatives", ())
            if role.may_read(a["why"])
        ),
        attributes=tuple((_ATTRIBUTES.get(name, name), str(value)) for name, value in attributes.items()),
        hcc=tuple(item.get("hcc", ())) if role.sees_payment else (),
        decision=standing.get(code),
        findings=tuple(f for f in claim_findings if code in f.get("codes", ())),
    )


def _query(at: int, item: Mapping[str, Any], marks: _Marks, role: Role, last: QueryStep | None) -> QueryCard:
    anchor = f"query-{at}"
    quotes = marks.quotes(item["indicators"], anchor, "?")
    reference = item.get("reference", "")
    authors = (marks.notes[e["source"]].author for e in item["indicators"] if e["source"] in marks.notes)
    return QueryCard(
        anchor,
        item["title"],
        item["family"],
        item["question"],
        quotes,
        tuple(item["options"]),
        reference if role.may_read(reference) else "",
        id=item["id"],
        last=last,
        recipient=next((author for author in authors if author), ""),
    )


def _not_coded(at: int, item: Mapping[str, Any], marks: _Marks) -> NotCodedCard:
    anchor = f"left-{at}"
    reason = item["reason"]
    group = next((at for at, (start, _) in enumerate(_LEFT_OUT) if reason.startswith(start)), len(_LEFT_OUT))
    start, heading = _LEFT_OUT[group] if group < len(_LEFT_OUT) else ("", "For another reason")
    detail = "" if reason == start else reason
    return NotCodedCard(anchor, item["code"], item["display"], group, heading, detail, item.get("rule", ""), marks.quotes(item["evidence"], anchor, ""))


def _note(at: int, note: Note, marks: _Marks, chart: Chart, reasons: Mapping[str, str]) -> NoteView:
    anchor = f"note-{at}"
    excerpts = marks.excerpts(note.source)
    cut = lines(note.text, excerpts, [s.begin for s in note.sections])
    titles = ((number, line.segments[0].text.strip().rstrip(":").strip()) for number, line in enumerate(cut) if line.heading)
    headings = tuple((f"{anchor}-{number}", title) for number, title in titles if title)
    words = [_day(note.date), note.author, note.author_role if note.author_role and note.author_role != note.author else None]
    return NoteView(
        anchor=anchor,
        source=note.source,
        title=note.title or (note.type.label if note.type else "") or "Note",
        byline=" · ".join(w for w in words if w),
        lines=cut,
        headings=headings,
        excerpts=len(excerpts),
        changed=note.source in chart.changed,
        added=note.source in chart.added,
        skipped=reasons.get(note.source),
    )


def _around(text: str, begin: int, end: int) -> tuple[str, str]:
    """Return the words before and after an excerpt on its own line, cut at a word."""
    left = max(text.rfind("\n", 0, begin) + 1, begin - _CONTEXT)
    right_break = text.find("\n", end)
    right = min(right_break if right_break >= 0 else len(text), end + _CONTEXT)
    before, after = text[left:begin], text[end:right]
    if left > 0 and text[left - 1] != "\n" and " " in before:
        before = f"… {before.split(' ', 1)[1]}"
    if right < len(text) and text[right] != "\n" and " " in after:
        after = f"{after.rsplit(' ', 1)[0]} …"
    return before, after


def _day(moment: object) -> str | None:
    if isinstance(moment, datetime):
        return f"{moment:%Y-%m-%d}"
    return moment[:10] if isinstance(moment, str) else None
