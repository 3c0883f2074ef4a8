"""Sessions: sealed at rest, bound to a browser and a chart, ended in time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text

from smart_app.context import LaunchContext
from smart_app.database import open_database
from smart_app.errors import ConfigurationError, LaunchRefused, SessionLost
from smart_app.identity import Person
from smart_app.session import ChartSession, PendingLaunch, Sessions, cipher

PENDING = PendingLaunch("https://ehr.example.org/r4", "launch", "nonce", "verifier")


def chart(user: str = "Practitioner/7") -> ChartSession:
    """Return an open chart."""
    context = LaunchContext("p", "e", "launch", fhir_context=("DocumentReference/1",))
    return ChartSession("https://ehr.example.org/r4", context, "secret-token", 9e9, "secret-refresh", Person(user, "sub", "Ada"), "csrf", 0.0)


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine() -> Engine:
    """A database in memory."""
    return open_database("sqlite://")


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def sessions(engine: Engine, clock: Clock) -> Sessions:
    """A session store."""
    return Sessions(engine, cipher(None), minutes=60, clock=clock)


def test_a_chart_comes_back_as_it_was(sessions: Sessions) -> None:
    """Everything of a chart is kept, its context as well."""
    assert sessions.find(sessions.open(chart(), browser="b"), "b") == chart()


def test_nothing_stands_in_clear(sessions: Sessions, engine: Engine) -> None:
    """L14 tokens, patients, persons, states and browser ids: none is readable in the database."""
    sessions.open(chart(), browser="the-browser")
    sessions.begin(PENDING, state="the-state", browser="the-browser")
    with engine.connect() as db:
        told = str(db.execute(text("select * from smart_session")).all())
    for secret in ("secret-token", "secret-refresh", "Practitioner/7", "the-browser", "the-state", "verifier", "nonce", "ehr.example.org"):
        assert secret not in told


def test_a_chart_is_for_its_browser(sessions: Sessions) -> None:
    """L17 another browser, or none, doesn't find it."""
    chart_id = sessions.open(chart(), browser="b")
    for browser in ("c", ""):
        with pytest.raises(SessionLost):
            sessions.find(chart_id, browser)
        with pytest.raises(SessionLost):
            sessions.save(chart_id, browser, chart())
        sessions.end(chart_id, browser)
    assert sessions.find(chart_id, "b").access_token == "secret-token"


def test_a_state_is_taken_once_and_in_time(sessions: Sessions, clock: Clock) -> None:
    """L7 a state is good once, in its browser, for ten minutes."""
    sessions.begin(PENDING, state="s", browser="b")
    with pytest.raises(LaunchRefused):
        sessions.take("s", "c")
    assert sessions.take("s", "b") == PENDING
    with pytest.raises(LaunchRefused):
        sessions.take("s", "b")
    sessions.begin(PENDING, state="t", browser="b")
    clock.now += 601
    with pytest.raises(LaunchRefused):
        sessions.take("t", "b")


def test_a_state_is_no_chart_and_a_chart_no_state(sessions: Sessions) -> None:
    """The two kinds of rows can't be taken for each other."""
    sessions.begin(PENDING, state="s", browser="b")
    with pytest.raises(SessionLost):
        sessions.find("s", "b")
    with pytest.raises(LaunchRefused):
        sessions.take(sessions.open(chart(), browser="b"), "b")


def test_an_idle_chart_ends_and_a_used_one_goes_on_for_a_shift(sessions: Sessions, clock: Clock) -> None:
    """Sixty idle minutes end a chart; use keeps it open, twelve hours at most."""
    idle, used = sessions.open(chart(), browser="b"), sessions.open(chart(), browser="b")
    for _ in range(14):
        clock.now += 50 * 60
        sessions.find(used, "b")
    with pytest.raises(SessionLost):
        sessions.find(idle, "b")
    clock.now += 50 * 60
    with pytest.raises(SessionLost):
        sessions.find(used, "b")


def test_ended_rows_are_forgotten(sessions: Sessions, engine: Engine, clock: Clock) -> None:
    """What has ended is deleted with the next launch, not kept."""
    sessions.open(chart(), browser="b")
    clock.now += 3601
    sessions.begin(PENDING, state="s", browser="b")
    with engine.connect() as db:
        assert db.execute(text("select count(*) from smart_session")).scalar_one() == 1


def test_the_next_person_ends_the_last_ones_charts(sessions: Sessions) -> None:
    """A shared computer: another person's launch ends the open charts of this browser, one's own stay, other browsers' too."""
    mine, other_place = sessions.open(chart(), browser="b"), sessions.open(chart(), browser="c")
    again = sessions.open(chart(), browser="b")
    assert sessions.find(mine, "b")
    sessions.open(chart("Practitioner/8"), browser="b")
    for ended in (mine, again):
        with pytest.raises(SessionLost):
            sessions.find(ended, "b")
    assert sessions.find(other_place, "c")


def test_keys_are_rotated(engine: Engine) -> None:
    """MultiFernet: a new key in front seals, old ones still open, and after a rotation the old one can go."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    chart_id = Sessions(engine, cipher(old), minutes=60).open(chart(), browser="b")
    both = Sessions(engine, cipher(f"{new}, {old}"), minutes=60)
    assert both.find(chart_id, "b") == chart()
    assert both.rotate_keys() == 1
    assert Sessions(engine, cipher(new), minutes=60).find(chart_id, "b") == chart()
    with pytest.raises(SessionLost):
        Sessions(engine, cipher(old), minutes=60).find(chart_id, "b")


def test_a_wrong_key_is_named() -> None:
    """A session_key that is none stops the start with the way to make one."""
    with pytest.raises(ConfigurationError) as wrong:
        cipher("short")
    assert "Fernet.generate_key" in wrong.value.remedy


def test_a_chart_tells_nothing_in_a_traceback() -> None:
    """L14 the representation of a chart holds no token."""
    assert "secret" not in repr(chart())
    assert "secret" not in str(replace(chart(), review_id="r"))
