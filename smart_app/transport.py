"""HTTP reads of an EHR's documents about itself: guarded, bounded in time and size, never following a redirect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import requests

from cds_service.outgoing import GuardedSession, TooMuch
from smart_app.errors import ServerFailure
from smart_app.settings import is_safe_url

Connect = Callable[[], GuardedSession]  # a new session, which the caller closes


def get_json(url: str, connect: Connect, *, timeout_s: float, what: str) -> Mapping[str, object]:
    """Return the JSON object at `url`; `what` names it in messages, the session decides which addresses may be called. Raises ServerFailure.

    A redirect is an error: it could lead to another host than the one that was allow-listed.
    """
    if not is_safe_url(url):
        raise ServerFailure(
            "smart.insecure-url",
            f"The EHR's {what} has a URL that is not https.",
            "Ask the EHR's administrator to publish an https URL.",
        )
    try:
        with connect() as session, session.get(
            url, headers={"Accept": "application/json"}, timeout=timeout_s, allow_redirects=False, stream=True
        ) as response:
            if response.status_code != 200:
                raise _bad(what, f"answered with status {response.status_code}")
            body = response.content
    except TooMuch as error:
        raise _bad(what, "is larger than 1 MB") from error
    except requests.RequestException as error:
        raise ServerFailure(
            "smart.unreachable",
            f"The EHR's {what} can't be reached.",
            "Try again in a minute; if it stays so, tell the EHR's administrator.",
        ) from error
    return parse_object(body, what)


def parse_object(body: bytes, what: str) -> Mapping[str, object]:
    """Return `body` as a JSON object; raises ServerFailure otherwise."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad(what, "is not JSON") from error
    if not isinstance(document, dict):
        raise _bad(what, "is not a JSON object")
    return document


def _bad(what: str, problem: str) -> ServerFailure:
    return ServerFailure(
        "smart.bad-answer",
        f"The EHR's {what} {problem}.",
        "Tell the EHR's administrator which launch failed and when.",
    )
