"""The app's own keys (L9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OctKey

from smart_app.errors import ConfigurationError
from smart_app.keys import SigningKeys, read_key_set


def test_pem_jwk_and_set_are_read(tmp_path: Path) -> None:
    """A PEM file, a JWK and a JWK set hold the same key."""
    key = ECKey.generate_key("P-384")
    file = tmp_path / "key"
    for content in (key.as_pem(private=True).decode(), json.dumps(key.as_dict(private=True)), json.dumps({"keys": [key.as_dict(private=True)]})):
        file.write_text(content)
        (published,) = SigningKeys.load(file).public_set()["keys"]  # type: ignore[misc]
        assert published["x"] == key.as_dict(private=False)["x"]
        assert published["alg"] == "ES384"
        assert "d" not in published


@pytest.mark.parametrize("content", ["", "nonsense", "{}", '{"keys": []}', '{"keys": 7}', '{"kty": "oct", "k": "AAAA"}', '{"kty": "EC"}'])
def test_a_file_without_a_usable_key_is_named(tmp_path: Path, content: str) -> None:
    """What holds no RSA or EC private key stops the start."""
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as wrong:
        SigningKeys.load(file)
    assert "private_key" in wrong.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere stops the start."""
    with pytest.raises(ConfigurationError):
        SigningKeys.load(tmp_path / "absent")


def test_without_a_key_nothing_is_signed() -> None:
    """private_key_jwt without a key is a wrong setting, not an unsigned assertion."""
    with pytest.raises(ConfigurationError):
        SigningKeys().assertion(client_id="a", token_url="https://ehr.example.org/token")


def test_keys_of_other_kinds_are_left_out_of_a_set() -> None:
    """A JWK set may hold keys for other purposes; shared secrets never verify."""
    key = ECKey.generate_key("P-256", {"kid": "a"})
    entries = [key.as_dict(private=False), OctKey.generate_key(256).as_dict(private=True), {"kty": "OKP", "crv": "Ed25519"}, "text", None]
    assert [k.kid for k in read_key_set({"keys": entries}).keys] == ["a"]
    assert read_key_set({"keys": "none"}).keys == []
