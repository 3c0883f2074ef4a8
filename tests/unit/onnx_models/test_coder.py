"""The engine as a whole, on its committed artefacts."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnx_models import ArtefactError, NoteCoder, NoteReading, Polarity
from onnx_models.training.terms import TabularList

NOTE = """HISTORY OF PRESENT ILLNESS
Ms. Sample is seen for follow-up of type 2 diabetes. She denies chest pain. Her mother had breast cancer.

ASSESSMENT AND PLAN
1. Type 2 diabetes with polyneuropathy. Continue metformin 1000 mg bid.
2. Hypertension. Increase lisinopril to 20 mg.
3. Left knee osteoarthritis. Refer to physical therapy.
"""


@pytest.fixture(scope="module")
def coder() -> NoteCoder:
    """The committed engine."""
    return NoteCoder.load()


def best(reading: NoteReading) -> dict[str, float]:
    """Return the score of every candidate code."""
    return {c.code: c.score for m in reading.mentions for c in m.candidates}


def test_every_complete_code_can_be_a_candidate(coder: NoteCoder) -> None:
    """No code of the classification is out of the engine's reach: each is a concept, or has a stem that is one."""
    tabular = TabularList()
    assert [c for c in sorted(tabular.billable) if coder.concepts.row(tabular.stem(c)) is None] == []


def test_a_visit_note_is_read(coder: NoteCoder) -> None:
    """What the assessment names is found with the words that name it; denied and relatives' conditions are so marked."""
    reading = coder.read(NOTE)
    scores = best(reading)
    assert {"E11.42", "I10", "M17.12"} <= {code for code, p in scores.items() if p > 0.3}
    denied = [m for m in reading.mentions if m.text == "chest pain"]
    assert all(m.assertion.polarity is Polarity.NEGATED for m in denied)
    assert all(not m.assertion.is_asserted for m in reading.mentions if "breast" in m.text)


@given(text=st.text(alphabet=st.sampled_from("aCdDeéhiknopPrst ,.:;\n-•0239\u200f"), max_size=120))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mentions_are_slices_of_the_text(coder: NoteCoder, text: str) -> None:
    """Whatever the text, a mention is exactly the words at its offsets, inside its sentence."""
    for mention in coder.read(text).mentions:
        assert text[mention.begin : mention.end] == mention.text
        assert mention.sentence.begin <= mention.begin < mention.end <= mention.sentence.end


def test_spanish_is_said_and_not_guessed(coder: NoteCoder) -> None:
    """A note in another language has no mentions."""
    reading = coder.read("El paciente de 54 años acude a urgencias por dolor torácico opresivo de dos horas de evolución con sudoración profusa y náuseas.")
    assert (reading.language, reading.mentions) == ("es", ())


def test_past_the_deadline_the_names_are_still_read(coder: NoteCoder) -> None:
    """The encoder stops at the deadline and says what it left; known names don't depend on it."""
    coder.encoder.clear()
    reading = coder.read(NOTE, deadline=time.monotonic() - 1)
    assert {"assessment_plan", "hpi"} <= {s.kind for s in reading.unread}
    assert "I10" in best(reading)


def test_threads_share_one_engine(coder: NoteCoder) -> None:
    """The same note gives the same reading from any thread."""
    texts = [NOTE, NOTE.replace("Left", "Right"), "Acute bronchitis.", "Fall with left wrist fracture."] * 3
    alone = [best(coder.read(t)) for t in texts]
    with ThreadPoolExecutor(4) as pool:
        assert [best(r) for r in pool.map(coder.read, texts)] == alone


def test_reasons_are_those_of_the_model(coder: NoteCoder) -> None:
    """Each accepted code says which groups of features moved it, the strongest first."""
    reasons = next(c.why for m in coder.read(NOTE).mentions for c in m.candidates if c.code == "E11.42")
    assert reasons
    assert [abs(r.weight) for r in reasons] == sorted((abs(r.weight) for r in reasons), reverse=True)


def test_a_changed_artefact_is_refused(tmp_path: Path) -> None:
    """A file that the manifest doesn't know never serves."""
    folder = tmp_path / "artefacts"
    shutil.copytree(Path(str(resources.files("onnx_models") / "artefacts")), folder)
    (folder / "concepts.tsv").write_text("E11.9\t\t\t\t0\t0\n")
    with pytest.raises(ArtefactError, match=r"concepts\.tsv"):
        NoteCoder.load(folder)
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        NoteCoder.load(tmp_path)
