"""What the service keeps: reviews without note text, the cards it issued, opaque handles, and feedback."""

from cds_service.store.cipher import Cipher
from cds_service.store.engine import open_engine, snapshot, writing
from cds_service.store.migrate import upgrade
from cds_service.store.reviews import CardIssued, Feedback, ReviewStore
from cds_service.store.schema import Base

__all__ = ["Base", "CardIssued", "Cipher", "Feedback", "ReviewStore", "open_engine", "snapshot", "upgrade", "writing"]
