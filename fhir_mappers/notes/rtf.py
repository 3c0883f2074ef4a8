"""RTF -> plain text."""

from __future__ import annotations

from striprtf.striprtf import rtf_to_text

from fhir_mappers.errors import BadResource


def rtf_text(data: bytes) -> str:
    """Return the text of an RTF document, in the code page that it declares.

    Raises BadResource where it isn't RTF.
    """
    if not data.lstrip()[:5].lower().startswith(b"{\\rtf"):
        raise BadResource("The document is declared as RTF, and isn't.", "Correct attachment.contentType.")
    try:
        return str(rtf_to_text(data.decode("latin-1"), errors="replace"))
    except (ValueError, LookupError, RecursionError, TypeError, IndexError, AttributeError):
        raise BadResource("The RTF can't be read.", "Send well-formed RTF, or the note as text/plain.") from None
