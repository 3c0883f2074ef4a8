"""FHIR in and out: resources to an encounter record, decisions to resources. Knows no model and no Flask."""

__all__: list[str] = []
