"""Bytes -> text in the right character set: byte order mark, declared, UTF-8, else detected."""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

from fhir_mappers.errors import BadResource

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 200_000  # bytes that detection looks at
_WESTERN = frozenset({"cp1252", "latin_1"})
_ABOUT = 0.05  # of charset-normalizer's "chaos", 0 to 1
# ISO-8859-1 and US-ASCII are read as windows-1252, as browsers do (WHATWG Encoding standard): the extra characters are quotes and dashes.
_LOOSE = {"iso8859-1": "cp1252", "ascii": "cp1252"}


def decode(data: bytes, declared: str | None) -> tuple[str, str | None]:
    """Return the text, and a remark where the declared character set was unknown or wrong and another had to be found.

    Raises BadResource where no character set fits.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, errors="replace"), None
    remark = None
    if declared:
        try:
            name = codecs.lookup(declared).name
            if not getattr(codecs.lookup(declared), "_is_text_encoding", True):
                raise LookupError(declared)
            if name != "ascii" or data.isascii():
                return _strict(data, name), None
            remark = "The text is not plain ASCII, as declared."
        except LookupError:
            remark = f"The declared character set {declared[:40]!r} is unknown."
        except (UnicodeError, ValueError):
            remark = f"The text is not in the declared character set {declared[:40]!r}."
    try:
        return data.decode("utf-8"), remark and f"{remark} It was read as UTF-8."
    except UnicodeDecodeError:
        pass
    name = _detected(data[:_SAMPLE])
    return data.decode(name, errors="replace"), f"{remark or 'No character set is declared.'} It was read as {name}."


def _detected(sample: bytes) -> str:
    """Return the likeliest character set: windows-1252 wherever it is about as plausible as the best, since US systems write that."""
    found = from_bytes(sample)
    best = found.best()
    if best is None:
        raise BadResource("The text is in no character set that can be recognised.", "Declare it: text/plain; charset=utf-8.")
    western = next((m for m in found if _WESTERN.intersection(m.could_be_from_charset) and m.chaos <= best.chaos + _ABOUT), None)
    return "cp1252" if western else best.encoding


def _strict(data: bytes, name: str) -> str:
    loose = _LOOSE.get(name)
    if loose:
        try:
            return data.decode(loose)
        except UnicodeDecodeError:
            pass
    return data.decode(name)
