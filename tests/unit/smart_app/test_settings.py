"""Settings of the app: a wrong value is named with what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from smart_app.errors import ConfigurationError, LaunchRefused
from smart_app.settings import ClientAuth, is_safe_url, read_settings

EHR = {"iss": "https://ehr.example.org/r4/", "client_id": "app"}


def settings(*issuers: dict[str, Any], **values: Any) -> Any:
    """Read settings with a public URL."""
    return read_settings({"issuers": list(issuers), **values}, public_url="https://app.example.org/")


def test_defaults_are_the_safest() -> None:
    """A public client without frames, sessions of an hour, urls without a trailing slash."""
    read = settings(EHR)
    issuer = read.issuer("https://ehr.example.org/r4")
    assert (issuer.iss, issuer.auth, issuer.tenant) == ("https://ehr.example.org/r4", ClientAuth.PUBLIC, "default")
    assert (issuer.frame_ancestors, issuer.coders) == ((), frozenset())
    assert (read.launch_url, read.redirect_url) == ("https://app.example.org/smart/launch", "https://app.example.org/smart/callback")
    assert (read.session_minutes, read.timeout_s, read.https) == (60, 10.0, True)


def test_the_list_may_come_as_json_from_the_environment() -> None:
    """MARGINALIA_SMART_ISSUERS holds the same list as JSON."""
    read = read_settings({"issuers": '[{"iss": "https://ehr.example.org/r4", "client_id": "app"}]', "session_minutes": "30"}, public_url="http://127.0.0.1:8080")
    assert read.issuers[0].client_id == "app"
    assert read.session_minutes == 30


@pytest.mark.parametrize(
    ("issuer", "named"),
    [
        ({"iss": "http://ehr.example.org", "client_id": "a"}, "iss"),
        ({"iss": "", "client_id": "a"}, "iss"),
        ({"iss": "https://user@ehr.example.org", "client_id": "a"}, "iss"),
        ({"iss": "https://ehr.example.org"}, "client_id"),
        ({**EHR, "auth": "basic"}, "auth"),
        ({**EHR, "auth": "client_secret_basic"}, "client_secret"),
        ({**EHR, "frame_ancestors": ["https://a.example.org/path"]}, "frame_ancestors"),
        ({**EHR, "frame_ancestors": ["https://a.example.org; script-src *"]}, "frame_ancestors"),
        ({**EHR, "colour": "red"}, "colour"),
        ({**EHR, "coders": 7}, "issuers"),
    ],
)
def test_a_wrong_issuer_is_named(issuer: dict[str, Any], named: str) -> None:
    """The message names the field."""
    with pytest.raises(ConfigurationError) as wrong:
        settings(issuer)
    assert named in wrong.value.message


@pytest.mark.parametrize("values", [{"session_minutes": "soon"}, {"timeout_s": 0}, {"issuers": "nonsense"}, {"issuers": {}}, {"colour": 1}])
def test_a_wrong_value_is_named(values: dict[str, Any]) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigurationError) as wrong:
        read_settings(values if values != {"issuers": {}} else {"issuers": {"iss": "x"}}, public_url="https://app.example.org")
    assert next(iter(values)) in wrong.value.message


def test_an_ehr_stands_once() -> None:
    """The same FHIR base twice would leave open which client speaks."""
    with pytest.raises(ConfigurationError, match="twice"):
        settings(EHR, {**EHR, "iss": "https://ehr.example.org/r4"})


def test_an_unknown_ehr_is_refused() -> None:
    """L1 allow-listed issuers only; a longer or shorter path is another."""
    for iss in ("https://ehr.example.org", "https://ehr.example.org/r4/x", "https://ehr.example.org.evil.org/r4"):
        with pytest.raises(LaunchRefused):
            settings(EHR).issuer(iss)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example.org/x", True), ("http://127.0.0.1:80/x", True), ("http://[::1]/", True), ("http://localhost", True),
        ("http://10.0.0.1/", False), ("ftp://a.example.org", False), ("//a.example.org", False), ("https://u:p@a.example.org", False), ("", False),
    ],
)  # fmt: skip
def test_safe_urls(url: str, safe: bool) -> None:
    """https everywhere, http on loopback only, never with user info."""
    assert is_safe_url(url) is safe


def test_scopes_to_write_follow_what_the_ehr_takes() -> None:
    """Least privilege: only the resource types of "writes" are asked for."""
    (issuer,) = settings({**EHR, "writes": ["Condition", "Task"]}).issuers
    assert issuer.asked_scopes.split()[-2:] == ["patient/Condition.cu", "patient/Task.c"]
    assert "patient/Condition.cu" not in settings(EHR).issuers[0].asked_scopes


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"writes": ["Patient"]}, "writes"),
        ({"chart_url": "http://ehr.example.org/{patient}"}, "chart_url"),
        ({"chart_url": "https://ehr.example.org/chart"}, "chart_url"),
        ({"chart_url": "javascript:alert('{patient}')"}, "chart_url"),
    ],
)
def test_a_wrong_way_to_write_or_to_a_chart_is_named(wrong: dict[str, Any], named: str) -> None:
    """Only what the app can write, and only a safe address with the patient in it."""
    with pytest.raises(ConfigurationError, match=named):
        settings({**EHR, **wrong})
