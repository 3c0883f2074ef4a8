"""The learned score: only from the tenant's own remittances, never from too few, with what it was learned from, for coders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.application import Reviewer
from cds_service.codesets import AtHand
from cds_service.denials import DenialShelf, Matched, matched, remitted_claims
from cds_service.denials.command import denials
from cds_service.denials.training import LEAST_CLAIMS, TooLittleError, fitted
from cds_service.errors import NotFoundError, RuleError
from cds_service.review import CodingReview, Knowledge
from cds_service.review.claims import LearnedDenials
from cds_service.review.document import to_document
from cds_service.store import ReviewStore
from fhir_mappers.record import EncounterRecord
from onnx_models.reading import NoteReading
from tests.unit.denials.remittances import Paid, decided, segments, written
from tests.unit.review.conftest import note, of, reading, record

TODAY = date(2026, 3, 2)
run = CliRunner().invoke


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    """All tables, read once."""
    return Knowledge.load()


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Matched:
    """Six hundred claims of which the findings tell something."""
    paid, reviews = decided(600)
    return matched(remitted_claims(written(tmp_path_factory.mktemp("r") / "a.835", segments(paid))), reviews)


@pytest.fixture(scope="module")
def learned(claims: Matched) -> LearnedDenials:
    """What they teach."""
    return fitted(claims, version="v1", today=TODAY)


def test_the_score_is_what_the_claims_show(learned: LearnedDenials) -> None:
    """Two of three claims with an Excludes1 conflict were denied, one of twenty others: so says the score, with counts and its quality."""
    conflict, plain = learned.risk(["excludes1"], "outpatient"), learned.risk([], "outpatient")
    assert conflict.probability == pytest.approx(0.67, abs=0.08)
    assert plain.probability == pytest.approx(0.05, abs=0.04)
    seen, denied = learned.seen["edit:excludes1"]
    assert [(d.edit, d.claims, d.denied) for d in conflict.drivers] == [("excludes1", seen, denied)]
    assert learned.auc_low > 0.7
    assert learned.brier < learned.brier_usual
    days = "2026-01-05 to 2026-01-05"
    assert conflict.basis.startswith(f"Learned from 600 claims in this organization's remittances of {days}, {learned.denied} of them denied; ")
    assert "by cross-validation" in conflict.basis


def test_an_edit_that_was_never_seen_adds_nothing_and_is_named(learned: LearnedDenials) -> None:
    """The score doesn't guess."""
    rare = learned.risk(["age.conflict"], "outpatient")
    assert (rare.probability, rare.unknown) == (learned.risk([], "outpatient").probability, ("age.conflict",))


def test_the_same_claims_teach_the_same(claims: Matched, learned: LearnedDenials) -> None:
    """Whatever the order."""
    assert fitted(replace(claims, examples=tuple(claims.examples)), version="v1", today=TODAY).written() == learned.written()


def test_too_few_claims_teach_nothing(tmp_path: Path) -> None:
    """Under the minimum of claims, or of denied ones, no score is made."""
    with pytest.raises(TooLittleError, match=f"{LEAST_CLAIMS - 1} of them with a review"):
        fitted(_matched(tmp_path, *decided(LEAST_CLAIMS - 1)), version="v1", today=TODAY)
    paid, reviews = decided(400)
    none_denied = [replace(c, status="1", paid="150", adjustments=("CO*45*50",)) for c in paid]
    with pytest.raises(TooLittleError, match="0 of those denied"):
        fitted(_matched(tmp_path, none_denied, reviews), version="v1", today=TODAY)


def test_findings_that_tell_nothing_give_no_score(tmp_path: Path) -> None:
    """Denials by chance: the interval of the area under the curve holds one half."""
    with pytest.raises(TooLittleError, match="doesn't tell denied claims from others"):
        fitted(_matched(tmp_path, *decided(600, telling=False)), version="v1", today=TODAY)


def _matched(folder: Path, paid: Iterable[Paid], reviews: Mapping[str, Mapping[str, Any]]) -> Matched:
    return matched(remitted_claims(written(folder / "a.835", segments(paid))), reviews)


def _case() -> tuple[EncounterRecord, dict[str, NoteReading]]:
    one = note("Assessment: Knee pain.")
    return record(one), {one.source: reading(one.text, {"Knee pain": "M25.569"})}


def test_a_review_shows_it_only_where_it_was_trained(knowledge: Knowledge, learned: LearnedDenials) -> None:
    """No score without training; with it, the probability, the edits that count, and the basis."""
    without: CodingReview = of(*_case(), knowledge)
    assert "denialRisk" not in to_document(without)
    told = to_document(of(*_case(), replace(knowledge, learned=learned)))["denialRisk"]
    assert [d["edit"] for d in told["drivers"]] == ["laterality.unspecified"]
    assert told["basis"] == learned.basis


