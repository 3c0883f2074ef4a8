"""Invented remittances in the true form of an 835 (005010X221A1), and reviews of the encounters they pay for."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Paid:
    """A claim as a payer decided it. `adjustments` are CAS segments without the name: "CO*50*100"."""

    number: str
    status: str = "1"
    charged: str = "200"
    paid: str = "150"
    adjustments: tuple[str, ...] = ("CO*45*50",)
    more: tuple[str, ...] = ()  # further segments after the adjustments
    service: bool = True


def segments(claims: Iterable[Paid], day: str = "20260105") -> list[str]:
    """Return the segments of an interchange with one transaction set, counts and control numbers right."""
    body = ["ST*835*0001", f"BPR*I*150*C*CHK************{day}", "TRN*1*12345*1512345678", f"DTM*405*{day}", "N1*PR*INVENTED PAYER", "N3*1 MAIN ST"]
    body += ["N4*TOWN*NY*10001", "PER*BL*HELP*TE*8005550100", "N1*PE*INVENTED CLINIC*XX*1234567893", "LX*1"]
    for one in claims:
        body.append(f"CLP*{one.number}*{one.status}*{one.charged}*{one.paid}*0*MB*ICN{one.number}*11*1")
        cas = [f"CAS*{a}" for a in one.adjustments]
        patient = ["NM1*QC*1*TESTPERSON*ANN****MI*12345", "DTM*232*20251201"]
        service = [f"SVC*HC:99213*{one.charged}*{one.paid}**1", "DTM*472*20251201", *cas] if one.service else []
        body += [*([] if one.service else cas), *patient, *one.more, *service]
    body.append(f"SE*{len(body) + 1}*0001")
    head = "ISA*00*          *00*          *ZZ*PAYER          *ZZ*PROVIDER       *260105*1200*^*00501*000000001*0*T*:"
    return [head, "GS*HP*PAYER*PROVIDER*20260105*1200*1*X*005010X221A1", *body, "GE*1*1", "IEA*1*000000001"]


def written(path: Path, lines: Iterable[str], *, between: str = "~\n") -> Path:
    """Write segments to a file."""
    path.write_text("".join(line + between for line in lines), encoding="utf-8")
    return path


def decided(count: int, *, telling: bool = True) -> tuple[list[Paid], dict[str, dict[str, Any]]]:
    """Return claims and the reviews of their encounters: with `telling`, two of three with an Excludes1 conflict are denied, and one of twenty others."""
    draw = random.Random(835)
    claims, reviews = [], {}
    for at in range(count):
        edits = [e for e, share in (("excludes1", 0.3), ("laterality.unspecified", 0.4)) if draw.random() < share]
        denied = draw.random() < ((0.67 if "excludes1" in edits else 0.05) if telling else 0.25)
        number = f"C{at:05}"
        claims.append(Paid(number, "4", paid="0", adjustments=("CO*16*200",)) if denied else Paid(number))
        reviews[number] = {"setting": "outpatient", "claimFindings": [{"edit": e} for e in edits]}
    return claims, reviews
