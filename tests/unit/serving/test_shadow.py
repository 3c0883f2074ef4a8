"""Shadow mode: another model is compared on live calls, and changes nothing that anybody sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.errors import ConfigurationError
from cds_service.serving.shadow import Shadow
from cds_service.store import ReviewStore
from cds_service.web import create_app
from onnx_models import NoteReading
from tests.smart_stage import ScriptedCoder

CURRENT = ScriptedCoder()
FEWER = ScriptedCoder(script=tuple(entry for entry in CURRENT.script if "pulmonary embolism" not in entry[0] and "kidney" not in entry[0].lower()))
TEXT = "Assessment: Essential hypertension. T2DM. Chronic kidney disease stage 3a."
PATIENCE_S = 120.0


class Failing(ScriptedCoder):
    """An engine that fails."""

    def read(self, text: str, **_: Any) -> NoteReading:
        """Fail, with the note in the words of the error."""
        raise RuntimeError(text)


def answered(application: Application, shadow: ScriptedCoder | None, name: str) -> tuple[Application, dict[str, Any], str]:
    """Return the application with this shadow, its answer without what is new each time, and its metrics once all was compared."""
    settings = Settings(database_url="sqlite://", open=True)
    made = Application(settings, CURRENT, application.knowledge, ReviewStore("sqlite://"), shadow=shadow)
    client = create_app(made).test_client()
    review = client.post("/api/v1/review", json={"text": TEXT, "encounterDate": "2026-03-01"}).json
    end = time.monotonic() + PATIENCE_S
    while shadow and not made.shadow.counts["reviews"] + made.shadow.counts["failed"]:  # type: ignore[union-attr]
        assert time.monotonic() < end, name
        time.sleep(0.01)
    return made, {k: v for k, v in review.items() if k not in ("id", "created", "timingMs")}, client.get("/metrics").text


def test_a_shadow_is_counted_and_not_shown(application: Application) -> None:
    """The answer is the same as without it; the counters tell what both found, and what only one did; one answer is audited."""
    plain, alone, metrics = answered(application, None, "alone")
    assert "marginalia_shadow" not in metrics
    both, beside, metrics = answered(application, FEWER, "beside")
    assert beside == alone
    assert "marginalia_shadow_reviews 1.0" in metrics
    counts = both.shadow.counts  # type: ignore[union-attr]
    assert counts["same"] + counts["only_current"] == len(alone["diagnoses"])
    assert counts["only_current"] > 0
    assert both.audit.length() == 1
    for each in (plain, both):
        each.close()


def test_a_failing_shadow_disturbs_nobody(application: Application, caplog: pytest.LogCaptureFixture) -> None:
    """The answer stands; the failure is counted and logged without the words of the note."""
    made, answer, metrics = answered(application, Failing(), "failing")
    assert answer["diagnoses"]
    assert "marginalia_shadow_failed 1.0" in metrics
    assert "hypertension" not in caplog.text
    made.close()


def test_a_folder_that_is_none_is_named() -> None:
    """A wrong path stops the start with the name of the setting."""
    with pytest.raises(ConfigurationError, match="shadow_model"):
        Settings.load(environ={"MARGINALIA_SHADOW_MODEL": "/nowhere"})


def test_too_many_waiting_are_let_go(make_application: Callable[..., Application]) -> None:
    """Charts wait in memory, so their number is bounded; what is let go is counted."""
    made = make_application()
    gate = threading.Event()
    shadow = Shadow(lambda record: made.reviewer.review(record), gate.wait)
    for _ in range(12):
        shadow.compare(None, None)  # type: ignore[arg-type]
    assert shadow.counts["skipped"] == 4
    gate.set()
    shadow.close()


def test_a_chart_after_the_end_is_let_go() -> None:
    """A call in progress at the end of the process is answered, though nothing is compared any more."""
    shadow = Shadow(lambda _: pytest.fail("compared"), lambda: None)
    shadow.close()
    for _ in range(20):
        shadow.compare(None, None)  # type: ignore[arg-type]
    assert shadow.counts["skipped"] == 0
