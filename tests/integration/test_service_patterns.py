"""No regular expression of the service can be kept busy by a text made for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patterns import slow


def test_every_pattern_that_serves() -> None:
    """All that are compiled at import, and twelve of each table, against long repetitions of what they like and what they don't; without `--each`, all."""
    done = subprocess.run([sys.executable, "-m", "tests.patterns", "--each", "12"], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout
    found = re.match(r"(\d+) patterns, none slow", done.stdout)
    assert found
    assert int(found[1]) > 200


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(\w+\s?)*:", r"\s+$", r"(?:a|a)*b"])
def test_the_search_finds_slow_ones(pattern: str) -> None:
    """Patterns that are known to blow up, or to grow with the square of the text, are found."""
    assert (slow(pattern, 0, "cds_service/web/body.py:1") or "fast") != "fast"
