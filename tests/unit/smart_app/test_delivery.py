"""Writing over real HTTP to a server that misbehaves: what is taken as done, what as refused, and where the token goes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, request

from cds_service.config import Settings
from cds_service.outgoing import Outgoing
from smart_app.delivery import Answer, FhirWriter, Outcome
from tests.smart_ehr import Server

CONDITION = {"resourceType": "Condition", "code": {"text": "x"}}
BY_IDENTITY = {"identifier": "urn:ietf:rfc:3986|urn:uuid:6f1f4b9e-6a0e-5d7c-9b57-2f5f6b2b8f11"}


class Fhir:
    """A FHIR server that answers as it is told."""

    def __init__(self, server: Server) -> None:
        self.url = f"{server.url}/fhir"
        self.answer: tuple[Any, int, dict[str, str]] = ("", 201, {})
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        app = Flask("fhir")
        app.add_url_rule("/<path:path>", view_func=self._take, methods=["GET", "POST", "PUT"])
        server.app = app

    def _take(self, path: str) -> Response:
        self.seen.append((request.method, path, dict(request.headers)))
        body, status, headers = self.answer
        return Response(body, status=status, headers=headers, content_type="application/fhir+json")


@pytest.fixture
def fhir() -> Iterator[Fhir]:
    """The server."""
    with Server() as server:
        yield Fhir(server)


def writer_to(url: str, token: str = "t", outgoing: Outgoing | None = None) -> FhirWriter:
    """Return a writer on a session as the app's."""
    return FhirWriter(url, token, partial((outgoing or Outgoing(Settings())).to_chart, url), timeout_s=5)


def create(fhir: Fhir) -> Answer:
    """Create a Condition."""
    with writer_to(fhir.url, "secret-token") as writer:
        return writer.create(CONDITION, BY_IDENTITY)


@pytest.mark.parametrize(
    ("answer", "location", "etag"),
    [
        (("", 201, {"Location": "http://x/fhir/Condition/9/_history/3", "ETag": 'W/"3"'}), "Condition/9", 'W/"3"'),
        (("", 201, {"Location": "Condition/9/_history/3"}), "Condition/9", 'W/"3"'),
        (('{"resourceType": "Condition", "id": "9", "meta": {"versionId": "2"}}', 200, {}), "Condition/9", 'W/"2"'),
        (('{"resourceType": "Condition", "id": "9"}', 201, {"ETag": "<script>"}), "Condition/9", None),
    ],
)
def test_where_the_entry_is_and_in_which_version(fhir: Fhir, answer: tuple[Any, int, dict[str, str]], location: str, etag: str | None) -> None:
    """Location or body name the entry; an ETag that is none is not kept."""
    fhir.answer = answer
    assert create(fhir) == Answer(Outcome.DONE, None, location, etag)
    method, path, headers = fhir.seen[0]
    assert (method, path) == ("POST", "fhir/Condition")
    assert headers["If-None-Exist"] == "identifier=urn:ietf:rfc:3986|urn:uuid:6f1f4b9e-6a0e-5d7c-9b57-2f5f6b2b8f11"
    assert headers["Authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.REFUSED), (401, Outcome.ENDED), (403, Outcome.REFUSED), (404, Outcome.REFUSED), (405, Outcome.REFUSED), (409, Outcome.CONFLICT),
        (412, Outcome.CONFLICT), (422, Outcome.REFUSED), (429, Outcome.LATER), (500, Outcome.LATER), (501, Outcome.REFUSED), (503, Outcome.LATER),
    ],
)  # fmt: skip
def test_what_a_status_means(fhir: Fhir, status: int, outcome: Outcome) -> None:
    """Refusals aren't tried again by themselves, failures are; the server's own words, which may name the patient, are not told."""
    fhir.answer = ('{"resourceType": "OperationOutcome", "issue": [{"diagnostics": "Amalia Testwood"}]}', status, {})
    answer = create(fhir)
    assert answer.outcome is outcome
    assert "Amalia" not in (answer.problem or "")


def test_the_token_goes_nowhere_else(fhir: Fhir) -> None:
    """L15: a redirect is not followed, not even to another path; who answers so refuses."""
    fhir.answer = ("", 307, {"Location": f"{fhir.url}/Elsewhere"})
    assert create(fhir).outcome is Outcome.REFUSED
    assert [path for _, path, _ in fhir.seen] == ["fhir/Condition"]


def test_an_answer_that_says_nothing_is_asked_after(fhir: Fhir) -> None:
    """201 without any place: it may be there; a retry finds out."""
    assert create(fhir).outcome is Outcome.LATER


def test_a_server_that_is_away_is_for_later() -> None:
    """Nobody listens: tried again, nothing lost."""
    with Server() as server:
        url = f"{server.url}/fhir"
    with writer_to(url) as writer:
        assert writer.create(CONDITION, BY_IDENTITY).outcome is Outcome.LATER
        assert writer.find("Condition", BY_IDENTITY) is None
        assert writer.read("Condition/1")[1].outcome is Outcome.LATER


def test_an_update_names_the_version_it_replaces(fhir: Fhir) -> None:
    """RFC 9110, 13.1.1: If-Match with the ETag; without one the server decides."""
    fhir.answer = ("", 200, {"ETag": 'W/"4"'})
    with writer_to(fhir.url) as writer:
        assert writer.update("Condition/9", CONDITION, 'W/"3"') == Answer(Outcome.DONE, None, "Condition/9", 'W/"4"')
        writer.update("Condition/9", CONDITION, None)
    assert [headers.get("If-Match") for _, _, headers in fhir.seen] == ['W/"3"', None]
