"""The form of a decision: from what the page sends to what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.errors import NoCodeSetInForce
from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.knowledge import Knowledge
from smart_app.charts import Document
from smart_app.decisions import REASONS, Action, Decision, Subject
from smart_app.errors import DecisionRefused
from smart_app.history import Place
from smart_app.review_facts import suggested


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form asks for, checked."""

    subject: Subject
    action: Action
    after: str | None
    reason: str | None
    seen: int | None  # the decision that the page showed
    anchor: str  # where the code stands on the page
    basis: str | None = None  # "query:<id>": the answer that led to a code added by hand


def read_wish(form: Mapping[str, str], document: Document, place: Place, standing: Mapping[str, Decision], knowledge: Knowledge) -> Wish:
    """Return what a form asks for; raises DecisionRefused that says what is wrong with it."""
    try:
        action = Action(form.get("action", ""))
    except ValueError as error:
        raise DecisionRefused("smart.action", "This action isn't known.", f"One of: {', '.join(Action)}.") from error
    reason = form.get("reason") or None
    if reason is not None and reason not in REASONS:
        raise DecisionRefused("smart.reason", "This reason isn't known.", "Choose one of the reasons of the page.")
    chosen, typed = (form.get(name, "").strip().upper() for name in ("after", "other"))
    if chosen and typed and action in (Action.CHANGE, Action.ADD):
        raise DecisionRefused("smart.two-codes", "Two codes were given.", "Choose one, or enter one.")
    typed = chosen or typed
    subject, anchor = _subject(action, typed if action is Action.ADD else form.get("code", ""), document, place, standing, knowledge)
    after = None
    if action is Action.CHANGE:
        after = _complete(release_of(knowledge, document), typed) if subject.system == ICD10CM else typed
        if not after:
            raise DecisionRefused("smart.after", "No code was given.", "Choose or enter the code that is right.")
        if after == subject.code:
            raise DecisionRefused("smart.same", "That is the suggested code itself.", "Accept it, or choose another.")
    seen = form.get("seen", "")
    return Wish(
        subject,
        action,
        after,
        reason if action in (Action.CHANGE, Action.REJECT) else None,
        int(seen) if seen.isascii() and seen.isdigit() else None,
        anchor,
        basis=_basis(form.get("basis", ""), document) if action is Action.ADD else None,
    )


def _basis(query: str, document: Document) -> str | None:
    return f"query:{query}" if any(q["id"] == query for q in document.get("queries", ())) else None


def release_of(knowledge: Knowledge, document: Document) -> CodeSet:
    """Return the ICD-10-CM release that a review was made with; raises NoCodeSetInForce."""
    version = next((c["version"] for c in document["codeSets"] if c["system"] == ICD10CM), "")
    for release in knowledge.code_sets:
        if release.system == ICD10CM and release.version == version:
            return release
    raise NoCodeSetInForce(f"The release {version} of ICD-10-CM isn't here any more.", "Run the review again.")


def told(decision: Decision | None) -> dict[str, object] | None:
    """Return a decision as the page's script takes it."""
    if decision is None:
        return None
    return {
        "id": decision.id,
        "action": decision.action,
        "after": decision.after,
        "reason": REASONS.get(decision.reason or ""),
        "who": decision.who,
        "at": decision.at.isoformat(timespec="minutes"),
    }


def _subject(
    action: Action, code: str, document: Document, place: Place, standing: Mapping[str, Decision], knowledge: Knowledge
) -> tuple[Subject, str]:
    if action is Action.ADD:
        code = _complete(release_of(knowledge, document), code)
    anchor, system = next(((a, item["system"]) for a, item in suggested(document) if item["code"] == code), ("", ICD10CM))
    if action is Action.ADD and (anchor or code in standing):
        raise DecisionRefused("smart.twice", f"The code {code} stands on the page already.", "Decide on it there.")
    if action not in (Action.ADD, Action.UNDO) and not anchor:
        raise DecisionRefused("smart.unknown-code", "The review suggests no such code.", "Load the page again.")
    if action is Action.UNDO and not anchor and code not in standing:
        raise DecisionRefused("smart.unknown-code", "The page shows no such code.", "Load the page again.")
    model = document["model"]
    subject = Subject(
        place=place,
        review_id=document["id"],
        code=code,
        system=system,
        model=f"{model['name']} {model['version']}",
        code_set=next((c["version"] for c in document["codeSets"] if c["system"] == system), ""),
    )
    return subject, anchor or "by-hand"


def _complete(release: CodeSet, code: str) -> str:
    dotted = code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
    if not release.is_billable(dotted):
        problem = "isn't complete: it has codes below it" if release.is_valid(dotted) else "doesn't exist in the release of this encounter's date"
        raise DecisionRefused("smart.after", f"The code {dotted[:12] or '(none)'} {problem}.", "Enter a complete ICD-10-CM code, such as E11.65.")
    return dotted
