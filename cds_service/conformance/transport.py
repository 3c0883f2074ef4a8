"""Lines T and D: transport, JSON, discovery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cds_service.conformance.checklist import Level, empties, line
from cds_service.conformance.stage import Stage
from cds_service.simulate import UNSIGNED

_REQUIRED = ("hook", "description", "id")


@line("T1", Level.SHALL, "HTTPS in production")
def https(stage: Stage) -> Iterator[str]:
    """Plain http is for this machine only."""
    if not stage.https and not stage.on_this_machine:
        yield "the service is called over plain http, and it isn't on this machine"


@line("T2", Level.SHALL, "JSON bodies; embedded FHIR is standard FHIR JSON")
def json_bodies(stage: Stage) -> Iterator[str]:
    """Both kinds of answers are JSON, and what suggestions carry are resources."""
    for name, answer in [("discovery", stage.ehr.discovery()), *stage.answers()]:
        if "json" not in answer.headers.get("Content-Type", "") or not isinstance(answer.json, dict):
            yield f"{name}: {answer.headers.get('Content-Type', 'no Content-Type')} is no JSON object"
    for id, answer in stage.answers():
        for card in answer.cards:
            for suggestion in card.get("suggestions") or []:
                for action in suggestion.get("actions") or []:
                    if "resource" in action and not isinstance((action["resource"] or {}).get("resourceType"), str):
                        yield f"{id}: an action's resource has no resourceType"


@line("T3", Level.SHALL, "No null, empty string, list or object in responses except cards: []")
def no_empties(stage: Stage) -> Iterator[str]:
    """Unset optional fields are left out."""
    for name, answer in [("discovery", stage.ehr.discovery()), *stage.answers()]:
        yield from (f"{name}: {path}" for path in empties(answer.json) if path not in ("$.cards", "$.services"))


@line("D1", Level.SHALL, 'GET {base}/cds-services answers 200 {"services": [...]}')
def discovery(stage: Stage) -> Iterator[str]:
    """An empty array is allowed."""
    answer = stage.ehr.discovery()
    if answer.status != 200 or not isinstance(answer.json, dict) or not isinstance(answer.json.get("services"), list):
        yield f"status {answer.status}, no list of services"


@line("D2", Level.SHALL, "Each service has hook, description and id; prefetch maps strings to strings")
def members(stage: Stage) -> Iterator[str]:
    """Title and usageRequirements are strings where they are there."""
    for at, service in enumerate(stage.ehr.services()):
        name = service.get("id", f"services[{at}]")
        yield from (f"{name}: {m} is no string" for m in _REQUIRED if not isinstance(service.get(m), str) or not service[m])
        yield from (f"{name}: {m} is no string" for m in ("title", "usageRequirements") if m in service and not isinstance(service[m], str))
        prefetch = service.get("prefetch", {})
        if not isinstance(prefetch, dict) or not all(isinstance(v, str) for v in prefetch.values()):
            yield f"{name}: prefetch is no map of strings"


@line("D2a", Level.SHOULD, "Each service has a title")
def titles(stage: Stage) -> Iterator[str]:
    """A title is recommended."""
    yield from (f"{s['id']} has no title" for s in stage.services() if not s.get("title"))


@line("D3", Level.SHOULD, "version and hookVersion are told (3.0)")
def versions(stage: Stage) -> Iterator[str]:
    """Version of the specification, and of the published hook."""
    for service in stage.services():
        yield from (f"{service['id']} has no {m}" for m in ("version", "hookVersion") if not isinstance(service.get(m), str))


@line("D4", Level.SHALL, "An id stands once for a hook")
def ids(stage: Stage) -> Iterator[str]:
    """The same id on several hooks is legal, twice for one hook it isn't."""
    counted = Counter((s["id"], s["hook"]) for s in stage.services())
    yield from (f"{id} is there {number} times for {hook}" for (id, hook), number in counted.items() if number > 1)


@line("D5", Level.SHALL, "Client authentication applies to discovery too")
def discovery_is_closed(stage: Stage) -> Iterator[str]:
    """Without a token, discovery is refused where calls are signed."""
    stage.signed()
    status = stage.ehr.send("GET", "/cds-services", token=UNSIGNED).status
    if status != 401:
        yield f"discovery without a token answers {status}"
