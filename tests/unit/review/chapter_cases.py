"""Cases of the rules of single chapters and of the principal diagnosis: for each rule one that fires and one near miss."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.unit.review.rule_cases import RuleCase, fires, misses

IN: dict[str, Any] = {"setting": "inpatient"}
NEWBORN: dict[str, Any] = {"setting": "inpatient", "born": date(2026, 2, 28)}
TODAY_BORN: dict[str, Any] = {"setting": "inpatient", "born": date(2026, 3, 2)}
YOUNG: dict[str, Any] = {"born": date(1995, 5, 1)}
BIRTH = IN | YOUNG
POISON = {"Digoxin toxicity": "T46.0X1A", "Nausea": "R11.0"}
WARFARIN = {"Warfarin bleeding": "T45.515A", "Epistaxis": "R04.0"}
UNDER = {"Underdosing of insulin": "T38.3X6A", "Hyperglycemia": "R73.9"}
ULCER = {"Sacral pressure ulcer": "L89.159"}

CHAPTER_CASES: tuple[RuleCase, ...] = (
    # Infarction and stroke in time
    fires("guideline.I.C.9.e.1", "Assessment: NSTEMI 6 weeks ago.", {"NSTEMI": "I21.4"}, "I25.2"),
    fires("guideline.I.C.9.e.1", "Assessment: NSTEMI two weeks ago.", {"NSTEMI": "I21.4"}, "I21.4"),
    fires("guideline.I.C.9.e.1", "Assessment: Hypertension. History of NSTEMI 10 days ago.", {"Hypertension": "I10", "NSTEMI": "I21.4"}, "I10", "I21.4"),
    misses("guideline.I.C.9.e.1", "Assessment: NSTEMI. Fever two weeks ago.", {"NSTEMI": "I21.4"}, "I21.4"),
    fires("guideline.I.C.9.e.4", "Assessment: Hypertension. Status post NSTEMI 3 months ago.", {"Hypertension": "I10", "NSTEMI": "I21.4"}, "I10", "I25.2"),
    fires(
        "guideline.I.C.9.e.4.subsequent",
        "Discharge Diagnosis:\n1. Inferior STEMI.\n2. NSTEMI 2 weeks ago.",
        {"Inferior STEMI": "I21.19", "NSTEMI": "I21.4"},
        "I22.1",
        "I21.4",
        **IN,
    ),
    misses(
        "guideline.I.C.9.e.4.subsequent",
        "Discharge Diagnosis:\n1. Inferior STEMI.\n2. NSTEMI 8 weeks ago.",
        {"Inferior STEMI": "I21.19", "NSTEMI": "I21.4"},
        "I21.19",
        "I25.2",
        **IN,
    ),
    fires("guideline.I.C.9.e.1.evolves", "Final Diagnosis: NSTEMI that evolved to STEMI.", {"NSTEMI": "I21.4", "STEMI": "I21.3"}, "I21.3", **IN),
    misses("guideline.I.C.9.e.1.evolves", "Final Diagnosis: NSTEMI. Unstable gout.", {"NSTEMI": "I21.4", "gout": "M10.9"}, "I21.4", "M10.9", **IN),
    fires("guideline.I.C.9.e.5", "Final Diagnosis: Type 2 NSTEMI. Anemia.", {"NSTEMI": "I21.4", "Anemia": "D64.9"}, "D64.9", "I21.A1", **IN),
    misses("guideline.I.C.9.e.5", "Final Diagnosis: NSTEMI. Type 2 diabetes.", {"NSTEMI": "I21.4", "Type 2 diabetes": "E11.9"}, "I21.4", "E11.9", **IN),
    fires("guideline.I.C.6.a", "Assessment: Hemiplegia, right.", {"Hemiplegia": "G81.90"}, "G81.91"),
    fires("guideline.I.C.6.a", "Assessment: Hemiplegia, left. He is left-handed.", {"Hemiplegia": "G81.90"}, "G81.92"),
    misses("guideline.I.C.6.a", "Assessment: Hemiplegia.", {"Hemiplegia": "G81.90"}, "G81.90"),
    fires("guideline.I.C.9.d.1", "Assessment: Right hemiplegia due to old stroke.", {"hemiplegia": "G81.90"}, "I69.351"),
    fires("guideline.I.C.9.d.1", "Assessment: Dysphagia, residual from stroke.", {"Dysphagia": "R13.10"}, "I69.391", "R13.10"),
    misses("guideline.I.C.9.d.1", "Discharge Diagnosis: Stroke. Aphasia.", {"Stroke": "I63.9", "Aphasia": "R47.01"}, "I63.9", "R47.01", **IN),
    fires("guideline.I.C.18.i", "Assessment: Gout. NIHSS 4.", {"Gout": "M10.9", "NIHSS 4": "R29.704"}, "M10.9"),
    misses("guideline.I.C.18.i", "Discharge Diagnosis: Stroke. NIHSS 4.", {"Stroke": "I63.9", "NIHSS 4": "R29.704"}, "I63.9", "R29.704", **IN),
    # Newborns
    fires("guideline.I.C.16.f", "Final Diagnosis: E. coli sepsis.", {"E. coli sepsis": "A41.51"}, "P36.4", **NEWBORN),
    misses("guideline.I.C.16.f", "Final Diagnosis: E. coli sepsis.", {"E. coli sepsis": "A41.51"}, "A41.51", setting="inpatient", born=date(2026, 1, 1)),
    fires("guideline.I.C.16.a.1", "Final Diagnosis: Jaundice. Preeclampsia.", {"Jaundice": "P59.9", "Preeclampsia": "O14.90"}, "P59.9", **NEWBORN),
    misses("guideline.I.C.16.a.1", "Final Diagnosis: Preeclampsia.", {"Preeclampsia": "O14.90"}, "O14.90", setting="inpatient", born=date(1995, 1, 1)),
    fires("guideline.I.C.16.b", "Final Diagnosis: Sepsis ruled out. Jaundice.", {"ruled out": "Z05.1", "Jaundice": "P59.9"}, "P59.9", **NEWBORN),
    misses("guideline.I.C.16.b", "Final Diagnosis: Observation for infection.", {"Observation for infection": "Z05.1"}, "Z05.1", **NEWBORN),
    fires("guideline.I.C.16.a.2", "Final Diagnosis: Jaundice. Liveborn.", {"Jaundice": "P59.9", "Liveborn": "Z38.00"}, "P59.9", **NEWBORN),
    misses("guideline.I.C.16.a.2", "Final Diagnosis: Jaundice. Liveborn.", {"Jaundice": "P59.9", "Liveborn": "Z38.00"}, "Z38.00", "P59.9", **TODAY_BORN),
    # Drugs and burns
    fires("guideline.I.C.19.e.5.a", "Assessment: Digoxin toxicity, taken as prescribed. Nausea.", POISON, "R11.0", "T46.0X5A"),
    misses("guideline.I.C.19.e.5.a", "Assessment: Digoxin toxicity, overdose. Nausea.", POISON, "T46.0X1A", "R11.0"),
    fires("guideline.I.C.19.e.5.b", "Assessment: Warfarin bleeding after he took too much. Epistaxis.", WARFARIN, "T45.511A", "R04.0"),
    misses("guideline.I.C.19.e.5.b", "Assessment: Epistaxis. Warfarin bleeding.", WARFARIN, "R04.0", "T45.515A"),
    fires("guideline.I.C.19.e.5.c", "Assessment: Hyperglycemia. Underdosing of insulin because of cost.", UNDER, "R73.9", "T38.3X6A", "Z91.120"),
    misses("guideline.I.C.19.e.5.c", "Assessment: Hyperglycemia. Underdosing of insulin.", UNDER, "R73.9", "T38.3X6A"),
    fires(
        "guideline.I.C.19.d.2",
        "Assessment: Second degree burn of the left palm. Third degree burn of the left palm.",
        {"Second degree burn": "T23.252A", "Third degree burn": "T23.352A"},
        "T23.352A",
    ),
    misses(
        "guideline.I.C.19.d.2",
        "Assessment: Second degree burn of the left palm. Third degree burn of the right palm.",
        {"Second degree burn": "T23.252A", "Third degree burn": "T23.351A"},
        "T23.351A",
        "T23.252A",
    ),
    # Skin
    fires("guideline.I.C.12.a.4", "Assessment: Gout. Sacral pressure ulcer, now closed.", {**ULCER, "Gout": "M10.9"}, "M10.9"),
    misses("guideline.I.C.12.a.4", "Assessment: Gout. Sacral pressure ulcer, healing.", {**ULCER, "Gout": "M10.9"}, "M10.9", "L89.159"),
    fires("guideline.I.C.12.a.2", "Assessment: Sacral pressure ulcer, unstageable.", ULCER, "L89.150"),
    fires("guideline.I.C.12.a.2", "Assessment: Sacral pressure ulcer with deep tissue injury.", ULCER, "L89.156"),
    misses("guideline.I.C.12.a.2", "Assessment: Sacral pressure ulcer.", ULCER, "L89.159"),
    # Obstetrics
    fires(
        "guideline.I.C.15.c",
        "Assessment: Pregnancy at 20 weeks gestation. Type 2 diabetes.",
        {"Pregnancy": "Z33.1", "Type 2 diabetes": "E11.9"},
        "O24.112",
        "E11.9",
        "Z3A.20",
        **YOUNG,
    ),
    misses("guideline.I.C.15.c", "Assessment: Type 2 diabetes. Hypertension.", {"Hypertension": "I10", "Type 2 diabetes": "E11.9"}, "E11.9", "I10", **YOUNG),
    fires("guideline.I.C.15.n", "Final Diagnosis: Normal delivery. Preeclampsia.", {"Normal delivery": "O80", "Preeclampsia": "O14.90"}, "O14.90", **BIRTH),
    misses("guideline.I.C.15.n", "Final Diagnosis: Normal delivery.", {"Normal delivery": "O80"}, "O80", **BIRTH),
    fires("guideline.I.C.15.b.5", "Final Diagnosis: Normal delivery of a healthy boy.", {"Normal delivery": "O80"}, "O80", "Z37.0", **BIRTH),
    misses("guideline.I.C.15.b.5", "Final Diagnosis: Normal delivery.", {"Normal delivery": "O80"}, "O80", **BIRTH),
    # Neoplasms
    fires("guideline.I.C.2.m", "Assessment: Gout. History of breast cancer.", {"Gout": "M10.9", "breast cancer": "C50.919"}, "M10.9", "Z85.3"),
    misses(
        "guideline.I.C.2.m",
        "Assessment: Gout. History of breast cancer, on tamoxifen.",
        {"Gout": "M10.9", "breast cancer": "C50.919"},
        "M10.9",
        "C50.919",
    ),
    misses("guideline.I.C.2.m", "Assessment: Gout. Breast cancer.", {"Gout": "M10.9", "Breast cancer": "C50.919"}, "M10.9", "C50.919"),
    fires("guideline.I.C.2.k", "Assessment: Liver metastases, unknown primary.", {"Liver metastases": "C78.7"}, "C78.7", "C80.1"),
    misses("guideline.I.C.2.k", "Assessment: Liver metastases. Colon cancer.", {"Liver metastases": "C78.7", "Colon cancer": "C18.9"}, "C78.7", "C18.9"),
    fires("guideline.I.C.2.c.2", "Assessment: Anemia due to chemotherapy.", {"Anemia": "D64.9"}, "D64.81"),
    misses("guideline.I.C.2.c.2", "Assessment: Anemia. Chemotherapy planned.", {"Anemia": "D64.9"}, "D64.9"),
    # Mental, pain, ventilator
    fires("guideline.I.C.5.b.3", "Assessment: Gout. Cannabis use.", {"Gout": "M10.9", "Cannabis use": "F12.90"}, "M10.9"),
    misses("guideline.I.C.5.b.3", "Assessment: Insomnia due to cannabis use.", {"Insomnia": "G47.00", "cannabis use": "F12.90"}, "G47.00", "F12.90"),
    fires("guideline.I.C.6.b.1", "Assessment: Chronic pain. Knee arthritis, left.", {"Chronic pain": "G89.29", "Knee arthritis": "M17.10"}, "M17.12"),
    misses("guideline.I.C.6.b.1", "Assessment: Chronic pain. Gout.", {"Chronic pain": "G89.29", "Gout": "M10.9"}, "G89.29", "M10.9"),
    misses(
        "guideline.I.C.6.b.1",
        "Assessment: Chronic pain, here for pain management. Knee arthritis, left.",
        {"Chronic pain": "G89.29", "Knee arthritis": "M17.10"},
        "G89.29",
        "M17.12",
    ),
    fires("guideline.I.C.10.d", "Final Diagnosis: Pneumonia while on a ventilator.", {"Pneumonia": "J95.851"}, "J18.9", **IN),
    misses("guideline.I.C.10.d", "Final Diagnosis: Ventilator-associated pneumonia.", {"pneumonia": "J95.851"}, "J95.851", **IN),
    # General guidelines
    fires(
        "guideline.I.B.8",
        "Final Diagnosis: Acute systolic failure. Chronic systolic failure.",
        {"Acute systolic failure": "I50.21", "Chronic systolic failure": "I50.22"},
        "I50.23",
        **IN,
    ),
    misses(
        "guideline.I.B.8",
        "Final Diagnosis: Acute systolic failure. Chronic diastolic failure.",
        {"Acute systolic failure": "I50.21", "Chronic diastolic failure": "I50.32"},
        "I50.21",
        "I50.32",
        **IN,
    ),
    fires("guideline.I.B.11", "Assessment: Gout. Impending infarction.", {"Gout": "M10.9", "infarction": "I21.9"}, "M10.9", "I20.0"),
    fires("guideline.I.B.11", "Assessment: Gout. Impending gangrene.", {"Gout": "M10.9", "gangrene": "I96"}, "M10.9", **IN),
    misses("guideline.I.B.11", "Assessment: Threatened abortion.", {"abortion": "O20.0"}, "O20.0", **YOUNG),
    fires("guideline.I.B.17", "Assessment: Borderline diabetes.", {"diabetes": "E11.9"}, "R73.03"),
    misses("guideline.I.B.17", "Assessment: Borderline personality. Diabetes.", {"Borderline personality": "F60.3", "Diabetes": "E11.9"}, "F60.3", "E11.9"),
    fires("convention.I.A.17", "Assessment: COPD. Severe persistent asthma.", {"COPD": "J44.9", "Severe persistent asthma": "J45.50"}, "J44.9", "J45.50"),
    misses("convention.I.A.17", "Assessment: COPD. Gout.", {"COPD": "J44.9", "Gout": "M10.9"}, "J44.9", "M10.9"),
    # Principal diagnosis
    fires(
        "guideline.II.C",
        "Final Diagnosis: Pneumonia and cellulitis, equally requiring admission.",
        {"Pneumonia": "J18.9", "cellulitis": "L03.90"},
        "J18.9",
        "L03.90",
        **IN,
    ),
    misses("guideline.II.C", "Final Diagnosis: Pneumonia and cellulitis.", {"Pneumonia": "J18.9", "cellulitis": "L03.90"}, "J18.9", "L03.90", **IN),
    misses(
        "guideline.II.C",
        "Assessment: Pneumonia and cellulitis, equally requiring care.",
        {"Pneumonia": "J18.9", "cellulitis": "L03.90"},
        "L03.90",
        "J18.9",
    ),
    fires(
        "guideline.II.D",
        "Final Diagnosis: Pancreatitis versus cholecystitis.",
        {"Pancreatitis": "K85.90", "cholecystitis": "K81.9"},
        "K85.90",
        "K81.9",
        **IN,
    ),
    misses("guideline.II.D", "Final Diagnosis: Pancreatitis. Gout.", {"Pancreatitis": "K85.90", "Gout": "M10.9"}, "K85.90", "M10.9", **IN),
    fires(
        "guideline.II.F",
        "Final Diagnosis: Gallstones. Course: Cholecystectomy was cancelled due to fever.",
        {"Gallstones": "K80.20", "fever": "R50.9"},
        "K80.20",
        "Z53.09",
        **IN,
    ),
    fires("guideline.II.F", "Final Diagnosis: Gallstones. Surgery was postponed; she declined.", {"Gallstones": "K80.20"}, "K80.20", "Z53.9", **IN),
    misses("guideline.II.F", "Final Diagnosis: Gallstones. Cholecystectomy was done.", {"Gallstones": "K80.20"}, "K80.20", **IN),
)
