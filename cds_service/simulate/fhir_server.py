"""A small FHIR server on this machine that serves one chart, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cds_service.simulate.chart import Chart, searchset


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path below the base, its query, and the Authorization header."""

    path: str
    query: str
    authorization: str


@dataclass
class FhirServer:
    """Serves a chart at `url` to whoever has the token. Use it in a `with` block. `page_size` 1 makes every search have pages."""

    chart: Chart
    token: str = "simulated-access-token"  # noqa: S105 - of an invented patient
    port: int = 0
    page_size: int = 0
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> FhirServer:
        """Start to serve."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            """Answers reads and searches."""

            def do_GET(self) -> None:
                """Answer."""
                status, body = owner.answer(self.path, self.headers.get("Authorization", ""))
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulated-fhir", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/r4"

    def authorization(self) -> dict[str, Any]:
        """Return `fhirAuthorization` for this chart."""
        told = {"access_token": self.token, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds-service"}
        return told | {"patient": self.chart.patient_id}

    def answer(self, target: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/r4/")
        self.asked.append(Asked(path, parts.query, authorization))
        if authorization != f"Bearer {self.token}":
            return 401, _outcome("login")
        resource_type, _, resource_id = path.partition("/")
        if resource_id:
            found = self.chart.read(resource_type, resource_id)
            return (200, dict(found)) if found is not None else (404, _outcome("not-found"))
        parameters = parse_qsl(parts.query)
        page = int(next((v for n, v in parameters if n == "_page"), "0"))
        matches = self.chart.search(resource_type, [(n, v) for n, v in parameters if n != "_page"])
        if matches is None:
            return 400, _outcome("not-supported")
        if not self.page_size:
            return 200, searchset(matches)
        rest = matches[page * self.page_size :]
        plain = "&".join(p for p in parts.query.split("&") if not p.startswith("_page="))
        following = f"{self.url}/{resource_type}?{plain}&_page={page + 1}" if len(rest) > self.page_size else ""
        return 200, searchset(rest[: self.page_size], following)


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
