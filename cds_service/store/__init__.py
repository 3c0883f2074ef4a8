"""What the service keeps: reviews without note text, the cards it issued, opaque handles, and feedback."""

from cds_service.store.reviews import CardIssued, Feedback, ReviewStore

__all__ = ["CardIssued", "Feedback", "ReviewStore"]
