"""A hook call's JSON made readable: tokens hidden, long base64 shortened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LONG = 400  # characters of base64 before they are cut


def shortened(value: Any) -> str:
    """Return indented JSON for the page."""
    return json.dumps(_readable(value), indent=2, ensure_ascii=False)


def _readable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _field(key, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_readable(part) for part in value]
    return value


def _field(key: str, value: Any) -> Any:
    if key == "access_token":
        return "(hidden)"
    if key == "data" and isinstance(value, str) and len(value) > _LONG:
        return f"{value[:60]}... ({len(value):,} characters of base64)"
    return _readable(value)
