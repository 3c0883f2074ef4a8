"""Training of the score of denials."""

from cds_service.denials.training.fitting import LEAST_CLAIMS, LEAST_OF_EACH, TooLittleError, fitted

__all__ = ["LEAST_CLAIMS", "LEAST_OF_EACH", "TooLittleError", "fitted"]
