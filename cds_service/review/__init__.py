"""The coded review: pure functions over typed values. No I/O, no Flask, no SQLAlchemy."""

from cds_service.review.document import to_document, with_text, without_text
from cds_service.review.knowledge import Knowledge
from cds_service.review.model import CodingReview, ModelUsed, SkippedNote
from cds_service.review.review import review

__all__ = ["CodingReview", "Knowledge", "ModelUsed", "SkippedNote", "review", "to_document", "with_text", "without_text"]
