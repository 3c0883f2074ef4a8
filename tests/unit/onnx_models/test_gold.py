"""The hand-made sets: valid, frozen, and apart from each other."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

import pytest

from onnx_models.evaluation.notes import GOLD, SOURCES, gold_notes, in_order, split_rule, splits, twins
from onnx_models.evaluation.phrases import FOLDER, errors, read
from onnx_models.training.examples import for_ranker
from onnx_models.training.terms import TabularList


def test_phrases_obey_the_guide() -> None:
    """Every line of the bank: a complete code, eight phrasings, no phrase under two codes, no official title."""
    assert list(errors(sorted(FOLDER.glob("*.txt")), TabularList())) == []


def test_codes_of_the_unseen_split_are_in_no_other() -> None:
    """A code whose phrases are kept for the test by code has none in training."""
    by_split = {split: {p.code for p in read() if p.code and p.split == split} for split in ("unseen", "unseen_dev", "train")}
    assert all(by_split.values())
    for split in ("unseen", "unseen_dev"):
        assert not by_split[split] & {p.code for p in read() if p.code and p.split != split}


def test_the_split_of_a_phrase_depends_on_nothing_but_itself() -> None:
    """The rule: first four bytes of SHA-256, modulo ten, of code and phrase."""
    phrase = next(p for p in read() if p.split == "test" and p.code)
    assert int.from_bytes(sha256(f"{phrase.code}:{phrase.text}".encode()).digest()[:4], "big") % 10 == 0


def test_an_eighth_of_the_training_phrases_is_kept_from_the_encoder() -> None:
    """The ranker learns from distances that the encoder didn't train on."""
    training = [p for p in read() if p.split == "train" and p.code]
    assert sum(for_ranker(p.text) for p in training) / len(training) == pytest.approx(0.12, abs=0.02)


@pytest.mark.parametrize("source", SOURCES)
def test_the_splits_of_notes_obey_their_rule(source: str) -> None:
    """In the order of their hash the first 12.6 % (of 240 at most, of 70 own notes) are test, the next dev, the rest train."""
    own = splits()[source]
    drawn = [i for i in own if source != "own" or int(i.removeprefix("own")) <= 70]
    ordered = sorted(drawn, key=lambda i: sha256(f"{source}:{i}".encode()).hexdigest())
    assert list(own)[: len(ordered)] == ordered
    assert list(own) == in_order(source, own)
    assert own == split_rule(source, list(own))


def test_notes_added_behind_the_drawn_ones_are_train() -> None:
    """Growth of a source moves no note: the first 240 keep their split, and whatever follows is train."""
    ordered = list(splits()["mtsamples"])
    before, after = split_rule("mtsamples", ordered[:240]), split_rule("mtsamples", ordered)
    assert len(after) > len(before)
    assert all(after[i] == before.get(i, "train") for i in ordered)


def test_own_notes_written_later_are_train() -> None:
    """Test and dev come from the first 70 own notes alone, as they were frozen before the others were written."""
    own = splits()["own"]
    first = {i: split for i, split in own.items() if int(i.removeprefix("own")) <= 70}
    assert first == split_rule("own", in_order("own", first))
    assert Counter(first.values()) == {"train": 52, "dev": 9, "test": 9}
    assert {split for i, split in own.items() if i not in first} == {"train"}


def test_sixty_notes_each_for_dev_and_test() -> None:
    """The frozen splits over all sources."""
    counts = Counter(split for source in splits().values() for split in source.values())
    assert (counts["dev"], counts["test"]) == (60, 60)


def test_coded_notes_are_valid() -> None:
    """Complete codes, one principal, offsets in order, known reasons."""
    tabular = TabularList()
    for source in SOURCES:
        for line in (GOLD / f"{source}.jsonl").read_text().splitlines():
            note = json.loads(line)
            codes = [c["code"] for c in note["codes"]]
            assert len(codes) == len(set(codes)), note["id"]
            assert all(c in tabular.billable for c in codes), note["id"]
            assert sum(c.get("principal", False) for c in note["codes"]) == 1, note["id"]
            assert all(0 <= b < e for c in note["codes"] for b, e in c["evidence"]), note["id"]
            assert all(c["evidence"] for c in note["codes"]), note["id"]


def test_own_notes_are_the_texts_that_were_coded() -> None:
    """The hash of each own note is that of its committed text, and its evidence lies inside."""
    notes = [n for n in gold_notes(None) if n.source == "own"]
    assert notes
    for note in notes:
        assert sha256(note.text.encode()).hexdigest() == note.sha256
        assert all(e <= len(note.text) for c in note.codes for _, e in c.evidence)


def test_no_own_note_repeats_another() -> None:
    """Near-duplicates would leak from training into the test."""
    assert twins({n.id: n.text for n in gold_notes(None) if n.source == "own"}) == set()
