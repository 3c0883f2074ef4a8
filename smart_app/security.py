"""Headers and cookies: what a browser may do with the app's pages.

Sources: SMART App Launch 2.2 best practices (L14, L18); Content Security Policy Level 3; OWASP session management.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from flask import Request, Response

from smart_app.settings import SmartSettings

_COOKIE_SECONDS = 12 * 3600


def policy(frame_ancestors: Iterable[str]) -> str:
    """Return the Content-Security-Policy: only our own files, no inline script or style, framed by the given origins only."""
    ancestors = " ".join(frame_ancestors) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {ancestors}",
            "require-trusted-types-for 'script'",
        )
    )


def protect(response: Response, frame_ancestors: tuple[str, ...]) -> Response:
    """Put the security headers on a page; pages of a chart are never cached."""
    response.headers["Content-Security-Policy"] = policy(frame_ancestors)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    if not frame_ancestors:
        response.headers["X-Frame-Options"] = "DENY"  # for what doesn't know frame-ancestors; it can't name several origins
    return response


class BrowserCookie:
    """The one cookie: a random id of the browser, without meaning outside the session store."""

    def __init__(self, settings: SmartSettings) -> None:
        self._https = settings.https
        # Only a cookie with SameSite=None is sent inside the EHR's frame, and browsers take that over https alone.
        self._framed = settings.https and bool(settings.frame_ancestors)
        # The prefix __Host- keeps a neighbouring host from planting a cookie of its own choice.
        self.name = "__Host-marginalia" if settings.https else "marginalia"

    def read(self, request: Request) -> str:
        """Return the browser's id, or '' where it has none."""
        value = request.cookies.get(self.name, "")
        return value if 40 <= len(value) <= 100 else ""

    def fresh(self) -> str:
        """Return a new id of 256 random bits."""
        return secrets.token_urlsafe(32)

    def write(self, response: Response, browser: str) -> None:
        """Send the cookie."""
        response.set_cookie(
            self.name,
            browser,
            max_age=_COOKIE_SECONDS,
            path="/",
            secure=self._https,
            httponly=True,
            samesite="None" if self._framed else "Lax",
            partitioned=self._framed,
        )
