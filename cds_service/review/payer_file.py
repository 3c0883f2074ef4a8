"""A payer's rule file: TOML to rules, with every fault told by its line.

The format is in docs/code-sets.md, and as a JSON Schema in tables/payer-rules.schema.json. Reading and checking only; nothing here opens a file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import combinations
from typing import Any

from cds_service.errors import RuleError
from cds_service.review.codeset import ICD10CM, CodeSet, CodeSets
from cds_service.review.payer import Claim, Condition, PayerRule, PayerRules, PayerTest
from fhir_mappers.record import Setting
from fhir_mappers.systems import CPT, HCPCS

FORMAT = "marginalia-payer-rules/1"
_DIAGNOSIS = re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{1,4})?")
_SERVICE = re.compile(r"\d{4}[0-9A-Z]|[A-Z]\d{4}")
_REASON = re.compile(r"(?:CO|OA|PI|PR)-[A-Z]?\d{1,3}")
_ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_SETTINGS = tuple(s.value for s in Setting)
_SEXES = ("female", "male", "other", "unknown")
# Field -> (type, needed).
_FILE: Mapping[str, tuple[type, bool]] = {
    "format": (str, True), "payer": (str, True), "version": (str, True), "names": (list, False), "rules": (list, True),
}  # fmt: skip
_RULE: Mapping[str, tuple[type, bool]] = {
    "id": (str, True), "title": (str, True), "from": (date, True), "to": (date, False), "source": (str, True), "severity": (str, False),
    "explanation": (str, True), "remedy": (str, True), "reason_code": (str, False), "when": (dict, True), "unless": (dict, False), "tests": (list, True),
}  # fmt: skip
_CONDITION: Mapping[str, tuple[type, bool]] = {
    "diagnoses": (list, False), "first": (list, False), "services": (list, False), "settings": (list, False), "sex": (str, False),
    "age_from": (int, False), "age_to": (int, False),
}  # fmt: skip
_TEST: Mapping[str, tuple[type, bool]] = {
    "name": (str, True), "date": (date, True), "diagnoses": (list, True), "services": (list, False), "setting": (str, False), "sex": (str, False),
    "age": (int, False), "finds": (bool, True),
}  # fmt: skip
_WORDS = {str: "text", list: "a list of texts", date: "a date such as 2027-01-01", dict: "a table", int: "a whole number", bool: "true or false"}
Path = tuple[str | int, ...]


class RuleFile:
    """One rule file as text, which knows the line of each of its fields."""

    def __init__(self, name: str, text: str) -> None:
        """Take a file. Raises RuleError, with the line, where it isn't TOML."""
        self.name = name
        self._lines = text.splitlines()
        try:
            self.content: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"at line (\d+)", str(error))
            line = int(at[1]) if at else len(self._lines)
            raise RuleError(f"{name}, line {line}: not TOML ({str(error).split(' (at')[0]}).", "Mend the line.") from error
        self._places = dict(_places(self._lines))

    def wrong(self, path: Path, what: str, remedy: str = "Mend the line.", *, value: str | None = None) -> RuleError:
        """Return the error of a field; `value` is the one among several that is wrong."""
        while path and path not in self._places:
            path = path[:-1]
        line = self._places.get(path, 1)
        if value is not None:
            quoted = (f'"{value}"', f"'{value}'")
            line = next((n for n in range(line, len(self._lines) + 1) if any(q in self._lines[n - 1] for q in quoted)), line)
        return RuleError(f"{self.name}, line {line}: {what}.", remedy)


def _places(lines: list[str]) -> Iterator[tuple[Path, int]]:
    """Yield the path of each table and field with its line."""
    counts: dict[Path, int] = {}
    at: Path = ()
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\s-]+?)\s*\]", line):
            names = [n.strip() for n in header[2].split(".")]
            at = ()
            for depth, name in enumerate(names):
                at = (*at, name)
                repeated = header[1] == "[[" and depth == len(names) - 1
                if repeated:
                    counts[at] = counts.get(at, -1) + 1
                if at in counts:
                    at = (*at, counts[at])
            yield at, number
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            yield (*at, key[1]), number


def payer_rules(name: str, text: str, releases: CodeSets) -> PayerRules:
    """Return the rules of a file after checking all of it, its own tests included.

    Args:
        name: what messages call the file.
        text: the file.
        releases: code sets at hand, to know wrong codes.

    Raises:
        RuleError: a fault, with its line: unknown or missing field, wrong type, wrong code, overlapping dates, a test that fails.
    """
    file = RuleFile(name, text)
    content = file.content
    _fields(file, (), content, _FILE)
    if content["format"] != FORMAT:
        raise file.wrong(("format",), f"the format is {content['format']!r}, where {FORMAT!r} is expected")
    rules = tuple(_rule(file, ("rules", i), entry, releases) for i, entry in enumerate(content["rules"]))
    for (i, one), (j, other) in combinations(enumerate(rules), 2):
        if one.id == other.id and one.begins <= (other.ends or date.max) and other.begins <= (one.ends or date.max):
            what = f"the dates of rule {other.id} overlap those of the rule of the same id at number {i + 1}"
            raise file.wrong(("rules", j, "from"), what, "End the earlier one the day before.")
    return PayerRules(content["payer"], content["version"], _texts(file, ("names",), content.get("names", [])), rules)


