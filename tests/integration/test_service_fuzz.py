"""Two thousand of the fuzzer's cases; `python -m tests.fuzz --cases 100000` runs more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cds_service.application import Application
from cds_service.web import create_app
from tests.fuzz import run

CASES = 2000
LONGEST_S = 60.0  # of one case: what hangs is found here, what is slow by the command
# What earlier runs have found: an unhashable resourceType, a foreign Host at the app, escaped Markdown.
FOUND_EARLIER = (2, 90, 124, 458, 615, 840, 1099, 1131)


def test_hostile_calls_of_every_route(make_application: Callable[..., Application]) -> None:
    """No 500, no hang, no growth of memory, no markup of a note in a card, no empty value in an answer."""
    web = create_app(make_application(hook_budget_ms=100, api_budget_ms=300, fetch_budget_ms=100)).test_client()
    assert run(web, 0, CASES, longest_s=LONGEST_S) == []


@pytest.mark.parametrize("number", FOUND_EARLIER)
def test_what_was_found_earlier(make_application: Callable[..., Application], number: int) -> None:
    """Each stays mended."""
    web = create_app(make_application(hook_budget_ms=100, api_budget_ms=300, fetch_budget_ms=100)).test_client()
    assert run(web, number, 1, longest_s=LONGEST_S) == []
