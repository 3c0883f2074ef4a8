"""The coding summary: which codes stand, in which order, with which indicators, and where each is in the EHR.

Pure: what was decided goes in, what the person sees, writes and exports comes out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.review.codeset import ICD10CM, CodeSet
from fhir_mappers.charges import is_charged
from fhir_mappers.record import EncounterRecord
from smart_app.arrangement import POA, Arrangement
from smart_app.charts import Document
from smart_app.decisions import REASONS, Action, Decision
from smart_app.outbox import Act, Item, State
from smart_app.review_facts import suggested

CLAIM = "claim"  # what the outbox calls the subject of a claim's draft
_EXTERNAL = re.compile(r"^[VWXY]")
_GROUPS = {"diagnosis": 0, "procedure": 1, "supply": 2}
_NOT_PRESENT = ("refuted", "entered-in-error")
_STATES = {
    State.WAITING: "not written yet, will be tried again",
    State.SENDING: "being written",
    State.SENT: "written",
    State.REFUSED: "refused by the EHR",
    State.CONFLICT: "changed in the EHR meanwhile",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One code that stands."""

    code: str
    system: str
    display: str
    kind: str  # "diagnosis" | "procedure" | "supply"
    decision: Decision
    suggested: str  # the code before
    poa: str
    sources: tuple[str, ...]  # resources that support it
    uncertain: bool  # every statement in the notes is made with uncertainty
    by_model: bool
    item: Item | None  # where it stands in the outbox
    in_chart: str | None  # "Condition/1": the visit's list has it without us
    warning: str
    units: int | None = None  # of a drug or supply

    @property
    def state(self) -> str:
        """Where it is, in one word: "new", "chart", or a state of the outbox."""
        if self.item is not None:
            return self.item.state.value
        return "chart" if self.in_chart else "new"

    @property
    def state_words(self) -> str:
        """Where it is, for a person."""
        if self.item is None:
            return "in the chart already" if self.in_chart else ""
        words = _STATES.get(self.item.state, "")
        if self.item.state is State.SENT and self.item.settled:
            return f"written {self.item.settled:%Y-%m-%d %H:%M} UTC"
        return f"{words}: {self.item.problem}" if self.item.problem else words


    @property
    def resource(self) -> str:
        """The chart's entry, "Condition/1", or "" where there is none."""
        return (self.item.location if self.item else None) or self.in_chart or ""

    @property
    def how(self) -> str:
        """How it came to stand."""
        match self.decision.action:
            case Action.CHANGE:
                return f"instead of {self.suggested}, {self.decision.who}"
            case Action.ADD:
                return f"added by {self.decision.who}"
            case _:
                return f"accepted by {self.decision.who}"


@dataclass(frozen=True, slots=True)
class Left:
    """A suggestion that a person rejected, and why."""

    code: str
    display: str
    decision: Decision

    @property
    def because(self) -> str:
        """The reason in words."""
        return REASONS.get(self.decision.reason or "", "No reason given")


@dataclass(frozen=True, slots=True)
class ClaimDraft:
    """The newest draft of a claim, and whether it says what the summary says."""

    item: Item
    current: bool

    @property
    def words(self) -> str:
        """Where it is, for a person."""
        at = f" {self.item.settled:%Y-%m-%d %H:%M} UTC" if self.item.state is State.SENT and self.item.settled else ""
        problem = f": {self.item.problem}" if self.item.problem else ""
        changed = "" if self.current else ". The summary has changed since."
        return f"Claim draft {_STATES.get(self.item.state, '')}{at}{problem}{changed}"


