"""Cases of conditions that the classification links (I.A.15), and of the parts of the coma scale (I.C.18.e): for each those that fire and near misses."""

from __future__ import annotations

from tests.unit.review.rule_cases import RuleCase, fires, misses

_BLEED = {"Diverticulosis": "K57.30", "GI bleed": "K92.2"}
_ASCITES = {"Alcoholic cirrhosis": "K70.30", "Ascites": "R18.8"}
_SUBDURAL = {"Subdural hematoma": "S06.5X0"}
_PARTS = ("S06.5X0A", "R40.2132", "R40.2242", "R40.2352")

LINKED_CASES: tuple[RuleCase, ...] = (
    fires("convention.I.A.15", "Assessment: Diverticulosis. GI bleed.", _BLEED, "K57.31"),
    fires("convention.I.A.15", "Assessment:\n1. Anemia.\n2. CKD stage 4.", {"Anemia": "D64.9", "CKD stage 4": "N18.4"}, "N18.4", "D63.1"),
    fires("convention.I.A.15", "Assessment: BPH. Urinary retention.", {"BPH": "N40.0", "Urinary retention": "R33.8"}, "N40.1", "R33.8", gender="male"),
    fires("convention.I.A.15", "Assessment: Alcoholic cirrhosis. Ascites.", _ASCITES, "K70.31"),
    fires("convention.I.A.15", "Assessment: Gallstones. Acute cholecystitis.", {"Gallstones": "K80.20", "Acute cholecystitis": "K81.0"}, "K80.00"),
    fires("convention.I.A.15", "Assessment: Cystitis. Hematuria.", {"Cystitis": "N30.90", "Hematuria": "R31.9"}, "N30.91"),
    misses("convention.I.A.15", "Assessment: Alcoholic cirrhosis. Ascites, unrelated to it.", _ASCITES, "K70.30", "R18.8"),
    misses("convention.I.A.15", "Assessment:\n1. Alcoholic cirrhosis.\n2. Ascites due to ovarian disease.", _ASCITES, "K70.30", "R18.8"),
    misses(
        "convention.I.A.15",  # the ascites may be of either
        "Assessment:\n1. Alcoholic cirrhosis.\n2. Toxic hepatitis.\n3. Ascites.",
        {**_ASCITES, "Toxic hepatitis": "K71.50"},
        "K70.30",
        "K71.50",
        "R18.8",
    ),
    misses("convention.I.A.15", "Assessment: Diverticulosis. No GI bleed.", _BLEED, "K57.30"),
    misses(
        "convention.I.A.15",
        "Assessment:\n1. Anemia.\n2. CKD stage 4.\n3. GI bleed.",
        {"Anemia": "D64.9", "CKD stage 4": "N18.4", "GI bleed": "K92.2"},
        "D64.9",
        "N18.4",
        "K92.2",
    ),
    misses(  # I.A.15: where another guideline wants the link documented
        "convention.I.A.15",
        "Discharge Diagnosis:\n1. Sepsis.\n2. Acute kidney injury.",
        {"Sepsis": "A41.9", "Acute kidney injury": "N17.9"},
        "A41.9",
        "N17.9",
        setting="inpatient",
    ),
    fires("guideline.I.C.18.e", "Nursing: GCS E3 V4 M5 on arrival.\n\nAssessment: Subdural hematoma.", _SUBDURAL, *_PARTS),
    fires("guideline.I.C.18.e", "Nursing: GCS 12 (E3V4M5) in the ED.\n\nAssessment: Subdural hematoma.", _SUBDURAL, *_PARTS),
    fires(
        "guideline.I.C.18.e",
        "EMS: Eyes 1, verbal 1, motor 4 on scene.\n\nAssessment: Subdural hematoma.",
        _SUBDURAL,
        "S06.5X0A",
        "R40.2111",
        "R40.2211",
        "R40.2341",
    ),
    misses("guideline.I.C.18.e", "Nursing: E3 V4 M5, sedated.\n\nAssessment: Subdural hematoma.", _SUBDURAL, "S06.5X0A"),
    misses("guideline.I.C.18.e", "Nursing: E3 V9 M5.\n\nAssessment: Subdural hematoma.", _SUBDURAL, "S06.5X0A"),
)
