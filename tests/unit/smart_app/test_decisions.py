"""Decisions: a history that is never overwritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier

import pytest

from smart_app.database import open_database
from smart_app.decisions import Action, Decisions, Subject
from smart_app.errors import DecisionConflict
from smart_app.history import Actor, Place

HERE = Place("default", "Patient/p", "Encounter/e")
SUBJECT = Subject(HERE, "review-1", "E11.9", "icd", "model 1", "2026-04-01")
ADA, BO = Actor("Practitioner/7", "Ada", "coder"), Actor("Practitioner/8", None, "clinician")


@pytest.fixture
def decisions() -> Decisions:
    """An empty table, and a clock off UTC that goes on by a minute."""
    moments = iter(datetime(2026, 3, 2, 23, 30, tzinfo=UTC) + timedelta(minutes=n) for n in range(100))
    zone = timedelta(hours=-7)
    return Decisions(open_database("sqlite://"), clock=lambda: next(moments).astimezone(timezone(zone)))


def test_the_last_decision_stands_and_all_are_kept(decisions: Decisions) -> None:
    """Accept, then change: the change stands, both are in the history, in UTC."""
    decisions.record(SUBJECT, Action.ACCEPT, ADA)
    decisions.record(SUBJECT, Action.CHANGE, BO, after="E11.65")
    assert decisions.standing(HERE)["E11.9"].after == "E11.65"
    history = decisions.history(HERE)
    assert [(d.action, d.after, d.who) for d in history] == [(Action.ACCEPT, "E11.9", "Ada"), (Action.CHANGE, "E11.65", "Practitioner/8")]
    assert history[0].at == datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def test_undo_goes_back_one_step_at_a_time(decisions: Decisions) -> None:
    """Undo takes back the decision that stands; a second one the decision before; a third has nothing to take back."""
    decisions.record(SUBJECT, Action.ACCEPT, ADA)
    decisions.record(SUBJECT, Action.REJECT, ADA, reason="other")
    undo = decisions.record(SUBJECT, Action.UNDO, ADA)
    assert undo.takes_back == 2
    assert decisions.standing(HERE)["E11.9"].action is Action.ACCEPT
    decisions.record(SUBJECT, Action.UNDO, ADA)
    assert decisions.standing(HERE) == {}
    with pytest.raises(DecisionConflict):
        decisions.record(SUBJECT, Action.UNDO, ADA)
    assert len(decisions.history(HERE)) == 4


def test_who_saw_an_older_state_is_told(decisions: Decisions) -> None:
    """`seen` is what the page showed: a newer decision by another person is a conflict that names them."""
    first = decisions.record(SUBJECT, Action.ACCEPT, ADA, seen=0)
    with pytest.raises(DecisionConflict) as conflict:
        decisions.record(SUBJECT, Action.REJECT, BO, seen=0)
    assert "Ada" in conflict.value.message
    decisions.record(SUBJECT, Action.UNDO, ADA, seen=first.id)
    with pytest.raises(DecisionConflict, match="taken back"):
        decisions.record(SUBJECT, Action.REJECT, BO, seen=first.id)


def test_tenants_patients_and_encounters_are_apart(decisions: Decisions) -> None:
    """A decision belongs to one encounter of one patient of one tenant; it stands whichever review of it is looked at."""
    decisions.record(SUBJECT, Action.ACCEPT, ADA)
    decisions.record(replace(SUBJECT, review_id="review-2", code="I10"), Action.REJECT, ADA)
    assert set(decisions.standing(HERE)) == {"E11.9", "I10"}
    assert decisions.standing(Place("other", "Patient/p", "Encounter/e")) == {}
    assert decisions.standing(Place("default", "Patient/q", "Encounter/e")) == {}
    assert decisions.standing(Place("default", "Patient/p", "Encounter/f")) == {}
    assert decisions.standing(Place("default", "Patient/p", None)) == {}


def test_a_patient_without_encounter_has_decisions_of_its_own(decisions: Decisions) -> None:
    """Where no encounter is in context, decisions are the patient's."""
    decisions.record(replace(SUBJECT, place=Place("default", "Patient/p", None)), Action.ADD, ADA)
    assert decisions.standing(Place("default", "Patient/p", None))["E11.9"].after == "E11.9"


def test_of_two_in_the_same_moment_one_is_told(tmp_path: Path) -> None:
    """Ten people decide on the same code at once, all having seen it open: one decision stands, the others learn of it."""
    decisions = Decisions(open_database(f"sqlite:///{tmp_path / 'd.sqlite'}"))
    together = Barrier(10)

    def decide(number: int) -> bool:
        together.wait()
        try:
            decisions.record(SUBJECT, Action.ACCEPT, replace(ADA, user=f"Practitioner/{number}"), seen=0)
        except DecisionConflict:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(decide, range(10))) == 1
    assert len(decisions.history(HERE)) == 1