@dataclass(frozen=True, slots=True)
class Charges:
    """The drafts of charges: which the EHR has or is to get, which are missing, and which are of something that doesn't stand any more."""

    kept: tuple[Item, ...]
    missing: tuple[Entry, ...]
    surplus: tuple[Item, ...]
    taken_back: tuple[str, ...]  # codes

    def past(self, code: str) -> int:
        """Return how often the charge of a code was taken back before it is made again."""
        return self.taken_back.count(code)

    @property
    def todo(self) -> int:
        """How many are to be drafted, taken back or tried again."""
        return len(self.missing) + len(self.surplus) + sum(item.state is not State.SENT for item in self.kept)

    @property
    def words(self) -> str:
        """Where they are, for a person."""
        states = Counter(item.state for item in self.kept)
        told = [f"{number} {_STATES.get(state, state)}" for state, number in states.items()]
        told += [f"{len(self.missing)} not drafted yet"] if self.missing else []
        told += [f"{len(self.surplus)} to take back"] if self.surplus else []
        return f"Charges: {', '.join(told)}." if told else ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole summary."""

    entries: tuple[Entry, ...]
    left: tuple[Left, ...]
    undecided: int
    inpatient: bool
    arrangement: Arrangement
    stale: tuple[Item, ...]  # what we wrote and what doesn't stand any more
    waiting: int
    refused: int
    claim: ClaimDraft | None = None
    charges: Charges = field(default_factory=lambda: Charges((), (), (), ()))

    @property
    def diagnoses(self) -> tuple[Entry, ...]:
        """The diagnoses in their sequence."""
        return tuple(e for e in self.entries if e.kind == "diagnosis")

    @property
    def to_write(self) -> int:
        """How many entries of the chart would be made or taken back."""
        return sum(e.state not in (State.SENT, "chart") for e in self.diagnoses) + len(self.stale)

    @property
    def missing_poa(self) -> int:
        """How many diagnoses of a stay have no indicator yet."""
        return sum(not e.poa for e in self.diagnoses) if self.inpatient else 0


def build_sheet(
    document: Document,
    standing: Mapping[str, Decision],
    arrangement: Arrangement,
    items: Sequence[Item],
    record: EncounterRecord | None,
    release: CodeSet,
) -> Sheet:
    """Return the summary of an encounter; `record` is the chart as it is now, None where it isn't at hand."""
    inpatient = document.get("setting") == "inpatient"
    written, stale = _written(items)
    present = _present(record)
    offers = {item["code"]: (anchor.partition("-")[0], item) for anchor, item in suggested(document)}
    entries: dict[str, Entry] = {}
    left = []
    for code, decision in standing.items():
        kind, offer = offers.get(code, ("diagnosis", {}))
        title = str(offer.get("display") or release.title(code))
        if decision.action is Action.REJECT:
            left.append(Left(code, title, decision))
            continue
        after = decision.after or code
        by_model = bool(offer) and decision.action is not Action.ADD
        system = str(offer.get("system", ICD10CM))
        display = title if after == code else next((a["display"] for a in offer.get("alternatives", ()) if a["code"] == after), release.title(after) or title)
        standing_item = written.get(after)
        entries.setdefault(
            after,
            Entry(
                code=after,
                system=system,
                display=str(display),
                kind=kind,
                decision=decision,
                suggested=code,
                poa=_poa(arrangement.poa.get(after), offer) if inpatient else "",
                sources=tuple(dict.fromkeys(str(e["source"]) for e in offer.get("evidence", ()))),
                uncertain=_uncertain(offer),
                by_model=by_model,
                item=standing_item,
                in_chart=present.get(after),
                warning="",
                units=offer.get("units"),
            ),
        )
    ordered = _ordered(entries, arrangement, document)
    stands = {e.code for e in ordered if e.kind == "diagnosis"}
    gone = tuple(item for item in stale + tuple(written.values()) if item.subject not in stands or item in stale)
    return Sheet(
        entries=tuple(_warned(e, at, release) for at, e in enumerate(ordered)),
        left=tuple(left),
        undecided=sum(item["code"] not in standing for _, item in suggested(document)),
        inpatient=inpatient,
        arrangement=arrangement,
        stale=tuple(i for i in gone if i.state is State.SENT or i.act is Act.RETRACT),
        waiting=_waiting(items),
        refused=sum(i.state in (State.REFUSED, State.CONFLICT) for i in items if i.act is not Act.PROVENANCE),
        claim=_claim(items, ordered),
        charges=_charges(items, ordered),
    )


def told_sheet(sheet: Sheet, *, payment: bool) -> dict[str, object]:
    """Return the summary as the page's script takes it; the claim's draft only for who sees `payment`."""
    claim = sheet.claim
    drafted = {"state": claim.item.state, "words": claim.words, "current": claim.current} if claim else {}
    charged = {"words": sheet.charges.words, "todo": sheet.charges.todo}
    return ({"claim": drafted, "charges": charged} if payment else {}) | {
        "arrangement": sheet.arrangement.id,
        "entries": [
            {
                "code": e.code,
                "display": e.display,
                "kind": e.kind,
                "poa": e.poa,
                "who": e.decision.who,
                "how": e.how,
                "state": e.state,
                "stateWords": e.state_words,
                "suggested": e.suggested,
                "resource": e.resource,
                "warning": e.warning,
            }
            for e in sheet.entries
        ],
        "left": [{"code": x.code, "display": x.display, "because": x.because, "who": x.decision.who} for x in sheet.left],
        "undecided": sheet.undecided,
        "toWrite": sheet.to_write,
        "waiting": sheet.waiting,
        "refused": sheet.refused,
        "missingPoa": sheet.missing_poa,
    }


