"""Every regular expression of the packages against text made to keep it busy. `python -m tests.patterns` tells the slow ones.

What a caller can send, a pattern must read in time that grows like the text. One whose time grows faster could hold a worker for
minutes, and Python's engine has no time limit of its own.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.repetition import LONGEST_SENTENCE, MOST_REPEATS, written_length

LONG = 20_000  # characters
SLOW_S = 0.3  # processor time for one search in a text: a linear one takes a millisecond or two
# What reads notes alone is tried on what a note can hold: text without the end of a sentence, or with one word over and over, is cut before.
OF_NOTES = ("onnx_models/", "cds_service/review/")
# These read the titles of a code set, the longest of which has some 300 characters, without runs of spaces.
OF_TITLES = ("cds_service/review/specificity.py", "cds_service/review/guidelines/obstetrics.py")
TITLE = 500
PACKAGES = ("cds_service", "fhir_mappers", "onnx_models", "smart_app")
NEVER_SERVING = ("migrations", "training", "evaluation", ".demo", ".served", ".opening", ".bench", ".conformance", ".simulate")
ROOT = Path(__file__).resolve().parents[1]
UNITS = tuple("a| |1|a |1.|1/|a-|a, |\n|a\n|  a|A|Aa |(|()|[|<a |&#|\\|é|no |of the |1 2 |. |x:y\n".split("|"))


def collected() -> dict[tuple[str, int], str]:
    """Import everything that serves, load tables and engine, and return each pattern that was compiled, with the place that did it."""
    found: dict[tuple[str, int], str] = {}
    compiler: Any = re._compiler  # type: ignore[attr-defined]
    plain = compiler.compile

    def spy(pattern: Any, flags: int = 0) -> Any:
        made = plain(pattern, flags)
        frame = sys._getframe(1)
        while frame.f_back is not None and "/re/" in frame.f_code.co_filename:
            frame = frame.f_back
        place = Path(frame.f_code.co_filename)
        if isinstance(pattern, str) and place.is_relative_to(ROOT) and "site-packages" not in str(place):
            found.setdefault((pattern, made.flags), f"{place.relative_to(ROOT)}:{frame.f_lineno}")
        return made

    compiler.compile = spy
    try:
        for package in PACKAGES:
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
                if not any(part in module.name for part in NEVER_SERVING):
                    importlib.import_module(module.name)
        from cds_service.review.knowledge import Knowledge
        from onnx_models import NoteCoder

        Knowledge.load()
        NoteCoder.load(provider="cpu").read("Assessment: COPD, stable. Denies chest pain. Type II diabetes, A1c 9.1 % on 03/02/2026. BP 140/90.")
    finally:
        compiler.compile = plain
    return found


def texts(pattern: str, place: str) -> Iterator[str]:
    """Yield long texts: repeated characters, and what the pattern itself likes, each with an end that it doesn't."""
    words = [w for w in re.findall(r"[A-Za-z]{2,}|[0-9]+", re.sub(r"\\.|\(\?\S*?[:=!]", " ", pattern)) if len(w) < 30][:6]
    for unit in (*UNITS, *words, *(f"{w} " for w in words)):
        if place.startswith(OF_TITLES):
            yield " ".join((unit * (TITLE // len(unit)) + "\x01").split())
        elif not place.startswith(OF_NOTES):
            yield unit * (LONG // len(unit)) + "\x01"
        else:
            longest = unit * ((LONGEST_SENTENCE - 2) // len(unit)) + "\x01"
            yield longest if written_length(longest) == len(longest) else unit * MOST_REPEATS + "\x01"


@cache
def anchored(place: str) -> bool:
    """Tell whether a pattern is used by `match` and `fullmatch` alone, which look at one place of a text."""
    file, line = place.rsplit(":", 1)
    source = (ROOT / file).read_text(encoding="utf-8")
    name = re.match(r"(_?[A-Z][A-Z_]*)\b[^=]*= re\.compile\(", source.splitlines()[int(line) - 1])
    uses = re.findall(rf"(?<!\w){name[1]}\.(\w+)\(", source) if name else []
    return bool(uses) and set(uses) <= {"match", "fullmatch"}


def slow(pattern: str, flags: int, place: str) -> str | None:
    """Return the beginning of a text that keeps a pattern busy; None where there is none."""
    compiled = re.compile(pattern, flags)
    signal.signal(signal.SIGVTALRM, _ring)
    for text in texts(pattern, place):
        before = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SLOW_S)
        try:
            if anchored(place):
                compiled.match(text)
                compiled.fullmatch(text)
            else:
                for _ in compiled.finditer(text):  # all of it, so that a match of the beginning doesn't end the search
                    pass
        except TimeoutError:
            return text[:30]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if time.process_time() - before > SLOW_S:
            return text[:30]
    return None


def _ring(*_: Any) -> None:
    raise TimeoutError


def main() -> int:
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--each", type=int, default=10_000, help="patterns of one place in the code at most, such as a table's")
    most = options.parse_args().each
    seen: Counter[str] = Counter()
    found = {}
    for key, place in collected().items():
        seen[place] += 1
        if seen[place] <= most:
            found[key] = place
    bad = [f"{place}: {pattern[:120]!r} on {text!r}" for (pattern, flags), place in sorted(found.items()) if (text := slow(pattern, flags, place)) is not None]
    print("\n".join(bad) or f"{len(found)} patterns, none slow")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
