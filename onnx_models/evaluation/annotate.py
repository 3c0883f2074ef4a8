"""Tool of the annotation guide: queue, show, check, build. See docs/annotation-guide.md."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from onnx_models.evaluation.notes import GOLD, SOURCES, eligible, sha256, source_texts, split_rule, splits
from onnx_models.training.terms import TabularList

DRAFTS = Path(".work/annotation")
REASONS = frozenset(
    {
        "negated", "family", "other person", "historical", "ruled out", "uncertain", "hypothetical", "integral", "less specific", "ros only", "finding",
        "not addressed", "excluded",
    }
)  # fmt: skip
FAMILIES = frozenset({"specificity", "acuity", "laterality", "linkage", "poa", "validation", "conflict", "indicator", "imaging", "recapture"})


class DraftError(ValueError):
    """A draft breaks a rule; the message names file, line and remedy."""


@dataclass(slots=True)
class Draft:
    """One coded note as written."""

    source: str
    id: str
    setting: str
    where: str
    codes: list[dict[str, object]] = field(default_factory=list)
    not_coded: list[dict[str, object]] = field(default_factory=list)
    gaps: list[dict[str, str]] = field(default_factory=list)


def _whole(text: str, words: str, *, exact: bool = True) -> list[tuple[int, int]]:
    left = r"(?<![A-Za-z0-9])" if words[:1].isalnum() else ""
    right = r"(?![A-Za-z0-9])" if words[-1:].isalnum() else ""
    return [m.span() for m in re.finditer(left + re.escape(words) + right, text, 0 if exact else re.IGNORECASE)]


def spans(text: str, excerpt: str, where: str) -> list[list[int]]:
    """Return the offsets of an excerpt as the guide writes it. Raises DraftError."""
    excerpt, _, context = (part.strip() for part in excerpt.partition(" << "))
    match = re.fullmatch(r"(.+?)#(\d+|\*)", excerpt)
    words, mark = (match[1], match[2]) if match else (excerpt, "1")
    if context:
        for begin, end in _whole(text, context):
            inner = _whole(text[begin:end], words)
            if inner:
                return [[begin + inner[0][0], begin + inner[0][1]]]
        raise DraftError(f"{where}: the context isn't verbatim in the note, or doesn't hold the excerpt: {context!r}")
    found = _whole(text, words, exact=mark != "*")
    if not found or (mark != "*" and len(found) < int(mark)):
        raise DraftError(f"{where}: not verbatim in the note (case and spaces count), or no such occurrence: {excerpt!r}")
    return [list(f) for f in (found if mark == "*" else [found[int(mark) - 1]])]


def _parse_line(line: str, text: str, draft: Draft, where: str) -> None:
    mark, _, rest = line.partition(" ")
    if mark == "?":
        family, _, about = (part.strip() for part in rest.partition("|"))
        if family not in FAMILIES or not about:
            raise DraftError(f"{where}: a gap is '? family | about', family one of {', '.join(sorted(FAMILIES))}")
        draft.gaps.append({"family": family, "about": about})
        return
    head, *excerpts = (part.strip() for part in rest.split(" | "))
    if not excerpts:
        raise DraftError(f"{where}: an excerpt is missing")
    evidence = sorted({tuple(s) for e in excerpts for s in spans(text, e, where)})
    code, _, tail = head.partition(" ")
    if mark == "-":
        if tail not in REASONS:
            raise DraftError(f"{where}: the reason must be one of {', '.join(sorted(REASONS))}")
        draft.not_coded.append({"code": code, "reason": tail, "evidence": evidence})
        return
    if mark not in "*+^~":
        raise DraftError(f"{where}: a line begins with one of * + ^ ~ - ? @ #")
    alternatives = [c for c in tail.removeprefix("=").split(",") if c] if tail else []
    entry: dict[str, object] = {"code": code, "status": "acceptable" if mark == "~" else "required", "evidence": evidence}
    entry |= {"principal": True} if mark == "*" else {}
    entry |= {"mayBeFirst": True} if mark == "^" else {}
    entry |= {"alternatives": alternatives} if alternatives else {}
    draft.codes.append(entry)


def read_drafts(path: Path, data: Path, problems: list[str]) -> Iterator[Draft]:
    """Yield the drafts of one file; problems are collected, a line each."""
    texts = {source: source_texts(source, data) for source in SOURCES}
    draft: Draft | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            if draft:
                yield draft
            parts = line[1:].split()
            draft = None
            if len(parts) != 3 or parts[0] not in SOURCES or parts[1] not in texts[parts[0]] or parts[2] not in ("inpatient", "outpatient"):
                problems.append(f"{where}: expected '@ source id inpatient|outpatient' with a known note")
                continue
            draft = Draft(parts[0], parts[1], parts[2], where)
        elif draft is None:
            problems.append(f"{where}: stands under no readable '@' line")
        else:
            try:
                _parse_line(line.strip(), texts[draft.source][draft.id], draft, where)
            except DraftError as error:
                problems.append(str(error))
    if draft:
        yield draft


def problems_of(draft: Draft, tabular: TabularList) -> Iterator[str]:
    """Yield what is wrong with a draft as a whole."""
    if sum(bool(c.get("principal")) for c in draft.codes) != 1:
        yield f"{draft.where}: exactly one principal (a line with *) is needed"
    codes = [str(c["code"]) for c in draft.codes]
    for code in [*codes, *(a for c in draft.codes for a in c.get("alternatives", []))]:  # type: ignore[attr-defined]
        if code not in tabular.billable:
            yield f"{draft.where}: {code} is not a billable code of FY2026 ({tabular.title.get(code, 'unknown')})"
    yield from (f"{draft.where}: {code} stands twice" for code, n in Counter(codes).items() if n > 1)
    for c in draft.codes:
        yield from (f"{draft.where}: {a} is an alternative of {c['code']} and a code of its own" for a in c.get("alternatives", []) if a in codes)  # type: ignore[attr-defined]
    for n in draft.not_coded:
        code = str(n["code"])
        if code not in tabular.title and tabular.stem(code) == "":
            yield f"{draft.where}: {code} (not coded) is no ICD-10-CM code"


def _collect(paths: list[Path], data: Path) -> tuple[list[Draft], list[str]]:
    tabular, drafts = TabularList(), []
    problems: list[str] = []
    for path in paths:
        for draft in read_drafts(path, data, problems):
            found = list(problems_of(draft, tabular))
            problems += found
            drafts.append(draft)
    return drafts, problems


def _files(paths: tuple[Path, ...]) -> list[Path]:
    return sorted(f for p in (paths or (DRAFTS,)) for f in (p.rglob("*.txt") if p.is_dir() else [p]))


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
data_option = click.option("--data", type=_FOLDER, required=True, help="Data folder; docs/training.md says what it holds.")
paths_argument = click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))


@click.group()
def main() -> None:
    """Code notes by the annotation guide."""


@main.command()
@data_option
def freeze(data: Path) -> None:
    """Write gold/splits.json by its rule; it may grow, and is refused if a note would leave or change its split."""
    fresh = {source: split_rule(source, eligible(source, data)) for source in SOURCES}
    path = GOLD / "splits.json"
    moved = [i for source, ids in splits().items() for i, split in ids.items() if fresh[source].get(i) != split] if path.exists() else []
    if moved:
        raise click.ClickException(f"The rule would move {len(moved)} notes ({', '.join(moved[:5])}). Frozen splits must not change.")
    path.write_text(json.dumps(fresh, indent=0) + "\n", encoding="utf-8")


@main.command()
@data_option
@click.option("--source", type=click.Choice(SOURCES))
def queue(data: Path, source: str | None) -> None:
    """List the notes to code: source, id, split, whether a draft exists."""
    drafts, _ = _collect(_files(()), data)
    done = {(d.source, d.id) for d in drafts}
    for name, ids in splits().items():
        for identifier, split in ids.items():
            if source in (None, name):
                click.echo(f"{name} {identifier} {split} {'draft' if (name, identifier) in done else '-'}")


@main.command()
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("ids", nargs=-1, required=True)
@data_option
def show(source: str, ids: tuple[str, ...], data: Path) -> None:
    """Print notes to read."""
    texts = source_texts(source, data)
    for identifier in ids:
        click.echo(f"===== {source} {identifier}\n{texts[identifier]}\n")


@main.command()
@paths_argument
@data_option
def check(paths: tuple[Path, ...], data: Path) -> None:
    """Validate drafts; one line for each error, exit code 1 on any."""
    drafts, problems = _collect(_files(paths), data)
    for line in problems:
        click.echo(line)
    click.echo(f"{len(drafts)} notes, {len(problems)} errors", err=True)
    if problems:
        raise SystemExit(1)


@main.command()
@paths_argument
@data_option
def build(paths: tuple[Path, ...], data: Path) -> None:
    """Validate all drafts and write gold/<source>.jsonl. A note that is drafted twice keeps its last draft in file order."""
    drafts, problems = _collect(_files(paths), data)
    if problems:
        raise click.ClickException(f"{len(problems)} errors; run check.")
    known = splits()
    for source in SOURCES:
        texts = source_texts(source, data)
        last = {d.id: d for d in drafts if d.source == source and d.id in known[source]}
        if not last:
            continue
        rows = [
            {"id": d.id, "setting": d.setting, "sha256": sha256(texts[d.id]), "codes": d.codes, "notCoded": d.not_coded, "gaps": d.gaps}
            for d in (last[i] for i in sorted(last))
        ]
        (GOLD / f"{source}.jsonl").write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in rows), encoding="utf-8")
        click.echo(f"{source}: {len(rows)} notes", err=True)


if __name__ == "__main__":
    main()
