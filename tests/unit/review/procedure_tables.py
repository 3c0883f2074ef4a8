"""A small ICD-10-PCS in the official layout: a few true tables (CMS, public domain), cut down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from cds_service.codesets.diagnoses import Terms
from cds_service.codesets.official import Kind, OfficialFile
from cds_service.codesets.procedures import procedure_release
from cds_service.review.codeset import CodeSet

Labels = Sequence[tuple[str, str]]
OPEN, PERCUTANEOUS, ENDOSCOPIC = ("0", "Open"), ("3", "Percutaneous"), ("4", "Percutaneous Endoscopic")
NATURAL = ("8", "Via Natural or Artificial Opening Endoscopic")
NO_DEVICE, NO_QUALIFIER, DIAGNOSTIC = ("Z", "No Device"), ("Z", "No Qualifier"), ("X", "Diagnostic")
DIGESTIVE = ("D", "Gastrointestinal System")
MEDICAL = ("0", "Medical and Surgical")
# section, body system, root operation, rows of (body parts, approaches, devices, qualifiers)
TABLES: Sequence[tuple[tuple[str, str], tuple[str, str], tuple[str, str], Sequence[tuple[Labels, Labels, Labels, Labels]]]] = (
    (MEDICAL, ("F", "Hepatobiliary System and Pancreas"), ("T", "Resection"), [([("4", "Gallbladder")], [OPEN, ENDOSCOPIC], [NO_DEVICE], [NO_QUALIFIER])]),
    (
        MEDICAL,
        ("F", "Hepatobiliary System and Pancreas"),
        ("B", "Excision"),
        [
            ([("0", "Liver"), ("4", "Gallbladder")], [OPEN, PERCUTANEOUS, ENDOSCOPIC], [NO_DEVICE], [DIAGNOSTIC, NO_QUALIFIER]),
            ([("4", "Gallbladder")], [NATURAL], [NO_DEVICE], [DIAGNOSTIC, NO_QUALIFIER]),
        ],
    ),
    (MEDICAL, DIGESTIVE, ("T", "Resection"), [([("J", "Appendix"), ("N", "Sigmoid Colon")], [OPEN, ENDOSCOPIC], [NO_DEVICE], [NO_QUALIFIER])]),
    (MEDICAL, DIGESTIVE, ("B", "Excision"), [([("N", "Sigmoid Colon")], [OPEN, ENDOSCOPIC, NATURAL], [NO_DEVICE], [DIAGNOSTIC, NO_QUALIFIER])]),
    (MEDICAL, DIGESTIVE, ("J", "Inspection"), [([("D", "Lower Intestinal Tract")], [OPEN, NATURAL], [NO_DEVICE], [NO_QUALIFIER])]),
    (
        MEDICAL,
        ("S", "Lower Joints"),
        ("R", "Replacement"),
        [
            (
                [("C", "Knee Joint, Right"), ("D", "Knee Joint, Left")],
                [OPEN],
                [("J", "Synthetic Substitute")],
                [("9", "Cemented"), ("A", "Uncemented"), NO_QUALIFIER],
            )
        ],
    ),
    (
        MEDICAL,
        ("W", "Anatomical Regions, General"),
        ("9", "Drainage"),
        [
            ([("9", "Pleural Cavity, Right"), ("B", "Pleural Cavity, Left")], [OPEN, PERCUTANEOUS], [("0", "Drainage Device")], [NO_QUALIFIER]),
            ([("9", "Pleural Cavity, Right"), ("B", "Pleural Cavity, Left")], [PERCUTANEOUS], [NO_DEVICE], [DIAGNOSTIC, NO_QUALIFIER]),
        ],
    ),
    (
        ("3", "Administration"),
        ("0", "Circulatory"),
        ("2", "Transfusion"),
        [([("3", "Peripheral Vein"), ("4", "Central Vein")], [PERCUTANEOUS], [("N", "Red Blood Cells"), ("R", "Platelets")], [("1", "Nonautologous")])],
    ),
)


def tables_file(folder: Path, name: str = "icd10pcs_tables_2026.xml") -> Path:
    """Write the tables as CMS lays them out."""
    lines = ["<ICD10PCS.tabular>", "<version>2026</version>"]
    for section, system, operation, rows in TABLES:
        heads = ((1, "Section", section), (2, "Body System", system), (3, "Operation", operation))
        lines.append("<pcsTable>")
        lines += [f'<axis pos="{at}" values="1"><title>{title}</title><label code="{code}">{label}</label></axis>' for at, title, (code, label) in heads]
        for row in rows:
            number = 1
            axes = ""
            for at, title, labels in zip(range(4, 8), ("Body Part", "Approach", "Device", "Qualifier"), row, strict=True):
                number *= len(labels)
                axes += f'<axis pos="{at}" values="{len(labels)}"><title>{title}</title>'
                axes += "".join(f'<label code="{c}">{words}</label>' for c, words in labels) + "</axis>"
            lines.append(f'<pcsRow codes="{number}">{axes}</pcsRow>')
        lines.append("</pcsTable>")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "</ICD10PCS.tabular>"]), encoding="utf-8")
    return path


def order_file(folder: Path, name: str = "icd10pcs_order_2026.txt") -> Path:
    """Write the order file that belongs to the tables."""
    codes: dict[str, tuple[int, str]] = {}
    for section, system, operation, rows in TABLES:
        stem = section[0] + system[0] + operation[0]
        codes[stem] = (0, f"{section[1]} @ {system[1]} @ {operation[1]}")
        for parts, approaches, devices, qualifiers in rows:
            for part in parts:
                for approach in approaches:
                    for device in devices:
                        for qualifier in qualifiers:
                            title = f"{operation[1]} of {part[1]}, {device[1]}, {approach[1]} Approach, {qualifier[1]}"
                            codes[stem + part[0] + approach[0] + device[0] + qualifier[0]] = (1, title)
    lines = [f"{n:05d} {code:<7} {complete} {title[:60]:<60} {title}" for n, (code, (complete, title)) in enumerate(sorted(codes.items()), 1)]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def release(folder: Path) -> CodeSet:
    """Return the release that the files make: FY 2026."""
    files = {kind: OfficialFile.of(path) for kind, path in ((Kind.PCS_ORDER, order_file(folder)), (Kind.PCS_TABLES, tables_file(folder)))}
    assert all(files.values())
    return procedure_release({k: f for k, f in files.items() if f}, (), Terms("2026", date(2025, 10, 1), date(2026, 9, 30)))
