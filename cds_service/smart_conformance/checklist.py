"""The checklist of SMART App Launch 2.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.conformance import Checklist

if TYPE_CHECKING:
    from cds_service.smart_conformance.stage import Stage

SMART: Checklist[Stage] = Checklist("LK")
line = SMART.line
