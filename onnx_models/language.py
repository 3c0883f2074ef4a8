"""Which language a note is written in: the engine reads English and says so of anything else."""

from __future__ import annotations

import re
from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "pl", "ru", "zh", "vi", "tl", "ar", "ko")
_LEAST_WORDS = 12  # fewer words say too little: drug names and abbreviations look like any language


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(_LANGUAGES))
    return identifier


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of the language of `text`; "en" where the text is too short to tell."""
    sample = text[:4000]
    if len(re.findall(r"\w{2,}", sample)) < _LEAST_WORDS:
        return "en"
    language, probability = _identifier().classify(sample)
    return str(language) if probability > 0.95 else "en"
