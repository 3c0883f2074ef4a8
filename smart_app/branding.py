"""The EHR's look, as far as it is harmless: two colours out of `smart_style_url`, each only where its contrast holds.

The document is untrusted input (SMART App Launch 2.2, "smart_style_url"). It is asked of the launch's own server only, never
followed to another address, and nothing but a colour in hexadecimal digits gets from it into a style sheet of ours.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from urllib.parse import urljoin

from fhir_mappers.client import origin
from smart_app.errors import ServerFailure
from smart_app.settings import Issuer
from smart_app.transport import Connect, get_json

_HEX = re.compile(r"^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")
_TEXT, _SOFT, _PAPER = "#1b2733", "#51606e", "#ffffff"  # what stands on the colours: --ink, --soft, --paper of the light scheme
_READABLE = 4.5  # WCAG 2.2, 1.4.3
_KEPT_S = 600.0


class Branding:
    """Fetches and remembers styles. Safe to share between threads."""

    def __init__(self, connect: Connect, *, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._timeout_s = min(timeout_s, 3.0)  # a look is worth no wait
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def sheet(self, style_url: str | None, issuer: Issuer) -> str:
        """Return a style sheet with the EHR's harmless colours; an empty one where there are none, or the address isn't the EHR's own."""
        url = address(style_url, issuer)
        if url is None:
            return ""
        with self._lock:
            kept = self._kept.get(url)
        if kept and kept[0] > self._clock():
            return kept[1]
        try:
            sheet = style_sheet(get_json(url, self._connect, timeout_s=self._timeout_s, what="style document"))
        except ServerFailure:
            sheet = ""
        with self._lock:
            if len(self._kept) > 100:
                self._kept.clear()
            self._kept[url] = (self._clock() + _KEPT_S, sheet)
        return sheet


def address(style_url: str | None, issuer: Issuer) -> str | None:
    """Return the absolute address of a style document if it lies on the EHR's own server, else None."""
    if not style_url:
        return None
    url = urljoin(f"{issuer.iss}/", style_url)
    return url if origin(url) == origin(issuer.iss) else None


def style_sheet(style: object) -> str:
    """Return the colours of a style document that are harmless, as a style sheet for the light scheme."""
    values = style if isinstance(style, dict) else {}
    accent, ground = (_colour(values.get(name)) for name in ("color_highlight", "color_background"))
    rules = []
    if accent and contrast(accent, _PAPER) >= _READABLE:
        rules.append(f"--accent: {accent};")
    if ground and contrast(ground, _TEXT) >= _READABLE and contrast(ground, _SOFT) >= _READABLE:
        rules.append(f"--ground: {ground};")
    if not rules:
        return ""
    return f"@media (prefers-color-scheme: light) and (prefers-contrast: no-preference) {{ :root {{ {' '.join(rules)} }} }}\n"


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, "contrast ratio"), from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _colour(value: object) -> str | None:
    if not isinstance(value, str) or not _HEX.match(value):
        return None
    digits = value[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(d * 2 for d in digits))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
