"""Admission: a bounded number works, a bounded number waits in order, and everybody else is told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Client
from cds_service.errors import BusyError
from cds_service.serving.admission import Admission
from cds_service.web import create_app

SOON, LATER = 0.05, 60.0


def test_beyond_capacity_and_waiting_nobody_waits() -> None:
    """With one place and no waiting the second call is refused at once."""
    admission = Admission(1, 0)
    admission.enter(time.monotonic() + LATER)
    began = time.monotonic()
    with pytest.raises(BusyError):
        admission.enter(time.monotonic() + LATER)
    assert time.monotonic() - began < LATER / 2
    admission.leave()
    with admission.place(time.monotonic()):
        assert (admission.working, admission.refused) == (1, 1)
    assert admission.working == 0


def test_who_waits_too_long_is_refused_and_waits_no_more() -> None:
    """A wait ends at its time, and leaves no trace in the queue."""
    admission = Admission(1, 5)
    admission.enter(0)
    with pytest.raises(BusyError, match="No place came free"):
        admission.enter(time.monotonic() + SOON)
    assert (admission.waiting, admission.working) == (0, 1)


def test_who_waits_longest_comes_first() -> None:
    """In order of arrival, one for each place that comes free."""
    admission = Admission(1, 5)
    admission.enter(0)
    order: list[int] = []
    threads = []

    def wait(number: int) -> None:
        admission.enter(time.monotonic() + LATER)
        order.append(number)
        admission.leave()

    for number in range(4):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while admission.waiting <= number:
            time.sleep(0.001)
    admission.leave()
    for thread in threads:
        thread.join(LATER)
    assert order == [0, 1, 2, 3]
    assert admission.working == 0


@pytest.fixture
def full(make_application: Callable[..., Application]) -> Callable[..., tuple[Application, FlaskClient]]:
    """Makes an application whose only place is taken."""

    def make(**changes: object) -> tuple[Application, FlaskClient]:
        application = make_application(workers=1, waiting=0, **changes)
        application.admission.enter(0)
        return application, create_app(application).test_client()

    return make


def test_a_refused_hook_call_is_told_when_to_come_back(
    full: Callable[..., tuple[Application, FlaskClient]], hook_call: Callable[..., dict[str, object]]
) -> None:
    """503 as an OperationOutcome with Retry-After; counted; nothing is kept; the next call goes through."""
    application, client = full()
    answer = client.post("/cds-services/coding-review", json=hook_call())
    assert (answer.status_code, answer.headers["Retry-After"], answer.content_type) == (503, "1", "application/fhir+json")
    assert answer.json["issue"][0]["code"] == "throttled"
    assert application.audit.length() == 0
    assert 'marginalia_refused_total{answer="503"} 1.0' in client.get("/metrics").text
    application.admission.leave()
    assert client.post("/cds-services/coding-review", json=hook_call()).status_code == 200
    assert application.admission.working == 0


def test_a_client_may_choose_an_empty_answer_that_says_why(
    full: Callable[..., tuple[Application, FlaskClient]], hook_call: Callable[..., dict[str, object]]
) -> None:
    """`when_busy = "empty"`: 200 without cards, and the coverage tells that nothing was read."""
    _, client = full(clients=(Client("open", when_busy="empty"),))
    answer = client.post("/cds-services/coding-review", json=hook_call())
    assert (answer.status_code, answer.json["cards"]) == (200, [])
    told = answer.json["extension"]["org.marginalia.coverage"]
    assert told["notesRead"] == 0
    assert "Nothing was read" in told["warnings"][0]


def test_a_refused_review_of_the_api_is_a_problem(full: Callable[..., tuple[Application, FlaskClient]]) -> None:
    """503 as a JSON problem with Retry-After; operation's routes answer all the same."""
    _, client = full(api_budget_ms=4)
    answer = client.post("/api/v1/review", json={"text": "Assessment: COPD."})
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "busy", "1")
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_the_place_is_given_back_however_the_call_ends(make_application: Callable[..., Application], hook_call: Callable[..., dict[str, object]]) -> None:
    """A wrong body, an unknown service, a defect: no place is lost."""
    application = make_application(workers=1, waiting=0)
    client = create_app(application).test_client()
    assert client.post("/cds-services/coding-review", data="{").status_code == 400
    assert client.post("/cds-services/nothing", json=hook_call()).status_code == 404
    assert client.post("/api/v1/review", json={"text": ""}).status_code == 400
    assert application.admission.working == 0


def test_each_answer_has_a_name_that_a_caller_may_give(client: FlaskClient) -> None:
    """X-Request-Id comes back; one that could hold a sentence is replaced."""
    assert client.get("/healthz", headers={"X-Request-Id": "ehr-7.1"}).headers["X-Request-Id"] == "ehr-7.1"
    for bad in ("Jane Doe, born 1950", "x" * 65, "<b>", ""):
        assert client.get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad
