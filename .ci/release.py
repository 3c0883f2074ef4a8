"""`make release`: what a release consists of, into dist/, from the last commit alone.

- wheel and sources, with the times of the commit, so that the same commit gives the same files;
- `*.cdx.json`, the SBOM (CycloneDX 1.6): what an installation with PostgreSQL has in it, and the model with the hash of each of its files;
- `model.sha256`, to check the model of an installation: `cd .../onnx_models/artefacts && sha256sum -c model.sha256`;
- `SHA256SUMS` of all of these.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ARTEFACTS = Path("onnx_models/artefacts")
_EXTRA = "postgres"  # what the container has


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums(files: list[Path], root: Path) -> str:
    """Return the hashes of files as `sha256sum -c` reads them."""
    return "".join(f"{digest(file)}  {file.relative_to(root)}\n" for file in sorted(files))


def model_component(folder: Path) -> dict[str, Any]:
    """Return the model as a component of the SBOM: each file with its hash; raises ValueError where one isn't what its manifest says."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(path for path in folder.iterdir() if path.is_file())
    wrong = [name for name, entry in manifest["files"].items() if digest(folder / name) != entry["sha256"]]
    if wrong:
        raise ValueError(f"not what the manifest says: {', '.join(wrong)}")

    def hashed(path: Path) -> list[dict[str, str]]:
        return [{"alg": "SHA-256", "content": digest(path)}]

    parts = [{"type": "file", "bom-ref": f"model/{path.name}", "name": path.name, "hashes": hashed(path)} for path in files]
    told = {"type": "machine-learning-model", "bom-ref": "model", "name": manifest["name"], "version": manifest["version"]}
    # The manifest's hash stands for all: it is what a review and its audit event tell as the model.
    return told | {"hashes": hashed(folder / "manifest.json"), "components": parts}


def _run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    ran = subprocess.run([str(c) for c in command], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False)  # noqa: S603 - our own tools
    if ran.returncode:
        print(f"{' '.join(map(str, command))}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}", file=sys.stderr)
        raise SystemExit(1)
    return ran.stdout


def bill(source: Path, environment: Path, folder: Path) -> dict[str, Any]:
    """Return the SBOM of an environment, with the model; it is checked against CycloneDX's schema."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    tool = Path(sys.executable).with_name("cyclonedx-py")
    form = ("--output-format", "JSON", "--output-reproducible", "--spec-version", "1.6", "--mc-type", "application")
    _run(tool, "environment", *form, "--pyproject", source / "pyproject.toml", "-o", folder / "bom.json", environment / "bin" / "python")
    told: dict[str, Any] = json.loads((folder / "bom.json").read_text(encoding="utf-8"))
    told["components"].append(model_component(source / ARTEFACTS))
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(told)):
        raise SystemExit(f"the SBOM isn't valid: {error}")
    return told


def main() -> int:
    """Make dist/."""
    changed = _run("git", "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        print(f"Not in the release: {len(changed)} changes that aren't committed.", file=sys.stderr)
    moment, dist = _run("git", "log", "-1", "--format=%ct").strip(), ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source, environment = folder / "source", folder / "environment"
        source.mkdir()
        _run("git", "archive", "--format=tar", "-o", folder / "source.tar", "HEAD")
        _run("tar", "-x", "-f", folder / "source.tar", "-C", source)
        _run(sys.executable, "-m", "build", "--outdir", dist, source, SOURCE_DATE_EPOCH=moment)
        (wheel,) = dist.glob("*.whl")
        _run(sys.executable, "-m", "venv", "--without-pip", environment)
        target = ("--python", environment / "bin" / "python")
        _run(sys.executable, "-m", "pip", *target, "install", "-q", "-c", source / "requirements.lock", f"{wheel}[{_EXTRA}]")
        told = bill(source, environment, folder)
        name = "-".join(wheel.name.split("-")[:2])
        (dist / f"{name}.cdx.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        artefacts = [path for path in (source / ARTEFACTS).iterdir() if path.is_file()]
        (dist / "model.sha256").write_text(sums(artefacts, source / ARTEFACTS), encoding="utf-8")
    (dist / "SHA256SUMS").write_text(sums([path for path in dist.iterdir() if path.name != "SHA256SUMS"], dist), encoding="utf-8")
    print((dist / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    print(f"{len(told['components']) - 1} packages and the model {told['components'][-1]['version']} stand in the SBOM.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
