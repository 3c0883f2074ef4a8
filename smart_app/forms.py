"""The form of a decision: from what the page sends to what is recorded."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.errors import NoCodeSetInForce
from cds_service.review.codeset import ICD10CM
from cds_service.review.knowledge import Knowledge
from smart_app.charts import Document
from smart_app.decisions import REASONS, Action, Decision, Subject
from smart_app.errors import DecisionRefused


def subject_of(document: Document, tenant: str, code: str) -> tuple[Subject, str]:
    """Return what is decided and its anchor on the page; raises DecisionRefused where the review suggests no such code."""
    for kind, name in (("diagnosis", "diagnoses"), ("procedure", "procedures"), ("supply", "supplies")):
        for at, item in enumerate(document.get(name, ())):
            if item["code"] == code:
                model = document["model"]
                code_set = next((c["version"] for c in document["codeSets"] if c["system"] == item["system"]), "")
                subject = Subject(
                    tenant=tenant,
                    review_id=document["id"],
                    patient=document["patient"],
                    encounter=document.get("encounter"),
                    code=code,
                    system=item["system"],
                    model=f"{model['name']} {model['version']}",
                    code_set=code_set,
                )
                return subject, f"{kind}-{at}"
    raise DecisionRefused("smart.unknown-code", "The review suggests no such code.", "Load the page again.")


def read_wish(form: Mapping[str, str], subject: Subject, document: Document, knowledge: Knowledge) -> tuple[Action, str | None, str | None]:
    """Return action, code after it and reason of the form; raises DecisionRefused."""
    try:
        action = Action(form.get("action", ""))
    except ValueError as error:
        raise DecisionRefused("smart.action", "This action isn't known.", f"One of: {', '.join(Action)}.") from error
    reason = form.get("reason") or None
    if reason is not None and reason not in REASONS:
        raise DecisionRefused("smart.reason", "This reason isn't known.", "Choose one of the reasons of the page.")
    if action is not Action.CHANGE:
        return action, None, reason if action is Action.REJECT else None
    after = (form.get("other") or form.get("after") or "").strip().upper()
    if subject.system == ICD10CM:
        after = _valid(knowledge, document, after)
    elif not after:
        raise DecisionRefused("smart.after", "No code was given.", "Choose or enter the code that is right.")
    if after == subject.code:
        raise DecisionRefused("smart.same", "That is the suggested code itself.", "Accept it, or choose another.")
    return action, after, reason


def _valid(knowledge: Knowledge, document: Document, code: str) -> str:
    dotted = code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
    version = next((c["version"] for c in document["codeSets"] if c["system"] == ICD10CM), "")
    release = next((r for r in knowledge.code_sets if r.system == ICD10CM and r.version == version), None)
    if release is None:
        raise NoCodeSetInForce(f"The release {version} of ICD-10-CM isn't here any more.", "Run the review again.")
    if not release.is_billable(dotted):
        problem = "isn't complete: it has codes below it" if release.is_valid(dotted) else "doesn't exist in the release of this encounter's date"
        raise DecisionRefused("smart.after", f"The code {dotted[:12] or '(none)'} {problem}.", "Enter a complete ICD-10-CM code, such as E11.65.")
    return dotted


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
