"""The published schema and the types it describes say the same."""

from __future__ import annotations

from dataclasses import fields

import pytest

from cds_service.review import model
from cds_service.web.review_schema import REVIEW_SCHEMAS
from onnx_models.reading import Assertion, Attributes

TYPES = {
    "CodingReview": model.CodingReview,
    "CodeAssignment": model.CodeAssignment,
    "NotCoded": model.NotCoded,
    "DocumentationQuery": model.DocumentationQuery,
    "ClaimFinding": model.ClaimFinding,
    "Evidence": model.Evidence,
    "Assertion": Assertion,
    "Rationale": model.Rationale,
    "Alternative": model.Alternative,
    "Attributes": Attributes,
    "HccCategory": model.HccCategory,
}
ADDED = {"CodeAssignment": {"source"}, "DocumentationQuery": {"basis"}}  # worked out for the published form


def camel(name: str) -> str:
    """Return the published name of a field."""
    head, *rest = name.split("_")
    return head + "".join(r.title() for r in rest)


@pytest.mark.parametrize("name", sorted(REVIEW_SCHEMAS))
def test_every_field_is_published_and_described(name: str) -> None:
    """A field added to a type without a place in the schema fails here."""
    expected = {camel(f.name) for f in fields(TYPES[name])} | ADDED.get(name, set())
    properties = REVIEW_SCHEMAS[name]["properties"]
    assert set(properties) == expected
    assert all("description" in p or "$ref" in p for p in properties.values())
