"""`make audit`: bandit, detect-secrets and pip-audit, with every accepted finding justified.

A finding of bandit is justified at its line by `# noqa: S<number> - <why>` (ruff's S rules are bandit's, and ruff finds those that are no longer needed);
one that ruff doesn't have, and every finding of detect-secrets, by an entry of accepted.toml. What isn't justified fails, and so does an entry
that nothing matches.
Exit codes: 0 clean, 1 findings, 2 a tool failed. What couldn't be checked is said; with --strict it fails.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cds_service", "fhir_mappers", "onnx_models", "smart_app", ".ci")
_LEFT_OUT = ("onnx_models/artefacts/", ".ci/accepted.toml")  # trained weights, whose hashes `make release` tells; quotations of findings


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a tool, with the source line that it is about."""

    tool: str
    rule: str
    file: str
    number: int
    line: str

    def __str__(self) -> str:
        return f"{self.tool} {self.rule} {self.file}:{self.number}: {self.line.strip()[:120]}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An entry of accepted.toml: findings of a rule, in files of a pattern, whose line holds some words."""

    tool: str
    rule: str
    file: str
    line: str
    why: str

    def covers(self, finding: Finding) -> bool:
        """Return whether the entry is about a finding."""
        return (self.tool, self.rule) == (finding.tool, finding.rule) and fnmatch(finding.file, self.file) and self.line in finding.line


@dataclass(frozen=True, slots=True)
class Advisories:
    """What pip-audit came to: how many packages were looked up, which weren't, and which are vulnerable."""

    looked_up: int
    skipped: tuple[str, ...]
    vulnerable: tuple[str, ...]


def justified_at_line(finding: Finding) -> bool:
    """Return whether the line itself names the rule and says why it doesn't apply."""
    if finding.tool != "bandit":
        return False
    match = re.search(r"# noqa: ([A-Z0-9, ]+?)\s+(?:- |\()(\S.*)", finding.line)
    return match is not None and f"S{finding.rule[1:]}" in re.split(r"[, ]+", match[1])


def judged(findings: Iterable[Finding], accepted: Sequence[Accepted]) -> tuple[list[Finding], list[Accepted]]:
    """Return the findings that nothing justifies, and the entries that no finding needs."""
    open_findings, needed = [], set()
    for finding in findings:
        entries = [entry for entry in accepted if entry.covers(finding)]
        needed.update(entries)
        if not entries and not justified_at_line(finding):
            open_findings.append(finding)
    return open_findings, [entry for entry in accepted if entry not in needed]


def read_accepted(path: Path) -> list[Accepted]:
    """Return the entries of accepted.toml; each must say why."""
    entries = [Accepted(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["accepted"]]
    if silent := [entry for entry in entries if len(entry.why) < 20]:
        raise SystemExit(f"{path.name} has entries that don't say why: {silent}")
    return entries


def read_advisories(told: dict[str, Any]) -> Advisories:
    """Return what pip-audit's JSON says. A package that it couldn't look up isn't a clean one."""
    packages = told["dependencies"]
    looked_up = [p for p in packages if "skip_reason" not in p]
    vulnerable = [f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version yet'}" for p in looked_up for v in p["vulns"]]
    return Advisories(len(looked_up), tuple(p["name"] for p in packages if "skip_reason" in p), tuple(vulnerable))


def _ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - tools of our own virtual environment


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _told(ran: subprocess.CompletedProcess[str], tool: str) -> Any:
    try:
        return json.loads(ran.stdout)
    except ValueError:
        print(f"{tool} failed: {(ran.stderr.strip().splitlines() or ['no output'])[-1]}", file=sys.stderr)
        raise SystemExit(2) from None


def _line(file: str, number: int) -> str:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def bandit() -> list[Finding]:
    """Run bandit over the packages."""
    told = _told(_ran(_tool("bandit"), "-q", "-f", "json", "-r", *PACKAGES), "bandit")
    if told["errors"]:
        raise SystemExit(f"bandit couldn't read {told['errors']}")
    found = []
    for result in told["results"]:
        # Of a statement over several lines, the line that bandit means is the one with the justification or the first.
        numbers = [result["line_number"], *result["line_range"]]
        best = next((n for n in numbers if "noqa" in _line(result["filename"], n)), result["line_number"])
        found.append(Finding("bandit", result["test_id"], result["filename"], best, _line(result["filename"], best)))
    return found


def secrets() -> list[Finding]:
    """Run detect-secrets over all files under version control."""
    files = [f for f in _ran("git", "ls-files").stdout.splitlines() if not f.startswith(_LEFT_OUT) and (ROOT / f).is_file()]
    told = _told(_ran(_tool("detect-secrets"), "scan", "--no-verify", *files), "detect-secrets")
    return [
        Finding("detect-secrets", result["type"], file, result["line_number"], _line(file, result["line_number"]))
        for file, results in told["results"].items()
        for result in results
    ]


def advisories() -> Advisories | str:
    """Run pip-audit over the lock; where it has no answer, return why."""
    ran = _ran(_tool("pip-audit"), "-r", "requirements.lock", "--disable-pip", "--no-deps", "-f", "json", "--progress-spinner", "off")
    try:
        return read_advisories(json.loads(ran.stdout))
    except (ValueError, KeyError):
        return (ran.stderr.strip().splitlines() or ["no output"])[-1][:200]


def main() -> int:
    """Run the three tools and tell what they found."""
    parser = argparse.ArgumentParser(description="bandit, detect-secrets and pip-audit, with every accepted finding justified.")
    parser.add_argument("--strict", action="store_true", help="fail where the advisories couldn't be looked up")
    given = parser.parse_args()
    accepted = read_accepted(Path(__file__).with_name("accepted.toml"))
    findings = [*bandit(), *secrets()]
    unjustified, unneeded = judged(findings, accepted)
    for finding in unjustified:
        print(f"FAIL  {finding}")
    for entry in unneeded:
        print(f"FAIL  accepted.toml has an entry that nothing needs: {entry.tool} {entry.rule} {entry.file} {entry.line!r}")
    print(f"bandit, detect-secrets: {len(findings)} findings, {len(findings) - len(unjustified)} justified")
    told = advisories()
    if isinstance(told, Advisories):
        for advisory in told.vulnerable:
            print(f"FAIL  {advisory}")
        print(f"pip-audit: {told.looked_up} packages looked up, {len(told.vulnerable)} advisories; NOT CHECKED for want of an answer: {len(told.skipped)}")
        vulnerable, unchecked = bool(told.vulnerable), bool(told.skipped)
    else:
        print(f"pip-audit: NOT CHECKED, the advisories can't be reached from here ({told})")
        vulnerable, unchecked = False, True
    return 1 if unjustified or unneeded or vulnerable or (given.strict and unchecked) else 0


if __name__ == "__main__":
    raise SystemExit(main())
