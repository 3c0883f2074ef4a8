"""Errors of the benchmark."""

from __future__ import annotations

from cds_service.errors import MarginaliaError


class BenchError(MarginaliaError):
    """The service measured did not start, or gave no answer that could be measured."""

    code = "bench"
