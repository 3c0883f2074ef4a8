"""The SMART on FHIR app: the full rationale on the note itself."""

__all__: list[str] = []
