"""Cases of the rules that complete sections of the guidelines: other clinicians, syndromes, HIV, COVID-19, neoplasms, fetuses, causes, Z codes."""

from __future__ import annotations

from tests.unit.review.rule_cases import RuleCase, fires, misses

STAY = "inpatient"
SECTION_CASES: tuple[RuleCase, ...] = (
    # Not yet (I.C.14.a.1), kidney disease before its anaemia
    fires(
        "guideline.I.C.14.a.1.not-yet",
        "Assessment: CKD stage 4, not yet ESRD. Hypertension.",
        {"CKD": "N18.9", "ESRD": "N18.6", "Hypertension": "I10"},
        "I12.9",
        "N18.4",
    ),
    fires("guideline.I.C.14.a.1.not-yet", "Assessment: CKD 5, not yet on dialysis.", {"CKD 5": "N18.6", "dialysis": "Z99.2"}, "N18.5"),
    fires("guideline.I.C.14.a.1.not-yet", "Assessment: ESRD, not yet on dialysis.", {"ESRD": "N18.6", "dialysis": "Z99.2"}, "N18.6"),
    fires(
        "guideline.I.C.14.a.1.not-yet",
        "Assessment: Hypertensive heart and kidney disease, CKD 4, approaching ESRD, with heart failure.",
        {"Hypertensive heart and kidney disease": "I13.2", "heart failure": "I50.9", "ESRD": "N18.6"},
        "I13.0",
        "N18.4",
        "I50.9",
    ),
    misses("guideline.I.C.14.a.1.not-yet", "Assessment: ESRD on dialysis.", {"ESRD": "N18.6", "dialysis": "Z99.2"}, "N18.6", "Z99.2"),
    fires("tabular.D63.1", "Assessment: Renal anemia.", {"Renal anemia": "D63.1"}, "N18.9", "D63.1"),
    misses("tabular.D63.1", "Assessment: Renal anemia. CKD 4.", {"Renal anemia": "D63.1", "CKD 4": "N18.4"}, "N18.4", "D63.1"),
    # A manifestation and its disease (I.A.13)
    fires("convention.I.A.13", "Assessment: Iritis. Hypertension.", {"Iritis": "H22", "Hypertension": "I10"}, "I10"),
    misses("convention.I.A.13", "Assessment: Iritis in gout.", {"Iritis": "H22", "gout": "M10.9"}, "M10.9", "H22"),
    misses("convention.I.A.13", "Assessment: Encephalitis. Lupus.", {"Encephalitis": "G05.3", "Lupus": "M32.19"}, "M32.19", "G05.3"),
    # HIV
    fires(
        "guideline.I.C.1.a.2.a",
        "Discharge Diagnosis: 1. Pneumocystosis. 2. HIV disease.",
        {"Pneumocystosis": "B59", "HIV disease": "B20"},
        "B20",
        "B59",
        setting=STAY,
    ),
    fires(
        "guideline.I.C.1.a.2.a", "Discharge Diagnosis: 1. HIV-related pneumonia. 2. AIDS.", {"pneumonia": "J18.9", "AIDS": "B20"}, "B20", "J18.9", setting=STAY
    ),
    misses(
        "guideline.I.C.1.a.2.a",
        "Discharge Diagnosis: 1. Appendicitis. 2. HIV disease.",
        {"Appendicitis": "K37", "HIV disease": "B20"},
        "K37",
        "B20",
        setting=STAY,
    ),
    fires("guideline.I.C.1.a.2.d", "Assessment: HIV-related wasting. HIV positive.", {"wasting": "R64", "HIV positive": "Z21"}, "B20", "R64"),
    misses("guideline.I.C.1.a.2.d", "Assessment: Wasting. HIV positive.", {"Wasting": "R64", "HIV positive": "Z21"}, "R64", "Z21"),
    # COVID-19
    fires("guideline.I.C.1.g.1.i", "Assessment: Gout. History of COVID-19.", {"Gout": "M10.9", "COVID-19": "U07.1"}, "M10.9", "Z86.16"),
    misses("guideline.I.C.1.g.1.i", "Assessment: COVID-19. History of gout.", {"COVID-19": "U07.1"}, "U07.1"),
    fires("guideline.I.C.1.g.1.m", "Assessment: Fatigue due to previous COVID-19.", {"Fatigue": "R53.83", "COVID-19": "U07.1"}, "R53.83", "U09.9"),
    fires(
        "guideline.I.C.1.g.1.m", "Assessment: Long COVID with pulmonary fibrosis.", {"Long COVID": "U09.9", "pulmonary fibrosis": "J84.10"}, "J84.10", "U09.9"
    ),
    misses("guideline.I.C.1.g.1.m", "Assessment: Fatigue after COVID-19 vaccination.", {"Fatigue": "R53.83"}, "R53.83"),
    fires(
        "guideline.I.C.1.g.1.b",
        "Discharge Diagnosis: 1. Acute respiratory failure due to COVID-19. 2. COVID-19.",
        {"Acute respiratory failure": "J96.00", "COVID-19": "U07.1"},
        "U07.1",
        "J96.00",
        setting=STAY,
    ),
    misses(
        "guideline.I.C.1.g.1.b",
        "Discharge Diagnosis: 1. Hip fracture. 2. COVID-19.",
        {"Hip fracture": "S72.001", "COVID-19": "U07.1"},
        "S72.001A",
        "U07.1",
        setting=STAY,
    ),
    # Neoplasms
    fires("index.neoplasm-metastatic-to", "Assessment: Colon cancer metastatic to the liver.", {"Colon cancer": "C18.9", "liver": "C22.9"}, "C18.9", "C78.7"),
    fires(
        "index.neoplasm-metastatic-to", "Assessment: Breast cancer, metastatic to lung.", {"Breast cancer": "C50.919", "lung": "C34.90"}, "C50.919", "C78.00"
    ),
    misses(
        "index.neoplasm-metastatic-to", "Assessment: Breast cancer. Lung cancer.", {"Breast cancer": "C50.919", "Lung cancer": "C34.90"}, "C50.919", "C34.90"
    ),
    fires(
        "guideline.I.C.2.overlapping",
        "Assessment: Cancer of the sigmoid extending into the descending colon.",
        {"Cancer of the sigmoid": "C18.7", "descending colon": "C18.6"},
        "C18.8",
    ),
    misses(
        "guideline.I.C.2.overlapping",
        "Assessment: Cancer of the sigmoid. Cancer of the cecum.",
        {"Cancer of the sigmoid": "C18.7", "Cancer of the cecum": "C18.0"},
        "C18.7",
        "C18.0",
    ),
    fires(
        "guideline.I.C.2.b",
        "Discharge Diagnosis: 1. Breast cancer. 2. Resection of brain metastasis.",
        {"Breast cancer": "C50.919", "brain metastasis": "C79.31"},
        "C79.31",
        "C50.919",
        setting=STAY,
    ),
    misses(
        "guideline.I.C.2.b",
        "Discharge Diagnosis: 1. Breast cancer. 2. Brain metastasis.",
        {"Breast cancer": "C50.919", "Brain metastasis": "C79.31"},
        "C50.919",
        "C79.31",
        setting=STAY,
    ),
    # Fetal numbers
    fires("guideline.I.C.15.a.6", "Assessment: Excessive growth of twin B in a twin pregnancy.", {"Excessive growth": "O36.60"}, "O30.009", "O36.60X2"),
    misses("guideline.I.C.15.a.6", "Assessment: Excessive growth of the fetus.", {"Excessive growth": "O36.60"}, "O36.60X0"),
    # Causes
    fires(
        "guideline.I.C.20.a.2",
        "Assessment: Healing right femur fracture. Fall.",
        {"Healing right femur fracture": "S72.91XD", "Fall": "W19.XXXA"},
        "S72.91XD",
        "W19.XXXD",
    ),
    misses("guideline.I.C.20.a.2", "Assessment: Wrist sprain. Fall.", {"Wrist sprain": "S63.501A", "Fall": "W19.XXXA"}, "S63.501A", "W19.XXXA"),
    fires(
        "guideline.I.C.20.b",
        "Assessment: Wrist sprain. Fall. Place.",
        {"Wrist sprain": "S63.501A", "Fall": "W19.XXXA", "Place": "Y92.9"},
        "S63.501A",
        "W19.XXXA",
    ),
    fires("guideline.I.C.20.b", "Assessment: Wrist sprain. Kitchen.", {"Wrist sprain": "S63.501D", "Kitchen": "Y92.010"}, "S63.501D"),
    misses("guideline.I.C.20.b", "Assessment: Wrist sprain. Kitchen.", {"Wrist sprain": "S63.501A", "Kitchen": "Y92.010"}, "S63.501A", "Y92.010"),
    fires(
        "guideline.I.C.20.f",
        "Assessment: Wrist sprain. Kitchen. Fall.",
        {"Wrist sprain": "S63.501A", "Kitchen": "Y92.010", "Fall": "W19.XXXA"},
        "S63.501A",
        "W19.XXXA",
        "Y92.010",
    ),
    misses(
        "guideline.I.C.20.f",
        "Assessment: Wrist sprain. Fall. Cut.",
        {"Wrist sprain": "S63.501A", "Fall": "W19.XXXA", "Cut": "W26.0XXA"},
        "S63.501A",
        "W19.XXXA",
        "W26.0XXA",
    ),
    # Other clinicians, syndromes, Z codes
    fires(
        "guideline.I.B.14.depth", "Nursing: Wound with necrosis of muscle.\n\nAssessment: Ulcer of right calf.", {"Ulcer of right calf": "L97.219"}, "L97.213"
    ),
    misses("guideline.I.B.14.depth", "Nursing: Wound with clean edges.\n\nAssessment: Ulcer of right calf.", {"Ulcer of right calf": "L97.219"}, "L97.219"),
    fires(
        "guideline.I.C.5.b.5",
        "Labs: BAC 0.24%.\n\nAssessment: Alcohol intoxication with abuse.",
        {"Alcohol intoxication with abuse": "F10.129"},
        "F10.129",
        "Y90.8",
    ),
    fires("guideline.I.C.5.b.5", "Assessment: Gout. Alcohol in blood.", {"Gout": "M10.9", "Alcohol in blood": "Y90.9"}, "M10.9"),
    misses("guideline.I.C.5.b.5", "Labs: BAC 0.24%.\n\nAssessment: Gout.", {"Gout": "M10.9"}, "M10.9"),
    fires("guideline.I.B.15", "Assessment: SIADH. Hyponatremia.", {"SIADH": "E22.2", "Hyponatremia": "E87.1"}, "E22.2"),
    misses("guideline.I.B.15", "Assessment: SIADH. Hypokalemia.", {"SIADH": "E22.2", "Hypokalemia": "E87.6"}, "E22.2", "E87.6"),
    fires(
        "guideline.I.C.21.c.16",
        "Discharge Diagnosis: 1. Pneumonia. 2. Preoperative examination.",
        {"Pneumonia": "J18.9", "Preoperative examination": "Z01.818"},
        "J18.9",
        setting=STAY,
    ),
    misses(
        "guideline.I.C.21.c.16", "Assessment: Preoperative examination. Gout.", {"Preoperative examination": "Z01.818", "Gout": "M10.9"}, "Z01.818", "M10.9"
    ),
)
