"""Settings: environment over file; a wrong value names the setting and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.config import Client, Profile, Settings, is_loopback, origin_of
from cds_service.errors import ConfigurationError

TOML = """
public_url = "https://marginalia.example.org/"
threads = 4
cors_origins = ["https://sandbox.cds-hooks.org"]

[[clients]]
name = "north"
profile = "epic"
fhir_servers = ["https://EHR.example.org:443"]

[smart]
session_key = "from-file"
session_minutes = 30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "marginalia.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def test_file_and_environment(file: Path) -> None:
    """The environment wins over the file; MARGINALIA_SMART_* reach the SMART app's settings."""
    settings = Settings.load(file, environ={"MARGINALIA_THREADS": "1", "MARGINALIA_SMART_SESSION_KEY": "from-environment", "HOME": "/"})
    assert settings.public_url == "https://marginalia.example.org"
    assert settings.threads == 1
    assert settings.cors_origins == ("https://sandbox.cds-hooks.org",)
    assert settings.clients == (Client("north", "north", Profile.EPIC, ("https://ehr.example.org",)),)
    assert settings.smart == {"session_key": "from-environment", "session_minutes": 30}


def test_file_named_by_the_environment(file: Path) -> None:
    """MARGINALIA_CONFIG names the file."""
    assert Settings.load(environ={"MARGINALIA_CONFIG": str(file)}).threads == 4


def test_lists_from_the_environment() -> None:
    """Lists are separated by commas."""
    assert Settings.load(environ={"MARGINALIA_CORS_ORIGINS": "https://a.example, https://b.example"}).cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("THREADS", "zero", "a whole number, at least 1"),
        ("THREADS", "0", "a whole number, at least 1"),
        ("REMEMBER_MINUTES", "-1", "a whole number, at least 0"),
        ("PROVIDER", "tpu", "one of auto, cpu, cuda"),
        ("PUBLIC_URL", "marginalia.example.org", "an absolute https URL"),
        ("PUBLIC_URL", "https://x.example/?a=1", "an absolute https URL"),
        ("CORS_ORIGINS", "*", "origins such as"),
        ("CORS_ORIGINS", "https://a.example/path", "origins such as"),
        ("DATABASE_URL", "", "a database URL"),
        ("CLIENTS", "north", "a list of tables"),
        ("THREDS", "2", "The settings are"),
        ("OPEN", "1", "serve --open"),
    ],
)
def test_wrong_value(name: str, value: str, expected: str) -> None:
    """A wrong value: the setting, what it is, what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(environ={f"MARGINALIA_{name}": value})
    assert f"'{name.lower()}'" in caught.value.message
    assert expected in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("threads = ", "not TOML"),
        ("threads = true", "'threads'"),
        ("threads = 2.5", "'threads'"),
        ('[[clients]]\nprofile = "epic"', "clients[0].name"),
        ('[[clients]]\nname = "a"\n[[clients]]\nname = "a"', "clients[1].name"),
        ('[[clients]]\nname = "a"\nprofile = "cerner"', "clients[0].profile"),
        ('[[clients]]\nname = "a"\nfhir_server = "https://x.example"', "fhir_server"),
        ('[[clients]]\nname = "a"\nfhir_servers = [7]', "clients[0].fhir_servers"),
        ('smart = "x"', "'smart'"),
    ],
)
def test_wrong_file(tmp_path: Path, text: str, words: str) -> None:
    """A wrong file names the place."""
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path, environ={})
    assert words in caught.value.message


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is told, not taken for an empty one."""
    with pytest.raises(ConfigurationError, match="can't be read"):
        Settings.load(tmp_path / "none.toml", environ={})


def test_open_client() -> None:
    """In open mode every caller is the client named "open", or a standard one."""
    assert Settings().open_client.profile is Profile.STANDARD
    assert Settings(clients=(Client("north"), Client("open", profile=Profile.EPIC))).open_client.profile is Profile.EPIC


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://EHR.example.org:443/r4/", "https://ehr.example.org"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("https://user@a.example", ""),
        ("//a.example", ""),
        ("https://a.example:port", ""),
        ("file:///etc/passwd", ""),
    ],
)
def test_origin(url: str, origin: str) -> None:
    """One form for each origin, so that comparing strings is right; '' for what has none."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False), ("x", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only this machine itself."""
    assert is_loopback(host) is loopback


def test_the_folder_of_claim_tables_must_exist(tmp_path: Path) -> None:
    """A path that is no folder is named; one that is, becomes the setting."""
    with pytest.raises(ConfigurationError, match="claim_tables"):
        Settings.load(environ={"MARGINALIA_CLAIM_TABLES": str(tmp_path / "nowhere")})
    assert Settings.load(environ={"MARGINALIA_CLAIM_TABLES": str(tmp_path)}).claim_tables == tmp_path