def _rule(file: RuleFile, path: Path, entry: Any, releases: CodeSets) -> PayerRule:
    if not isinstance(entry, dict):
        raise file.wrong(path, "a table [[rules]] is expected")
    _fields(file, path, entry, _RULE)
    if not _ID.fullmatch(entry["id"]):
        raise file.wrong((*path, "id"), f"{entry['id']!r} is no id: small letters, digits, hyphens and dots")
    begins, ends = entry["from"], entry.get("to")
    if ends is not None and ends < begins:
        raise file.wrong((*path, "to"), f"the rule ends on {ends}, before it begins on {begins}")
    _one_of(file, (*path, "severity"), entry.get("severity", "warning"), ("warning", "critical"))
    if (reason := entry.get("reason_code")) is not None and not _REASON.fullmatch(reason):
        raise file.wrong((*path, "reason_code"), f"{reason!r} is no reason code with its group, such as CO-11")
    when = _condition(file, (*path, "when"), entry["when"], begins, ends, releases)
    unless = _condition(file, (*path, "unless"), entry.get("unless", {}), begins, ends, releases)
    if when == Condition():
        raise file.wrong((*path, "when"), "a rule without a condition would find something on every claim")
    tests = tuple(_test(file, (*path, "tests", i), t) for i, t in enumerate(entry["tests"]))
    texts = (entry["id"], entry["title"], entry["source"], entry["explanation"], entry["remedy"])
    rule = PayerRule(*texts, when, unless, begins, ends, entry.get("severity", "warning"), reason, tests)
    for i, test in enumerate(tests):
        if rule.finds(test.claim, test.on) != test.finds:
            found = "finds nothing" if test.finds else "finds something"
            raise file.wrong((*path, "tests", i), f"rule {rule.id} {found} in its test {test.name!r}", "Mend the rule or the test.")
    if {t.finds for t in tests} != {True, False}:
        raise file.wrong((*path, "tests"), f"rule {rule.id} needs a test that finds something and one that doesn't", "Add the test.")
    return rule


def _condition(file: RuleFile, path: Path, entry: dict[str, Any], begins: date, ends: date | None, releases: CodeSets) -> Condition:
    _fields(file, path, entry, _CONDITION)
    lists = {key: _texts(file, (*path, key), entry.get(key, [])) for key in ("diagnoses", "first", "services", "settings")}
    for key in ("diagnoses", "first"):
        for code in lists[key]:
            if fault := _fault(code, begins, ends, releases):
                raise file.wrong((*path, key), fault, "Give a code, or the beginning of codes, that is in force while the rule is.", value=code)
    for code in lists["services"]:
        if fault := _service_fault(code, begins, ends, releases):
            raise file.wrong((*path, "services"), fault, "Give a HCPCS or CPT code that is in force while the rule is.", value=code)
    for setting in lists["settings"]:
        _one_of(file, (*path, "settings"), setting, _SETTINGS)
    if (sex := entry.get("sex")) is not None:
        _one_of(file, (*path, "sex"), sex, _SEXES)
    return Condition(**lists, sex=sex, age_from=entry.get("age_from"), age_to=entry.get("age_to"))


def _test(file: RuleFile, path: Path, entry: Any) -> PayerTest:
    if not isinstance(entry, dict):
        raise file.wrong(path, "a table [[rules.tests]] is expected")
    _fields(file, path, entry, _TEST)
    diagnoses = _texts(file, (*path, "diagnoses"), entry["diagnoses"])
    services = _texts(file, (*path, "services"), entry.get("services", []))
    setting = entry.get("setting", Setting.OUTPATIENT.value)
    _one_of(file, (*path, "setting"), setting, _SETTINGS)
    return PayerTest(entry["name"], entry["date"], Claim(diagnoses, services, setting, entry.get("sex"), entry.get("age")), entry["finds"])


def _fields(file: RuleFile, path: Path, entry: dict[str, Any], known: Mapping[str, tuple[type, bool]]) -> None:
    for key, value in entry.items():
        if key not in known:
            raise file.wrong((*path, key), f"there is no field '{key}' here", f"The fields are {', '.join(known)}.")
        kind = known[key][0]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or (kind is date and type(value) is not date):
            raise file.wrong((*path, key), f"'{key}' is {value!r}, where {_WORDS[kind]} is expected")
        if value == "":
            raise file.wrong((*path, key), f"'{key}' is empty")
    for key, (_, needed) in known.items():
        if needed and key not in entry:
            raise file.wrong(path, f"the field '{key}' is missing", "Add it.")


def _texts(file: RuleFile, path: Path, values: list[Any]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or not value:
            raise file.wrong(path, f"{value!r} stands in a list of texts")
    return tuple(values)


def _one_of(file: RuleFile, path: Path, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise file.wrong(path, f"{value!r} is none of {', '.join(allowed)}")


def _during(system: str, begins: date, ends: date | None, releases: CodeSets) -> list[CodeSet]:
    """Return the releases of a system that are in force on a day of a span."""
    return [r for r in releases.of(system) if r.effective_from <= (ends or date.max) and (r.effective_to is None or begins <= r.effective_to)]


def _fault(code: str, begins: date, ends: date | None, releases: CodeSets) -> str | None:
    """Return what is wrong with the beginning of a diagnosis code while a rule is in force, or None."""
    if not _DIAGNOSIS.fullmatch(code):
        return f"{code} is no ICD-10-CM code, with its dot"
    for release in _during(ICD10CM, begins, ends, releases):
        if not release.is_valid(code) and not any(b.startswith(code) for b in release.billable):
            gone = release.retired.get(code)
            return gone.told().rstrip(".") if gone else f"{code} is no code of ICD-10-CM {release.version}"
    return None


def _service_fault(code: str, begins: date, ends: date | None, releases: CodeSets) -> str | None:
    if not _SERVICE.fullmatch(code):
        return f"{code} is no HCPCS or CPT code"
    system = CPT if code[0].isdigit() else HCPCS
    for release in _during(system, begins, ends, releases):
        if not release.is_valid(code):
            gone = release.retired.get(code)
            return gone.told().rstrip(".") if gone else f"{code} is no code of release {release.version}"
    return None
