"""Agreement of two independent codings of the same notes. See "Double coding" in docs/annotation-guide.md.

`gold/second/<split>/second/*.jsonl` is the second coding, `gold/second/<split>/first/*.jsonl` the first as it was when both were compared,
before any correction. Both hold codes, offsets and hashes only.

- `python -m onnx_models.evaluation.agreement` reports every split that was coded twice.
- `... report --split dev --current` compares the second coding with the gold as it is now; `--disagreements` lists what differs, and with
  `--data DIR` in the words of the notes.
- `... build --data DIR DRAFT ...` validates drafts of the second coder and writes both files; notes that were coded twice before stay.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from onnx_models.evaluation.annotate import Draft, problems_of, read_drafts
from onnx_models.evaluation.notes import GOLD, SOURCES, sha256, source_texts, splits
from onnx_models.training.terms import TabularList

__all__ = ["SECOND", "Agreement", "Coding", "Disagreement", "Entry", "agreement", "disagreements", "kappa", "read"]

SECOND = GOLD / "second"
Key = tuple[str, str]  # source, id
_DRAWS = 1000  # of the bootstrap
_SEED = 17


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of one coder."""

    code: str
    required: bool
    first: bool  # principal
    may_be_first: bool
    alternatives: frozenset[str]
    evidence: tuple[tuple[int, int], ...]

    @property
    def accepted(self) -> frozenset[str]:
        """Return the code with its alternatives."""
        return self.alternatives | {self.code}


@dataclass(frozen=True, slots=True)
class Coding:
    """What one coder made of one note."""

    entries: tuple[Entry, ...]
    not_coded: Mapping[str, str]  # code: reason

    @property
    def required(self) -> set[str]:
        """Return the required codes, as written."""
        return {e.code for e in self.entries if e.required}

    @property
    def accepted(self) -> set[str]:
        """Return every code that this coder accepts: any status, alternatives included."""
        return {c for e in self.entries for c in e.accepted}

    @property
    def principal(self) -> str:
        """Return the principal (first-listed) code."""
        return next(e.code for e in self.entries if e.first)

    @property
    def may_lead(self) -> set[str]:
        """Return every code that this coder accepts as the principal one."""
        return {c for e in self.entries if e.first or e.may_be_first for c in e.accepted}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures over the notes that both have coded; shares are 0 to 1.

    `f1` compares the required codes as written, and `f1_category` their first three characters. Codes that neither coder wrote are without number,
    so that kappa over all codes tends to the F1 (Hripcsak and Rothschild, JAMIA 2005). `written` counts a required code that the other coding has
    with whatever status; `met` also one that an alternative of either coder makes the same.
    """

    notes: int
    required: tuple[int, int]  # codes of the first coder, of the second
    f1: float
    f1_interval: tuple[float, float]  # 95 %, bootstrap over notes
    f1_category: float
    written: tuple[float, float]  # share of the first coder's that the second has, and the other way about
    met: tuple[float, float]
    met_category: tuple[float, float]
    principal_same: float
    principal_met: float
    principal_category: float
    status_kappa: float  # required or acceptable, over the codes that both wrote
    evidence: float  # share of those codes whose words overlap


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One required code of one coder that the other doesn't require as written, or a principal that the other wouldn't accept."""

    note: Key
    coder: str  # "first" | "second": whose code it is
    code: str
    kind: str  # "missing" | "detail" | "alternative" | "status" | "principal"; or "not coded: <reason>"
    other: tuple[str, ...]  # what the other coder has in its place
    evidence: tuple[tuple[int, int], ...]


def _coding(raw: Mapping[str, Any]) -> Coding:
    entries = tuple(
        Entry(
            c["code"], c["status"] == "required", c.get("principal", False), c.get("mayBeFirst", False), frozenset(c.get("alternatives", ())),
            tuple((int(b), int(e)) for b, e in c["evidence"]),
        )
        for c in raw["codes"]
    )  # fmt: skip
    return Coding(entries, {n["code"]: n["reason"] for n in raw["notCoded"]})


def read(folder: Path) -> dict[Key, Coding]:
    """Return the codings of a folder of built files `<source>.jsonl` by source and id."""
    return {
        (source, raw["id"]): _coding(raw)
        for source in SOURCES
        if (path := folder / f"{source}.jsonl").exists()
        for raw in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }


def _category(codes: set[str]) -> set[str]:
    return {c[:3] for c in codes}


def _f1(pairs: Sequence[tuple[set[str], set[str]]]) -> float:
    total = sum(len(a) + len(b) for a, b in pairs)
    return 2 * sum(len(a & b) for a, b in pairs) / total if total else 1.0


