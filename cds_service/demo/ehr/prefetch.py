"""Filling a service's prefetch templates from the EHR's records (CDS Hooks 2.0.1, "Prefetch Template")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cds_service.demo.ehr.fhir import Records
from cds_service.demo.errors import DemoError

_TOKEN = re.compile(r"\{\{\s*([A-Za-z.]+)\s*\}\}")
_PARALLEL = 6


def filled(template: str, context: Mapping[str, Any], user: str) -> str | None:
    """Return the query of a template, or None where the context lacks a token of it."""
    values = {f"context.{name}": value for name, value in context.items() if isinstance(value, str)} | {"userPractitionerId": user}
    tokens = _TOKEN.findall(template)
    if any(token not in values for token in tokens):
        return None
    return _TOKEN.sub(lambda match: str(values[match[1]]), template)


def prefetch(templates: Mapping[str, str], context: Mapping[str, Any], user: str, records: Records) -> dict[str, Any]:
    """Return the prefetch of a hook call. What the server doesn't find is null; what fails is left out, so that the service fetches it."""
    queries = {key: query for key, template in templates.items() if (query := filled(template, context, user))}
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = dict(zip(queries, pool.map(lambda query: _answer(records, query), queries.values()), strict=True))
    return {key: answer[0] for key, answer in answers.items() if answer}


def _answer(records: Records, query: str) -> tuple[dict[str, Any] | None] | None:
    try:
        return (records.get(query),)
    except DemoError as error:
        # Only a read can find nothing: a search that answers 404 is one that the server doesn't know.
        return (None,) if error.status in (404, 410) and "?" not in query else None
