"""From the codes of all releases, which the engine knows, to those of the release in force."""

from __future__ import annotations

from dataclasses import replace

from cds_service.review.codeset import CodeSet
from onnx_models.reading import Candidate, Mention


def current(code: str, codes: CodeSet) -> str | None:
    """Return the code to use for `code` in a release: itself, the one that took its place, or None."""
    if codes.is_valid(code):
        return code
    gone = codes.retired.get(code)
    return gone.successors[0] if gone and len(gone.successors) == 1 else None


def in_release(mention: Mention, codes: CodeSet) -> Mention:
    """Return a mention whose candidates are codes of a release, each once with its best score."""
    if all(codes.is_valid(c.code) for c in mention.candidates):
        return mention
    found: dict[str, Candidate] = {}
    for candidate in mention.candidates:
        code = current(candidate.code, codes)
        if code is not None and (code not in found or candidate.score > found[code].score):
            found[code] = replace(candidate, code=code)
    return replace(mention, candidates=tuple(found.values()))
