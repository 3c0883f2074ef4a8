"""Evaluation of the whole product: text in, coded review out, compared with coded cases, notes and phrases."""

from cds_service.evaluation.measure import Measured, cases, notes, phrases

__all__ = ["Measured", "cases", "notes", "phrases"]
