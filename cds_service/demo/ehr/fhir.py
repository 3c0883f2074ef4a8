"""The EHR's own way to its FHIR server: plain reads, searches and writes on the loopback interface, without tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from cds_service.demo.errors import DemoError

Resource = dict[str, Any]

_JSON = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json"}
_PAGE = "200"
_TIMEOUT_S = 20


class Records:
    """Reads and writes of the EHR's records. Safe to share between threads: every call has its own connection."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def get(self, query: str) -> Resource:
        """Return the answer to a read ("Patient/1") or search ("Condition?patient=1"), a single page; raises DemoError."""
        return self._send("GET", query)

    def all(self, resource_type: str, **parameters: str) -> list[Resource]:
        """Return the matches of a search, at most one page of 200; raises DemoError."""
        answer = self._send("GET", resource_type, params={"_count": _PAGE} | {k.replace("_", "-"): v for k, v in parameters.items()})
        return [e["resource"] for e in answer.get("entry", []) if e["resource"]["resourceType"] == resource_type]

    def create(self, resource: Mapping[str, Any]) -> Resource:
        """Store a new resource; return it with its id. Raises DemoError with the server's reason."""
        return self._send("POST", str(resource["resourceType"]), json=dict(resource))

    def update(self, resource: Mapping[str, Any]) -> Resource:
        """Replace a resource; raises DemoError with the server's reason."""
        return self._send("PUT", f"{resource['resourceType']}/{resource['id']}", json=dict(resource))

    def _send(self, method: str, path: str, **more: Any) -> Resource:
        try:
            answer = requests.request(method, f"{self._base_url}/{path}", headers=_JSON, timeout=_TIMEOUT_S, **more)
            body = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError) as error:
            raise DemoError("The FHIR server doesn't answer.", "Start the demo again.") from error
        if not answer.ok:
            reasons = "; ".join(issue.get("diagnostics", issue.get("code", "")) for issue in body.get("issue", []))
            raise DemoError(f"The FHIR server refused ({answer.status_code}): {reasons}", "See the server's reason.", status=answer.status_code)
        return dict(body)
