"""`make audit` and `make release`: a finding passes only with a reason, what wasn't checked isn't clean, and the SBOM tells the model as it is."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> ModuleType:
    """Return a module of .ci/."""
    spec = importlib.util.spec_from_file_location(f"marginalia_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


audit, release = tool("audit"), tool("release")


@pytest.mark.parametrize(
    ("line", "justified"),
    [
        ("x = run(y)  # noqa: S603 - our own interpreter", True),
        ("x = run(y)  # noqa: S104, S603 - our own interpreter", True),
        ("x = run(y)  # noqa: S603  (our own interpreter)", True),
        ("x = run(y)  # noqa: S603", False),
        ("x = run(y)  # noqa: S607 - another rule", False),
        ("x = run(y)  # nosec", False),
        ("x = run(y)", False),
    ],
)
def test_a_finding_of_bandit_needs_its_rule_and_a_reason_at_the_line(line: str, justified: bool) -> None:
    """Silencing without a reason isn't justifying."""
    unjustified, _ = audit.judged([audit.Finding("bandit", "B603", "a.py", 3, line)], [])
    assert (unjustified == []) is justified


def test_an_entry_covers_its_rule_file_and_words_only_and_one_that_nothing_needs_is_told() -> None:
    """The list of what is accepted can neither grow over new findings nor keep what is gone."""
    entry = audit.Accepted("detect-secrets", "Secret Keyword", "tests/*.py", "SECRET = ", "The tests' own EHR hands it out.")
    found = audit.Finding("detect-secrets", "Secret Keyword", "tests/a.py", 1, 'SECRET = "x"')
    others = [
        audit.Finding("detect-secrets", "Secret Keyword", "cds_service/a.py", 1, 'SECRET = "x"'),
        audit.Finding("detect-secrets", "Private Key", "tests/a.py", 1, 'SECRET = "x"'),
        audit.Finding("detect-secrets", "Secret Keyword", "tests/a.py", 1, 'password = "x"'),
        # A remark of ruff justifies bandit's findings only.
        audit.Finding("detect-secrets", "S105", "tests/a.py", 1, 'x = "x"  # noqa: S105 - no secret'),
    ]
    assert audit.judged([found, *others], [entry]) == (others, [])
    assert audit.judged(others, [entry]) == (others, [entry])


def test_every_entry_of_the_product_says_why(tmp_path: Path) -> None:
    """accepted.toml is read, and an entry without a reason stops the audit."""
    assert audit.read_accepted(ROOT / ".ci" / "accepted.toml")
    silent = tmp_path / "accepted.toml"
    silent.write_text('[[accepted]]\ntool = "bandit"\nrule = "B1"\nfile = "*"\nline = ""\nwhy = "ok"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="don't say why"):
        audit.read_accepted(silent)


def test_a_package_that_could_not_be_looked_up_is_not_a_clean_one() -> None:
    """Without the advisories pip-audit skips every package and succeeds: that isn't taken for a result."""
    told = {
        "dependencies": [
            {"name": "flask", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}, {"id": "PYSEC-2", "fix_versions": []}]},
            {"name": "click", "version": "8.0", "vulns": []},
            {"name": "lxml", "skip_reason": "not found"},
        ]
    }
    found = audit.read_advisories(told)
    assert (found.looked_up, found.skipped) == (2, ("lxml",))
    assert found.vulnerable == ("flask 1.0: PYSEC-1, mended in 2.0", "flask 1.0: PYSEC-2, mended in no version yet")


def model(folder: Path, **manifest: Any) -> Path:
    """Write a model of one file."""
    (folder / "encoder.onnx").write_bytes(b"weights")
    entry = {"sha256": hashlib.sha256(b"weights").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"name": "m", "version": "1", "files": {"encoder.onnx": entry}} | manifest), encoding="utf-8")
    return folder


def test_the_sbom_tells_each_file_of_the_model(tmp_path: Path) -> None:
    """The hash of the model is the one that reviews tell: that of its manifest."""
    told = release.model_component(model(tmp_path))
    assert told["type"] == "machine-learning-model"
    assert told["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256((tmp_path / "manifest.json").read_bytes()).hexdigest()}]
    assert {part["name"]: part["hashes"][0]["content"] for part in told["components"]}["encoder.onnx"] == hashlib.sha256(b"weights").hexdigest()


def test_a_damaged_model_is_not_released(tmp_path: Path) -> None:
    """A file that isn't what the manifest says stops the release."""
    model(tmp_path)
    (tmp_path / "encoder.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"encoder\.onnx"):
        release.model_component(tmp_path)


def test_hashes_are_as_sha256sum_reads_them(tmp_path: Path) -> None:
    """Two spaces, paths from the folder."""
    (tmp_path / "a").write_bytes(b"")
    assert release.sums([tmp_path / "a"], tmp_path) == f"{hashlib.sha256(b'').hexdigest()}  a\n"
