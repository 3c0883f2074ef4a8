"""The service: CDS Hooks, the coded review, its API and its store."""

__all__: list[str] = []
