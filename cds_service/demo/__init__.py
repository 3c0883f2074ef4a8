"""The demo: a FHIR R4 server with synthetic patients, a small EHR with its authorisation server, and the service."""

__all__: list[str] = []