def _interval(pairs: Sequence[tuple[set[str], set[str]]]) -> tuple[float, float]:
    chance = random.Random(_SEED)  # noqa: S311 - a bootstrap, no secret
    drawn = sorted(_f1(chance.choices(pairs, k=len(pairs))) for _ in range(_DRAWS))
    return drawn[int(0.025 * _DRAWS)], drawn[int(0.975 * _DRAWS) - 1]


def _met(own: Coding, other: Coding) -> tuple[int, ...]:
    """Return how many codes `own` requires; and how many of them `other` wrote, accepts, and has in the category."""
    required, accepted, written = [e for e in own.entries if e.required], other.accepted, {e.code for e in other.entries}
    near = sum(bool(_category(set(e.accepted)) & _category(accepted)) for e in required)
    return len(required), sum(e.code in written for e in required), sum(bool(e.accepted & accepted) for e in required), near


def _overlap(one: Entry, two: Entry) -> bool:
    return any(b < e2 and b2 < e for b, e in one.evidence for b2, e2 in two.evidence)


def kappa(pairs: Sequence[tuple[object, object]]) -> float:
    """Return Cohen's kappa of two raters over the same items; 1.0 where chance alone leaves nothing to disagree about."""
    if not pairs:
        return 1.0
    n = len(pairs)
    seen = sum(a == b for a, b in pairs) / n
    one, two = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(one[label] * two[label] for label in one) / n**2
    return 1.0 if chance == 1 else (seen - chance) / (1 - chance)


def agreement(first: Mapping[Key, Coding], second: Mapping[Key, Coding]) -> Agreement:
    """Return the agreement over the notes that both have. Raises ValueError if there is none."""
    both = [(first[k], second[k]) for k in sorted(first.keys() & second.keys())]
    if not both:
        raise ValueError("The two codings have no note in common.")
    required = [(a.required, b.required) for a, b in both]
    ahead, back = ([sum(column) for column in zip(*rows, strict=True)] for rows in ([_met(a, b) for a, b in both], [_met(b, a) for a, b in both]))
    shared = [(e, other) for a, b in both for e in a.entries for other in b.entries if e.code == other.code]
    return Agreement(
        notes=len(both),
        required=(ahead[0], back[0]),
        f1=_f1(required),
        f1_interval=_interval(required),
        f1_category=_f1([(_category(a), _category(b)) for a, b in required]),
        written=(ahead[1] / ahead[0], back[1] / back[0]),
        met=(ahead[2] / ahead[0], back[2] / back[0]),
        met_category=(ahead[3] / ahead[0], back[3] / back[0]),
        principal_same=sum(a.principal == b.principal for a, b in both) / len(both),
        principal_met=sum(bool(a.may_lead & b.may_lead) for a, b in both) / len(both),
        principal_category=sum(bool(_category(a.may_lead) & _category(b.may_lead)) for a, b in both) / len(both),
        status_kappa=kappa([(e.required, other.required) for e, other in shared]),
        evidence=sum(_overlap(e, other) for e, other in shared) / len(shared) if shared else 1.0,
    )


def _kind(entry: Entry, other: Coding, *, near: bool) -> str:
    if entry.code in {e.code for e in other.entries}:
        return "status"
    if entry.accepted & other.accepted:
        return "alternative"
    reason = next((other.not_coded[c] for c in sorted(entry.accepted) if c in other.not_coded), None)
    return "detail" if near else f"not coded: {reason}" if reason else "missing"


def _differences(key: Key, coder: str, own: Coding, other: Coding) -> Iterator[Disagreement]:
    for e in own.entries:
        if e.required and e.code not in other.required:
            near = tuple(sorted(o.code for o in other.entries if _category(set(o.accepted)) & _category(set(e.accepted))))
            yield Disagreement(key, coder, e.code, _kind(e, other, near=bool(near)), near, e.evidence)


def disagreements(first: Mapping[Key, Coding], second: Mapping[Key, Coding]) -> list[Disagreement]:
    """Return what one coder requires and the other doesn't require as written, note by note."""
    found: list[Disagreement] = []
    for key in sorted(first.keys() & second.keys()):
        a, b = first[key], second[key]
        found += [*_differences(key, "first", a, b), *_differences(key, "second", b, a)]
        if not a.may_lead & b.may_lead:
            lead = next(e for e in a.entries if e.first)
            found.append(Disagreement(key, "first", lead.code, "principal", (b.principal,), lead.evidence))
    return found


