"""What is audited of the app: the review made for a person, each time it is shown, and what the person decides."""

from __future__ import annotations

from pathlib import Path

from cds_service.audit.chain import links
from tests.integration.test_smart_write import WRITES, Desk
from tests.smart_ehr import Ehr
from tests.smart_stage import PATIENT, Stage, running_service


def test_opening_showing_and_deciding_are_audited(stage: Stage) -> None:
    """An answer for the person, then a reading for each time the page is shown, then the decision; each names person and patient."""
    browser = stage.browser()
    page = stage.open(browser)
    assert browser.get(page.url).status_code == 200
    assert browser.decide(page, "E11.22", "accept").status_code == 200
    with stage.store.engine.connect() as connection:
        told = [link.event for link in links(connection)]
    kinds = [event["kind"] for event in told]
    assert kinds[0] == "answer"
    assert kinds.count("answer") == 1
    assert "read" in kinds
    assert kinds.count("decision") == 1
    for event in told:
        assert (event["client"], event["patient"]) == ("smart", PATIENT)
        assert event["user"].startswith("Practitioner/")
    assert told[0]["details"]["inputs"]["notes"]
    assert stage.application.audit.verify().faults == ()


def test_what_is_written_to_the_ehr_is_audited(tmp_path: Path, ehr: Ehr) -> None:
    """Each resource that the EHR took, by its reference, with the person on whose word it was written."""
    with running_service(tmp_path, ehr, issuer={"writes": WRITES}) as stage:
        desk = Desk(stage)
        desk.decide("E11.22", "accept")
        desk.write()
        with stage.store.engine.connect() as connection:
            told = [link.event for link in links(connection, kind="write")]
    condition = next(event for event in told if event["subject"].startswith("Condition/"))
    assert (condition["user"], condition["patient"], condition["outcome"]) == ("Practitioner/7", PATIENT, "0")
    assert "E11" not in str(told)
