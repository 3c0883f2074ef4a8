"""The engine: reads the text of a note and proposes codes with the words that support them. Knows no FHIR and no Flask."""

from onnx_models.coder import ModelInfo, NoteCoder
from onnx_models.errors import ArtefactError, EngineError, ProviderError
from onnx_models.reading import Assertion, Attributes, Candidate, Certainty, Experiencer, Mention, NoteReading, Polarity, Reason, Section, Sentence, Temporality

__all__ = [
    "ArtefactError",
    "Assertion",
    "Attributes",
    "Candidate",
    "Certainty",
    "EngineError",
    "Experiencer",
    "Mention",
    "ModelInfo",
    "NoteCoder",
    "NoteReading",
    "Polarity",
    "ProviderError",
    "Reason",
    "Section",
    "Sentence",
    "Temporality",
]
