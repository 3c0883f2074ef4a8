"""The EHR's colours: only what is harmless."""

from __future__ import annotations

import pytest

from smart_app.branding import address, contrast, style_sheet
from smart_app.settings import Issuer

EHR = Issuer("https://ehr.example.org/fhir", "m")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ehr.example.org/style.json", "https://ehr.example.org/style.json"),
        ("/style.json", "https://ehr.example.org/style.json"),
        ("https://ehr.example.org:8443/style.json", None),
        ("https://evil.example/style.json", None),
        ("//evil.example/style.json", None),
        ("http://ehr.example.org/style.json", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_only_the_ehr_s_own_server_is_asked(url: str | None, expected: str | None) -> None:
    """Another scheme, host or port is another server."""
    assert address(url, EHR) == expected


@pytest.mark.parametrize(("one", "other", "ratio"), [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ffffff", "#ffffff", 1.0)])
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """Known ratios."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)


def test_a_short_colour_is_a_colour() -> None:
    """#036 is #003366; what is not text is none."""
    assert "--accent: #003366;" in style_sheet({"color_highlight": "#036"})
    assert style_sheet({"color_highlight": ["#036"], "color_background": None}) == ""
    assert style_sheet([]) == ""
