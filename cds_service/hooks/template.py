"""Prefetch templates, held to the subset of FHIR queries that every EHR can fill (CDS Hooks 2.0.1, "Prefetch Template").

Rules P1 to P4: tokens are root-level primitives of the context or the ids of the current user; queries are instance
reads, or type searches by reference, token equality and date, with `_count` and `_sort`; no FHIRPath.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from cds_service.errors import ConfigurationError

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_USER_TOKENS = frozenset({"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"})
_NEVER = frozenset({"draftOrders", "selections", "appointments", "conditions"})  # P2: not primitives
_READ = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.{}\-]+")
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_PARAMETER = re.compile(r"[a-z_][A-Za-z-]*(:in)?")
_DATE = re.compile(r"(eq|lt|gt|ge|le)?\d{4}(-\d\d){0,2}|(eq|lt|gt|ge|le)?\{\{context\.[A-Za-z]+\}\}")
_DATES = frozenset({"date", "authoredon", "onset-date", "recorded-date", "_lastUpdated", "period"})


@dataclass(frozen=True, slots=True)
class Query:
    """A filled-in template: an instance read where `parameters` is None, else a search."""

    path: str  # "Patient/1", or "Observation"
    parameters: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One prefetch template. Making one checks it."""

    text: str

    def __post_init__(self) -> None:
        """Raise ConfigurationError where the template breaks P1 to P4."""
        for token in _TOKEN.findall(self.text):
            name = token.removeprefix("context.")
            if (token.startswith("context.") and re.fullmatch(r"[A-Za-z]+", name) and name not in _NEVER) or token in _USER_TOKENS:
                continue
            raise self._wrong(f"{{{{{token}}}}} is not a token that an EHR can fill in")
        path, question, query = self.text.partition("?")
        if not question:
            if not _READ.fullmatch(_TOKEN.sub("x", path)):
                raise self._wrong("an instance read is written Type/id")
            return
        if not _TYPE.fullmatch(path):
            raise self._wrong("a search is written Type?parameters")
        for name, value in parse_qsl(query, keep_blank_values=True):
            if not _PARAMETER.fullmatch(name) or not value or (name in _DATES and not _DATE.fullmatch(value)):
                raise self._wrong(f"the parameter {name} is not a plain search by reference, token or date")

    def fill(self, context: Mapping[str, Any]) -> Query | None:
        """Return the query with the tokens of a call's context, or None where the context lacks one."""
        path, question, query = self.text.partition("?")
        names = {token.removeprefix("context.") for token in _TOKEN.findall(self.text)}
        if any(not isinstance(context.get(name), str) for name in names):
            return None

        def put(match: re.Match[str]) -> str:
            return str(context[match[1].removeprefix("context.")])

        if not question:
            return Query(_TOKEN.sub(lambda m: quote(put(m), safe=""), path))
        return Query(path, tuple((name, _TOKEN.sub(put, value)) for name, value in parse_qsl(query)))

    def _wrong(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"The prefetch template '{self.text}' is not valid: {why}.", "Correct the template.")
