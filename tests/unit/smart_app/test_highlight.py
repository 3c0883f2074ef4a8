"""Highlights: the segments of a note, joined, are the note; each says what rests on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smart_app.highlight import Excerpt, lines


def excerpt(id: str, begin: int, end: int, *targets: str, manner: str = "affirmed", labels: tuple[str, ...] = ()) -> Excerpt:
    """Return an excerpt."""
    return Excerpt(id, begin, end, manner, targets, labels)


@given(st.text(max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8))
def test_the_segments_joined_are_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    """Whatever the text (line breaks of every kind, emoji, right-to-left) and the excerpts, nothing is lost, added or moved."""
    excerpts = [excerpt(f"x{i}", min(a, b), min(max(a, b), len(text)), "t") for i, (a, b) in enumerate(spans) if min(a, b) < min(max(a, b), len(text))]
    cut = lines(text, excerpts)
    assert "".join(s.text for line in cut for s in line.segments) == text
    for e in excerpts:
        assert "".join(s.text for line in cut for s in line.segments if e in s.excerpts) == text[e.begin : e.end]


@given(st.text(alphabet="ab\n", min_size=4, max_size=60), st.data())
def test_each_excerpt_begins_once(text: str, data: st.DataObject) -> None:
    """An anchor stands on the page exactly once."""
    begin = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(begin + 1, len(text)))
    cut = lines(text, [excerpt("x1", begin, end, "t")])
    assert [s.starts for line in cut for s in line.segments].count(("x1",)) == 1


def test_overlapping_excerpts_are_cut_where_they_begin_and_end() -> None:
    """"type 2 diabetes" and "diabetes with ulcer" share "diabetes", which names both."""
    text = "type 2 diabetes with ulcer"
    (line,) = lines(text, [excerpt("x1", 0, 15, "a"), excerpt("x2", 7, 26, "b")])
    assert [(s.text, s.targets) for s in line.segments] == [("type 2 ", ("a",)), ("diabetes", ("a", "b")), (" with ulcer", ("b",))]


def test_the_innermost_excerpt_decides_the_manner() -> None:
    """"no history of cancer": the words inside the longer excerpt keep their own manner."""
    (line,) = lines("no history of cancer", [excerpt("x1", 0, 20, "a", manner="negated"), excerpt("x2", 14, 20, "b", manner="historical")])
    assert [(s.text, s.manner) for s in line.segments] == [("no history of ", "negated"), ("cancer", "historical")]


def test_the_sign_of_a_manner_is_not_repeated_within_words() -> None:
    """"chest pain" and "pain" are both denied: "denied" stands once, before "chest"; after other words it stands again."""
    denied = [excerpt("x1", 3, 13, "a", manner="negated"), excerpt("x2", 9, 13, "b", manner="negated"), excerpt("x3", 17, 22, "c", manner="negated")]
    (line,) = lines("no chest pain or fever", denied)
    assert [(s.text, s.continues) for s in line.segments if s.starts] == [("chest ", False), ("pain", True), ("fever", False)]


def test_a_label_stands_once_on_the_line_where_its_words_begin() -> None:
    """The margin names each code once a line, beside the first of its words."""
    text = "diabetes, diabetes\nand diabetes"
    cut = lines(text, [excerpt(f"x{i}", b, b + 8, "a", labels=("E11.9",)) for i, b in enumerate((0, 10, 23))])
    assert [line.labels for line in cut] == [(("E11.9", "x0", "affirmed"),), (("E11.9", "x2", "affirmed"),)]


def test_an_excerpt_over_two_lines_is_lit_on_both() -> None:
    """Words that go on in the next line are one excerpt."""
    cut = lines("heart\nfailure", [excerpt("x1", 0, 13, "a", labels=("I50.9",))])
    assert [[s.text for s in line.segments if s.excerpts] for line in cut] == [["heart\n"], ["failure"]]
    assert [bool(line.labels) for line in cut] == [True, False]


def test_headings_are_those_of_the_source_and_of_the_running_text() -> None:
    """Sections: declared ones, lines in capitals, and words before a colon at the beginning of a line; no sentence is one."""
    text = "History\nPLAN\nAssessment: stable.\nShe said: no.\nat 10:30 seen\n"
    found = [line.segments[0].text.strip() for line in lines(text, [], headings=[0]) if line.heading]
    assert found == ["History", "PLAN", "Assessment:", "She said:"]