def test_one_tenants_score_is_no_other_tenants(knowledge: Knowledge, learned: LearnedDenials) -> None:
    """What the remittances of one teach is never shown to the other."""
    reviewer = Reviewer(None, knowledge, learned={"north": learned})  # type: ignore[arg-type]
    assert reviewer.of("north").knowledge.learned is learned
    assert reviewer.of("south").knowledge.learned is None


def test_versions_are_kept_and_go_back(tmp_path: Path, learned: LearnedDenials) -> None:
    """The newest is in force; taken away, the one before is; a running service sees the change."""
    hand = AtHand(tmp_path)
    shelf = hand.denials
    stamp = hand.stamp
    for _ in range(2):
        shelf.put("a/../b", replace(learned, version=shelf.next_version("a/../b", TODAY)))
        assert (stamp, stamp := hand.stamp)[0] != stamp
    assert {t: s.version for t, s in shelf.in_force().items()} == {"a/../b": "2026-03-02-002"}
    assert [p.parent.parent for p in shelf.files()] == [tmp_path / "denials"]
    assert shelf.remove("a/../b") == replace(learned, version="2026-03-02-001")
    assert shelf.remove("a/../b") is None
    with pytest.raises(NotFoundError):
        shelf.remove("a/../b")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:200], r"default/1.json, line \d+: not JSON"),
        (lambda text: text.replace('"auc"', '"acu"'), "line 1: no learned denials"),
        (lambda text: text.replace('"form": 1', '"form": 2'), "not of form 1"),
        (lambda text: json.dumps(json.loads(text) | {"denied": 0}), "contradict"),
        (lambda text: json.dumps(json.loads(text) | {"weights": {"edit:x": 1.0}}), "contradict"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, learned: LearnedDenials, change: Callable[[str], str], told: str) -> None:
    """With file, line and reason; the service keeps what it had."""
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "1.json").write_text(change(learned.written()), encoding="utf-8")
    with pytest.raises(RuleError, match=told):
        DenialShelf(tmp_path).in_force()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service with the reviews of 300 encounters, and a remittance that pays for them."""
    monkeypatch.setenv("MARGINALIA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MARGINALIA_DATABASE_URL", f"sqlite:///{tmp_path}/m.sqlite")
    paid, reviews = decided(300)
    store = ReviewStore(f"sqlite:///{tmp_path}/m.sqlite")
    for number, review in reviews.items():
        for hour, findings in ((8, []), (9, review["claimFindings"])):  # the newest review of an encounter counts
            created = datetime(2026, 1, 2, hour, tzinfo=UTC).isoformat()
            document = {"id": f"{number}-{hour}", "patient": "Patient/1", "encounter": f"Encounter/{number}", "created": created, "setting": "outpatient"}
            store.keep("default", document | {"claimFindings": findings})
    store.close()
    return written(tmp_path / "january.835", segments(paid))


def test_train_show_and_remove(settings: Path) -> None:
    """`marginalia denials`: nothing before training, the table after it, nothing again after removal."""
    assert isinstance(run(denials, ["show"]).exception, NotFoundError)
    trained = run(denials, ["train", str(settings)])
    assert trained.exit_code == 0, trained.output
    assert "300 claims in 1 files, 0 of them without a review" in trained.stderr
    shown = run(denials, ["show"]).stdout
    assert shown.startswith(f"Version {date.today().isoformat()}-001. Learned from 300 claims")
    assert "edit:excludes1" in shown
    assert json.loads(run(denials, ["show", "--json"]).stdout)["claims"] == 300
    assert isinstance(run(denials, ["show", "--tenant", "other"]).exception, NotFoundError)
    assert run(denials, ["remove"]).exit_code == 0
    assert isinstance(run(denials, ["show"]).exception, NotFoundError)


def test_a_damaged_remittance_leaves_the_score_in_force(settings: Path) -> None:
    """All or nothing: one wrong file among good ones, and what was in force stays."""
    assert run(denials, ["train", str(settings)]).exit_code == 0
    before = run(denials, ["show", "--json"]).stdout
    bad = settings.with_name("bad.835")
    bad.write_text(settings.read_text(encoding="utf-8")[:4000], encoding="utf-8")
    assert "bad.835, line " in str(run(denials, ["train", str(settings), str(bad)]).exception)
    assert run(denials, ["show", "--json"]).stdout == before
