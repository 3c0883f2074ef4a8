"""The coding summary as a file: CSV for a spreadsheet, JSON for another program. No words of a note, no name of the patient."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from smart_app.charts import Document
from smart_app.grounds import Ground
from smart_app.sheet import Entry, Sheet

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV injection": a spreadsheet would run what begins so
_COLUMNS = (
    "sequence",
    "role",
    "kind",
    "system",
    "code",
    "description",
    "presentOnAdmission",
    "suggestedCode",
    "action",
    "decidedBy",
    "decidedAs",
    "decidedAt",
    "confidence",
    "rules",
    "evidence",
    "ehr",
    "resource",
    "patient",
    "encounter",
    "review",
    "model",
    "codeSet",
)


def summary_csv(sheet: Sheet, document: Document, grounds: Mapping[int, Ground]) -> str:
    """Return one line for each code that stands, in sequence."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\r\n", extrasaction="ignore")
    writer.writeheader()
    shared = _shared(document)
    for at, entry in enumerate(sheet.entries, 1):
        line = _line(at, entry, grounds.get(entry.decision.id)) | shared
        writer.writerow({name: _cell(line.get(name)) for name in _COLUMNS})
    return buffer.getvalue()


def summary_json(sheet: Sheet, document: Document, grounds: Mapping[int, Ground]) -> str:
    """Return the summary with what was rejected and why; what is unknown is absent."""
    codes = [_present(_line(at, entry, grounds.get(entry.decision.id))) for at, entry in enumerate(sheet.entries, 1)]
    left = [
        _present({"code": x.code, "description": x.display, "because": x.decision.reason, "decidedBy": x.decision.who, "decidedAt": x.decision.at.isoformat()})
        for x in sheet.left
    ]
    body = _shared(document) | {"undecided": sheet.undecided, "codes": codes, "notCoded": left}
    return json.dumps(_present(body), ensure_ascii=False, indent=1)


def _shared(document: Document) -> dict[str, Any]:
    model = document["model"]
    return {
        "patient": document["patient"],
        "encounter": document.get("encounter"),
        "review": document["id"],
        "model": f"{model['name']} {model['version']}",
        "codeSet": "; ".join(f"{c['system']} {c['version']}" for c in document["codeSets"]),
    }


def _line(at: int, entry: Entry, ground: Ground | None) -> dict[str, Any]:
    principal = at == 1 and entry.kind == "diagnosis"
    return {
        "sequence": at,
        "role": ("principal" if principal else "secondary") if entry.kind == "diagnosis" else None,
        "kind": entry.kind,
        "system": entry.system,
        "code": entry.code,
        "description": entry.display,
        "presentOnAdmission": entry.poa or None,
        "suggestedCode": entry.suggested if entry.by_model else None,
        "action": entry.decision.action.value,
        "decidedBy": entry.decision.who,
        "decidedAs": entry.decision.role,
        "decidedAt": entry.decision.at.isoformat(),
        "confidence": ground.confidence if ground else None,
        "rules": list(ground.rules) if ground else [],
        "evidence": list(entry.sources),
        "ehr": entry.state,
        "resource": entry.resource,
    }


def _cell(value: object) -> str:
    words = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{words}" if words.startswith(_FORMULA) else words


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