def _report(name: str, figures: Agreement) -> Iterator[str]:
    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    low, high = figures.f1_interval
    yield f"{name}: {figures.notes} notes, required codes {figures.required[0]} (first) and {figures.required[1]} (second)"
    yield f"  F1 of required codes, as written     {share(figures.f1)}  (95 %: {share(low)} to {share(high)})"
    yield f"  F1 of their first three characters   {share(figures.f1_category)}"
    for at, whose in enumerate(("first's required that second has ", "second's required that first has ")):
        yield (
            f"  {whose}    {share(figures.written[at])}  (alternatives counted {share(figures.met[at])}, three characters {share(figures.met_category[at])})"
        )
    yield (
        f"  principal: same code                 {share(figures.principal_same)}  (acceptable to both {share(figures.principal_met)}, "
        f"three characters {share(figures.principal_category)})"
    )
    yield f"  kappa of required or acceptable      {figures.status_kappa:.2f}"
    yield f"  same code, words that overlap        {share(figures.evidence)}"


def _rows(drafts: Sequence[Draft], texts: Mapping[str, str]) -> str:
    rows = [
        {"id": d.id, "setting": d.setting, "sha256": sha256(texts[d.id]), "codes": d.codes, "notCoded": d.not_coded, "gaps": d.gaps}
        for d in sorted(drafts, key=lambda d: d.id)
    ]
    return "".join(json.dumps(r, separators=(",", ":")) + "\n" for r in rows)


def _by_id(rows: str) -> dict[str, str]:
    return {json.loads(line)["id"]: line for line in rows.splitlines(keepends=True)}


def _lines(path: Path) -> dict[str, str]:
    """Return the lines of a built file by note; none if there is no such file yet."""
    return _by_id(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(path: Path, lines: Mapping[str, str]) -> None:
    path.write_text("".join(lines[i] for i in sorted(lines)), encoding="utf-8")


def _valid(paths: Sequence[Path], data: Path) -> list[Draft]:
    """Return the drafts of the files. Raises ClickException with every problem."""
    tabular, drafts = TabularList(), []
    problems: list[str] = []
    for path in paths:
        drafts += list(read_drafts(path, data, problems))
    problems += [line for d in drafts for line in problems_of(d, tabular)]
    problems += [f"{source} {identifier}: drafted {n} times" for (source, identifier), n in Counter((d.source, d.id) for d in drafts).items() if n > 1]
    if problems:
        raise click.ClickException("\n".join([f"{len(problems)} errors", *problems]))
    return drafts


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Report the agreement of two codings."""
    if context.invoked_subcommand is None:
        context.invoke(report)


@main.command()
@click.option("--split", type=click.Choice(["dev", "test"]), help="Only this split.")
@click.option("--current", is_flag=True, help="Compare with the gold as it is now, not as it was when it was compared.")
@click.option("--disagreements", "listed", is_flag=True, help="List what differs.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Data folder: the list then shows the words of the notes.")
def report(split: str | None = None, *, current: bool = False, listed: bool = False, data: Path | None = None) -> None:
    """Print the figures of each split that was coded twice."""
    texts = {source: source_texts(source, data) for source in SOURCES} if data else {}
    for folder in sorted(p for p in SECOND.iterdir() if p.is_dir() and split in (None, p.name)):
        first, second = read(GOLD if current else folder / "first"), read(folder / "second")
        click.echo("\n".join(_report(folder.name, agreement(first, second))))
        for d in disagreements(first, second) if listed else ():
            text = texts[d.note[0]][d.note[1]] if texts else ""
            words = " | ".join(" ".join(text[b:e].split()) for b, e in d.evidence[:4])
            click.echo(f"{' '.join(d.note)}\t{d.coder}\t{d.code}\t{d.kind}\t{','.join(d.other)}\t{words}".rstrip())


@main.command()
@click.argument("drafts", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Data folder.")
def build(drafts: tuple[Path, ...], data: Path) -> None:
    """Write the second coding, and beside it the first as it is now; a first that stands already is left as it is, and so are notes without a draft here."""
    known = splits()
    by_place: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for draft in _valid(drafts, data):
        by_place[known[draft.source][draft.id], draft.source].append(draft)
    for (split, source), found in by_place.items():
        for name in ("first", "second"):
            (SECOND / split / name).mkdir(parents=True, exist_ok=True)
        second, frozen, ids = SECOND / split / "second" / f"{source}.jsonl", SECOND / split / "first" / f"{source}.jsonl", {d.id for d in found}
        _write(second, _lines(second) | _by_id(_rows(found, source_texts(source, data))))
        _write(frozen, {i: line for i, line in _lines(GOLD / f"{source}.jsonl").items() if i in ids} | _lines(frozen))
        click.echo(f"{split} {source}: {len(found)} notes", err=True)


if __name__ == "__main__":
    main()
