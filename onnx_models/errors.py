"""Errors of the engine.

EngineError
├── ArtefactError      a model file is missing, damaged, or made for another version
└── ProviderError      the requested execution provider can't run here
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of the engine's errors: a stable code, what is wrong, and what to do about it."""

    code = "engine"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class ArtefactError(EngineError):
    """A model file is missing, damaged, or made for another version."""

    code = "engine.artefact"


class ProviderError(EngineError):
    """The requested execution provider can't run here."""

    code = "engine.provider"
