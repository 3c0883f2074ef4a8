"""HTTP: CDS Hooks, the API for coding systems, and operation."""

from cds_service.web.app import create_app

__all__ = ["create_app"]