def _written(items: Sequence[Item]) -> tuple[dict[str, Item], tuple[Item, ...]]:
    """Return, for each code, the entry that we made or want to make; and retractions that are not through yet."""
    made: dict[str, Item] = {}
    open_retractions: dict[str, Item] = {}
    for item in items:
        if item.state is State.DROPPED:
            continue
        if item.act is Act.CREATE:
            made[item.subject] = item
        elif item.act is Act.RETRACT:
            if item.state is State.SENT:
                open_retractions.pop(item.subject, None)
            else:
                open_retractions[item.subject] = item
            if item.subject in made and made[item.subject].identity == item.identity:
                del made[item.subject]
    return made, tuple(open_retractions.values())


def _claim(items: Sequence[Item], entries: Sequence[Entry]) -> ClaimDraft | None:
    last = next((i for i in reversed(items) if i.act is Act.CLAIM and i.state is not State.DROPPED), None)
    if last is None:
        return None
    said = [(d["diagnosisCodeableConcept"], d.get("onAdmission")) for d in last.body["diagnosis"]]
    said += [(s.get("procedureCodeableConcept") or s["productOrService"], None) for s in (*last.body.get("procedure", ()), *last.body.get("item", ()))]
    drafted = [(concept["coding"][0]["code"], poa["coding"][0]["code"] if poa else "") for concept, poa in said]
    # Procedures and other services stand in two lists of the claim, so their order doesn't count.
    kept = [(e.code, e.poa) for e in entries]
    diagnoses = sum(e.kind == "diagnosis" for e in entries)
    same = drafted[:diagnoses] == kept[:diagnoses] and sorted(drafted[diagnoses:]) == sorted(kept[diagnoses:])
    return ClaimDraft(last, same)


def _charges(items: Sequence[Item], entries: Sequence[Entry]) -> Charges:
    """Return the drafts of charges as they stand against the services of the summary."""
    made = {item.identity: item for item in items if item.act is Act.CHARGE and item.state is not State.DROPPED}
    gone = [item for item in items if item.act is Act.UNCHARGE and item.state is State.SENT]
    open_charges = [item for identity, item in made.items() if identity not in {item.identity for item in gone}]
    services = [e for e in entries if e.kind != "diagnosis" and is_charged(e.system)]
    units = {e.code: e.units or 1 for e in services}
    kept = tuple(item for item in open_charges if units.get(item.subject) == item.body["quantity"]["value"])
    return Charges(
        kept,
        tuple(e for e in services if e.code not in {item.subject for item in kept}),
        tuple(item for item in open_charges if item not in kept),
        tuple(item.subject for item in items if item in gone or (item.act is Act.CHARGE and item.state is State.DROPPED)),
    )


def _waiting(items: Sequence[Item]) -> int:
    """Return how many entries are on their way. A Provenance counts by itself only once what it is about is in the chart."""
    sent = {i.id for i in items if i.state is State.SENT}
    return sum(i.open and (i.act is not Act.PROVENANCE or i.after in sent) for i in items)


def _present(record: EncounterRecord | None) -> dict[str, str]:
    """Return the codes that the visit's list holds, with the entry of each."""
    found: dict[str, str] = {}
    for problem in record.problems if record else ():
        code = problem.concept.code_in(ICD10CM)
        if code and problem.category == "encounter-diagnosis" and problem.verification_status not in _NOT_PRESENT:
            found.setdefault(code, problem.source)
    return found


def _ordered(entries: Mapping[str, Entry], arrangement: Arrangement, document: Document) -> list[Entry]:
    arranged = {code: at for at, code in enumerate(arrangement.codes)}
    offered = {item["code"]: at for at, (_, item) in enumerate(suggested(document))}
    last = len(arranged) + len(offered)

    def place(entry: Entry) -> tuple[int, int, int, int]:
        at = arranged.get(entry.code)
        return _GROUPS.get(entry.kind, 0), int(at is None), at if at is not None else offered.get(entry.suggested, last), entry.decision.id

    return sorted(entries.values(), key=place)


def _warned(entry: Entry, at: int, release: CodeSet) -> Entry:
    """Return an entry with what is wrong with its place: some codes never stand first (conventions I.A.13, guideline I.C.20.a.6)."""
    if at or entry.kind != "diagnosis":
        return entry
    words = ""
    if release.is_manifestation(entry.code):
        words = "A manifestation can't stand first: the disease behind it does (convention I.A.13)."
    elif _EXTERNAL.match(entry.code):
        words = "An external cause can't stand first (guideline I.C.20.a.6)."
    return Entry(**{name: getattr(entry, name) for name in entry.__slots__} | {"warning": words}) if words else entry


def _poa(chosen: str | None, offer: Mapping[str, object]) -> str:
    if chosen is not None:
        return chosen
    given = offer.get("presentOnAdmission")
    return str(given) if given in POA else ""


def _uncertain(offer: Mapping[str, object]) -> bool:
    evidence = offer.get("evidence")
    said = [e.get("assertion") or {} for e in evidence if e.get("kind") == "note"] if isinstance(evidence, list) else []
    return bool(said) and all(a.get("certainty") == "possible" for a in said)
