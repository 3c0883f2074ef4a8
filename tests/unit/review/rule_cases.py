"""Cases of the coding rules: for each rule one that fires and one near miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class RuleCase:
    """A note, what its words mean, and the codes in sequence that must come out."""

    rule: str
    fires: bool
    text: str
    said: Mapping[str, str]
    codes: tuple[str, ...]
    setting: str = "outpatient"
    born: date = date(1960, 5, 1)
    gender: str = "female"

    @property
    def name(self) -> str:
        """Name of the test."""
        return f"{self.rule}{'' if self.fires else ', near miss'}: {self.text[:60]}"


def fires(rule: str, text: str, said: Mapping[str, str], *codes: str, **parts: Any) -> RuleCase:
    """Return a case in which the rule decides."""
    return RuleCase(rule, True, text, said, codes, **parts)


def misses(rule: str, text: str, said: Mapping[str, str], *codes: str, **parts: Any) -> RuleCase:
    """Return a case that looks alike and in which the rule must not decide."""
    return RuleCase(rule, False, text, said, codes, **parts)


CASES: tuple[RuleCase, ...] = (
    # Status
    fires("guideline.II.H.confirmed", "Discharge Diagnosis: Probable COVID-19.", {"COVID-19": "U07.1"}, setting="inpatient"),
    misses("guideline.II.H.confirmed", "Discharge Diagnosis: COVID-19.", {"COVID-19": "U07.1"}, "U07.1", setting="inpatient"),
    misses("guideline.II.H.confirmed", "Discharge Diagnosis: Probable pneumonia.", {"pneumonia": "J18.9"}, "J18.9", setting="inpatient"),
    fires("guideline.I.C.9.e.4", "Assessment: Hypertension. History of NSTEMI.", {"Hypertension": "I10", "NSTEMI": "I21.4"}, "I10", "I25.2"),
    misses("guideline.I.C.9.e.4", "Discharge Diagnosis: NSTEMI.", {"NSTEMI": "I21.4"}, "I21.4", setting="inpatient"),
    fires("guideline.I.C.9.d.3", "Assessment: Hypertension. History of stroke.", {"Hypertension": "I10", "stroke": "I63.9"}, "I10", "Z86.73"),
    misses("guideline.I.C.9.d.3", "Discharge Diagnosis: Stroke.", {"Stroke": "I63.9"}, "I63.9", setting="inpatient"),
    fires("index.depression", "Assessment: Depression.", {"Depression": "F32.9"}, "F32.A"),
    misses("index.depression", "Assessment: Major depression.", {"Major depression": "F32.9"}, "F32.9"),
    fires("guideline.III.B", "Exam: Mitral regurgitation.\n\nAssessment: Gout.", {"Mitral regurgitation": "I34.0", "Gout": "M10.9"}, "M10.9"),
    misses("guideline.III.B", "Exam: normal.\n\nAssessment: Gout. Mitral regurgitation.", {"Mitral regurgitation": "I34.0", "Gout": "M10.9"}, "M10.9", "I34.0"),
    fires("guideline.I.C.14.a.1", "HPI: CKD 4.\n\nAssessment: Chronic kidney disease.", {"Chronic kidney disease": "N18.9"}, "N18.4"),
    misses("guideline.I.C.14.a.1", "Assessment: CKD 2/2 lupus.", {"CKD": "N18.9"}, "N18.9"),
    fires("guideline.I.C.14.a.1.end-stage", "HTN, ESRD on HD.", {"HTN, ESRD": "I12.0"}, "I12.0", "N18.6"),
    fires("guideline.I.C.14.a.1.end-stage", "Assessment: End-stage renal disease.", {"renal disease": "N18.9"}, "N18.6"),
    misses("guideline.I.C.14.a.1.end-stage", "Assessment: Gout. No ESRD.", {"Gout": "M10.9"}, "M10.9"),
    misses("guideline.I.C.14.a.1.end-stage", "Assessment: Gout. Mother had ESRD.", {"Gout": "M10.9"}, "M10.9"),
    fires("index.hypertension-heart-failure", "Assessment: HTN with CHF.", {}, "I11.0", "I50.9"),
    fires("index.hypertension-heart-failure", "High blood pressure and heart failure.", {"heart failure": "I50.9"}, "I11.0", "I50.9"),
    misses("index.hypertension-heart-failure", "Family history: HTN and CHF.", {}),
    misses("index.hypertension-heart-failure", "Assessment: Gout. Denies HTN and CHF.", {"Gout": "M10.9"}, "M10.9"),
    fires("index.abbreviations", "Assessment: DM2, htn, ckd IIIa", {}, "E11.22", "I12.9", "N18.31"),
    fires("index.abbreviations", "PMH: COPD, HTN, BPH, OSA.", {}, "J44.9", "I10"),
    fires("index.abbreviations", "Assessment:\n1. HTN\n2. Gout", {"Gout": "M10.9"}, "I10", "M10.9"),
    misses("index.abbreviations", "Family history: DM2, HTN.\n\nAssessment: Gout.", {"Gout": "M10.9"}, "M10.9"),
    misses("index.abbreviations", "Assessment: Gout. Denies HTN, DM.", {"Gout": "M10.9"}, "M10.9"),
    misses("index.abbreviations", "Assessment: Gout. The HTN clinic was called.", {"Gout": "M10.9"}, "M10.9"),
    fires("guideline.I.C.1.d.1", "Discharge Diagnosis: E. coli bacteremia.", {"E. coli bacteremia": "A41.51"}, setting="inpatient"),
    fires("guideline.I.C.1.d.1", "Discharge Diagnosis: Urosepsis.", {"Urosepsis": "A41.9"}, setting="inpatient"),
    misses("guideline.I.C.1.d.1", "Discharge Diagnosis: E. coli sepsis.", {"E. coli sepsis": "A41.51"}, "A41.51", setting="inpatient"),
    fires("guideline.II.H.terms", "Impression: Septic shock was considered. Gout.", {"Septic shock": "R65.21", "Gout": "M10.9"}, "M10.9", setting="inpatient"),
    fires("guideline.II.H.terms", "Course: We considered sepsis.\n\nImpression: Gout.", {"sepsis": "A41.9", "Gout": "M10.9"}, "M10.9", setting="inpatient"),
    misses("guideline.II.H.terms", "Discharge Diagnosis: Probable sepsis.", {"sepsis": "A41.9"}, "A41.9", setting="inpatient"),
    # Combination
    fires("index.diabetes-with", "Assessment: DM2 with neuropathic complications.", {"DM2": "E11.9"}, "E11.40"),
    fires("index.diabetes-with", "Assessment: Type 1 diabetic. Diabetic nephropathy.", {"Type 1 diabetic": "E10.9"}, "E10.21"),
    misses("index.diabetes-with", "Assessment: DM2 without neuropathic complications.", {"DM2": "E11.9"}, "E11.9"),
    misses("index.diabetes-with", "Assessment: DM2. No diabetic neuropathy.", {"DM2": "E11.9"}, "E11.9"),
    fires("guideline.I.C.4.a.hyperglycemia", "Assessment: Poorly controlled type 2 diabetes.", {"type 2 diabetes": "E11.9"}, "E11.65"),
    misses("guideline.I.C.4.a.hyperglycemia", "Assessment: Well controlled type 2 diabetes.", {"type 2 diabetes": "E11.9"}, "E11.9"),
    fires("guideline.I.C.4.a.with", "Assessment: Type 2 diabetes. Gastroparesis.", {"Type 2 diabetes": "E11.9", "Gastroparesis": "K31.84"}, "E11.43", "K31.84"),
    misses("guideline.I.C.4.a.with", "Assessment: Type 2 diabetes. Reflux.", {"Type 2 diabetes": "E11.9", "Reflux": "K21.9"}, "E11.9", "K21.9"),
    fires("guideline.I.C.9.a", "Assessment: Hypertension. CKD stage 4.", {"Hypertension": "I10", "CKD stage 4": "N18.4"}, "I12.9", "N18.4"),
    fires("guideline.I.C.9.a", "Assessment: ESRD. Hypertension.", {"Hypertension": "I10", "ESRD": "N18.6"}, "I12.0", "N18.6"),
    fires(
        "guideline.I.C.9.a",
        "Assessment: Chronic systolic heart failure. Hypertension. CKD stage 3b.",
        {"Hypertension": "I10", "CKD stage 3b": "N18.32", "Chronic systolic heart failure": "I50.22"},
        "I13.0",
        "I50.22",
        "N18.32",
    ),
    misses("guideline.I.C.9.a", "Assessment: Hypertension. Atrial fibrillation.", {"Hypertension": "I10", "Atrial fibrillation": "I48.91"}, "I10", "I48.91"),
    misses(
        "guideline.I.C.9.a",
        "Assessment: Hypertension. Heart failure due to alcohol.",
        {"Hypertension": "I10", "Heart failure": "I50.9"},
        "I10",
        "I50.9",
    ),
    misses("guideline.I.C.10.a.asthma", "Assessment: Fewer acute exacerbations of asthma this year.", {"asthma": "J45.909"}, "J45.909"),
    fires("tabular.N13.2", "Assessment: Ureteral stone. Hydronephrosis.", {"Ureteral stone": "N20.1", "Hydronephrosis": "N13.30"}, "N13.2"),
    misses("tabular.N13.2", "Assessment: Hydronephrosis. Gout.", {"Hydronephrosis": "N13.30", "Gout": "M10.9"}, "N13.30", "M10.9"),
    fires("guideline.I.B.18", "Assessment: Trigger thumb, right. Trigger finger.", {"Trigger thumb": "M65.311", "Trigger finger": "M65.30"}, "M65.311"),
    fires("guideline.I.B.18", "Assessment: ESRD. CKD.", {"ESRD": "N18.6", "CKD": "N18.9"}, "N18.6"),
    fires("guideline.I.B.5", "Assessment: Contusion of the right thigh. Leg pain.", {"Contusion": "S70.11XA", "Leg pain": "M79.606"}, "S70.11XA"),
    fires(
        "guideline.I.C.9.b",
        "Assessment: Coronary artery disease. Unstable angina.",
        {"Coronary artery disease": "I25.10", "Unstable angina": "I20.0"},
        "I25.110",
    ),
    misses("guideline.I.C.9.b", "Assessment: Coronary artery disease. Gout.", {"Coronary artery disease": "I25.10", "Gout": "M10.9"}, "I25.10", "M10.9"),
    fires("guideline.I.C.10.a.infection", "Assessment: Pneumonia. COPD.", {"Pneumonia": "J18.9", "COPD": "J44.9"}, "J18.9", "J44.0"),
    misses("guideline.I.C.10.a.infection", "Assessment: Sinusitis. COPD.", {"Sinusitis": "J32.9", "COPD": "J44.9"}, "J32.9", "J44.9"),
    fires("guideline.I.C.10.a.1", "Assessment: COPD, acute exacerbation.", {"COPD": "J44.9"}, "J44.1"),
    misses("guideline.I.C.10.a.1", "Assessment: COPD without exacerbation.", {"COPD": "J44.9"}, "J44.9"),
    fires("guideline.I.C.10.a.asthma", "Assessment: Asthma with acute exacerbation.", {"Asthma": "J45.909"}, "J45.901"),
    misses("guideline.I.C.10.a.asthma", "Assessment: Asthma, no exacerbation.", {"Asthma": "J45.909"}, "J45.909"),
    fires("guideline.I.C.10.c", "Assessment: Influenza A. Pneumonia.", {"Influenza A": "J10.1", "Pneumonia": "J18.9"}, "J10.00"),
    misses("guideline.I.C.10.c", "Assessment: Influenza A. Otitis media.", {"Influenza A": "J10.1", "Otitis media": "H66.90"}, "J10.1", "H66.90"),
    fires(
        "guideline.I.C.1.d.organism",
        "Discharge Diagnosis: Sepsis due to E. coli.",
        {"Sepsis": "A41.9", "E. coli": "B96.20"},
        "A41.51",
        setting="inpatient",
    ),
    misses(
        "guideline.I.C.1.d.organism",
        "Discharge Diagnosis: Sepsis, organism unknown. Pneumonia on the left side; urine culture of last month grew some E. coli.",
        {"Sepsis": "A41.9", "E. coli": "B96.20"},
        "A41.9",
        "B96.20",
        setting="inpatient",
    ),
    fires(
        "guideline.I.C.1.g.1.c",
        "Discharge Diagnosis: COVID-19. COVID-19 pneumonia.",
        {"COVID-19": "U07.1", "pneumonia": "J18.9"},
        "U07.1",
        "J12.82",
        setting="inpatient",
    ),
    misses(
        "guideline.I.C.1.g.1.c",
        "Discharge Diagnosis: COVID-19. Bacterial pneumonia.",
        {"COVID-19": "U07.1", "pneumonia": "J18.9"},
        "U07.1",
        "J18.9",
        setting="inpatient",
    ),
    fires(
        "guideline.I.C.2.c.1",
        "Assessment: Anemia due to lung cancer. Lung cancer.",
        {"Anemia": "D64.9", "Lung cancer": "C34.90", "lung cancer": "C34.90"},
        "C34.90",
        "D63.0",
    ),
    misses("guideline.I.C.2.c.1", "Assessment: Lung cancer. Anemia.", {"Anemia": "D64.9", "Lung cancer": "C34.90"}, "C34.90", "D64.9"),
    fires("index.alzheimer", "Assessment: Alzheimer's disease.", {"Alzheimer's disease": "G30.9"}, "G30.9", "F02.80"),
    fires("index.alzheimer", "Assessment: Parkinson's disease. Dementia.", {"Parkinson's disease": "G20.A1", "Dementia": "F03.90"}, "G20.A1", "F02.80"),
    misses("index.alzheimer", "Assessment: Dementia. Gout.", {"Dementia": "F03.90", "Gout": "M10.9"}, "F03.90", "M10.9"),
    fires(
        "guideline.I.C.15.a.3",
        "Assessment: Anemia in pregnancy, 30 weeks of gestation.",
        {"Anemia in pregnancy": "O99.019"},
        "O99.013",
        "Z3A.30",
    ),
    misses("guideline.I.C.15.a.3", "Assessment: Anemia in pregnancy. Follow-up in 4 weeks.", {"Anemia in pregnancy": "O99.019"}, "O99.019"),
    # Companions
    fires("guideline.I.C.4.a.plain", "Assessment: Type 2 diabetes. CKD stage 4.", {"Type 2 diabetes": "E11.9", "CKD stage 4": "N18.4"}, "E11.22", "N18.4"),
    misses("guideline.I.C.4.a.plain", "Assessment: Type 2 diabetes. Gout.", {"Type 2 diabetes": "E11.9", "Gout": "M10.9"}, "E11.9", "M10.9"),
    fires("guideline.I.C.4.a.3", "Assessment: Type 2 diabetes on insulin glargine.", {"Type 2 diabetes": "E11.9"}, "E11.9", "Z79.4"),
    misses("guideline.I.C.4.a.3", "Assessment: Type 2 diabetes with insulin resistance.", {"Type 2 diabetes": "E11.9"}, "E11.9"),
    fires("convention.use-additional.heart-kidney", "Assessment: Hypertensive heart failure.", {"Hypertensive heart failure": "I11.0"}, "I11.0", "I50.9"),
    misses("convention.use-additional.heart-kidney", "Assessment: Hypertensive heart disease.", {"Hypertensive heart disease": "I11.9"}, "I11.9"),
    fires("guideline.I.C.1.d.2", "Discharge Diagnosis: Septic shock.", {"Septic shock": "R65.21"}, "A41.9", "R65.21", setting="inpatient"),
    misses("guideline.I.C.1.d.2", "Discharge Diagnosis: Cardiogenic shock.", {"Cardiogenic shock": "R57.0"}, "R57.0", setting="inpatient"),
    fires("tabular.Z3A", "Assessment: Gestational diabetes, 28 weeks pregnant.", {"Gestational diabetes": "O24.419"}, "O24.419", "Z3A.28"),
    misses("tabular.Z3A", "Assessment: Gestational diabetes. Return in 2 weeks.", {"Gestational diabetes": "O24.419"}, "O24.419"),
    # Exclusions
    fires(
        "guideline.I.C.9.a.elevated",
        "Assessment: Hypertension. Elevated blood pressure reading.",
        {"Hypertension": "I10", "Elevated blood pressure reading": "R03.0"},
        "I10",
    ),
    misses("guideline.I.C.9.a.elevated", "Assessment: Elevated blood pressure reading.", {"Elevated blood pressure reading": "R03.0"}, "R03.0"),
    fires("index.copd-with-asthma", "Assessment: COPD. Asthma.", {"COPD": "J44.9", "Asthma": "J45.909"}, "J44.89"),
    misses("index.copd-with-asthma", "Assessment: Asthma.", {"Asthma": "J45.909"}, "J45.909"),
    fires("tabular.J44.emphysema", "Assessment: COPD. Emphysema.", {"COPD": "J44.9", "Emphysema": "J43.9"}, "J43.9"),
    misses("tabular.J44.emphysema", "Assessment: COPD. Bronchiectasis.", {"COPD": "J44.9", "Bronchiectasis": "J47.9"}, "J44.9", "J47.9"),
    fires("guideline.I.C.1.a.2", "Assessment: AIDS. HIV positive.", {"AIDS": "B20", "HIV positive": "Z21"}, "B20"),
    misses("guideline.I.C.1.a.2", "Assessment: Gout. HIV positive.", {"Gout": "M10.9", "HIV positive": "Z21"}, "M10.9", "Z21"),
    fires("guideline.I.C.1.g.1.a", "Assessment: COVID-19. Viral infection.", {"COVID-19": "U07.1", "Viral infection": "B34.9"}, "U07.1"),
    misses("guideline.I.C.1.g.1.a", "Assessment: Viral infection.", {"Viral infection": "B34.9"}, "B34.9"),
    fires("guideline.I.C.2.l", "Assessment: Breast cancer, left. Malignancy.", {"Breast cancer": "C50.919", "Malignancy": "C80.1"}, "C50.912"),
    misses("guideline.I.C.2.l", "Assessment: Malignancy.", {"Malignancy": "C80.1"}, "C80.1"),
    fires("guideline.I.C.5.b.2", "Assessment: Alcohol dependence. Alcohol use.", {"Alcohol dependence": "F10.20", "Alcohol use": "F10.90"}, "F10.20"),
    misses(
        "guideline.I.C.5.b.2",
        "Assessment: Alcohol dependence. Cannabis dependence.",
        {"Alcohol dependence": "F10.20", "Cannabis dependence": "F12.20"},
        "F10.20",
        "F12.20",
    ),
    fires("guideline.I.C.15.a.1", "Assessment: Pre-eclampsia. Pregnancy.", {"Pre-eclampsia": "O14.90", "Pregnancy": "Z33.1"}, "O14.90"),
    misses("guideline.I.C.15.a.1", "Assessment: Wrist sprain, left. Pregnancy.", {"Wrist sprain": "S63.509", "Pregnancy": "Z33.1"}, "S63.502A", "Z33.1"),
    fires(
        "guideline.I.C.19.b.1",
        "Assessment: Fracture of the right tibia. Contusion of the right leg.",
        {"Fracture of the right tibia": "S82.201", "Contusion of the right leg": "S80.11"},
        "S82.201A",
    ),
    misses(
        "guideline.I.C.19.b.1",
        "Assessment: Fracture of the right tibia. Contusion of the left shoulder.",
        {"Fracture of the right tibia": "S82.201", "Contusion of the left shoulder": "S40.012"},
        "S82.201A",
        "S40.012A",
    ),
    fires(
        "guideline.I.C.21.c.7",
        "Assessment: Healing fracture of the right tibia. Orthopedic aftercare.",
        {"fracture of the right tibia": "S82.201", "Orthopedic aftercare": "Z47.89"},
        "S82.201D",
    ),
    misses("guideline.I.C.21.c.7", "Assessment: Orthopedic aftercare. Gout.", {"Orthopedic aftercare": "Z47.89", "Gout": "M10.9"}, "Z47.89", "M10.9"),
    fires("guideline.I.C.20.a", "Assessment: Gout. Fall.", {"Gout": "E79.0", "Fall": "W19"}, "E79.0"),
    misses("guideline.I.C.20.a", "Assessment: Ankle sprain, left. Fall.", {"Ankle sprain": "S93.409", "Fall": "W19"}, "S93.402A", "W19.XXXA"),
    fires("guideline.I.B.14", "Assessment: Gout. BMI 36.", {"Gout": "M10.9", "BMI 36": "Z68.36"}, "M10.9"),
    misses("guideline.I.B.14", "Assessment: Obesity. BMI 36.", {"Obesity": "E66.9", "BMI 36": "Z68.36"}, "E66.9", "Z68.36"),
    fires(
        "tabular.F17",
        "Assessment: Nicotine dependence, cigarettes. Tobacco use.",
        {"Nicotine dependence, cigarettes": "F17.210", "Tobacco use": "Z72.0"},
        "F17.210",
    ),
    misses("tabular.F17", "Assessment: Gout. Tobacco use.", {"Gout": "M10.9", "Tobacco use": "Z72.0"}, "M10.9", "Z72.0"),
    fires("guideline.I.B.5", "Assessment: Pneumonia. Cough.", {"Pneumonia": "J18.9", "Cough": "R05.9"}, "J18.9"),
    misses("guideline.I.B.5", "Assessment: Pneumonia. Dizziness.", {"Pneumonia": "J18.9", "Dizziness": "R42"}, "J18.9", "R42"),
    fires("guideline.IV.D", "HPI: Some dizziness.\n\nAssessment: Gout.", {"dizziness": "R42", "Gout": "M10.9"}, "M10.9"),
    misses("guideline.IV.D", "HPI: Some dizziness.", {"dizziness": "R42"}, "R42"),
    misses("guideline.IV.D", "HPI: dizziness.\n\nAssessment:\n1. Gout.\n2. Dizziness, unclear.", {"Dizziness": "R42", "Gout": "M10.9"}, "M10.9", "R42"),
    fires(
        "guideline.I.B.13",
        "Assessment: Osteoarthritis of the right knee. Osteoarthritis of the left knee.",
        {"Osteoarthritis of the right knee": "M17.11", "Osteoarthritis of the left knee": "M17.12"},
        "M17.0",
    ),
    fires("guideline.I.B.13", "Assessment: Right otitis media. Left ear infection.", {"otitis media": "H66.91", "ear infection": "H66.92"}, "H66.93"),
    misses(
        "guideline.I.B.13",
        "Assessment: Right shoulder pain. Left shoulder ache.",
        {"shoulder pain": "M25.511", "shoulder ache": "M25.512"},
        "M25.511",
        "M25.512",
    ),
    fires("guideline.I.B.18", "Assessment: Renal insufficiency. CKD stage 4.", {"CKD stage 4": "N18.4", "Renal insufficiency": "N18.9"}, "N18.4"),
    misses("guideline.I.B.18", "Assessment: CKD. Kidney stone.", {"CKD": "N18.9", "Kidney stone": "N20.0"}, "N18.9", "N20.0"),
    fires("convention.I.A.13", "Assessment: Glaucoma in diseases elsewhere.", {"Glaucoma in diseases elsewhere": "H42"}),
    misses("convention.I.A.13", "Assessment: Glaucoma. Amyloidosis.", {"Glaucoma": "H42", "Amyloidosis": "E85.9"}, "E85.9", "H42"),
    fires("convention.I.A.12.a", "Assessment: Type 1 diabetes. Type 2 diabetes.", {"Type 1 diabetes": "E10.9", "Type 2 diabetes": "E11.9"}, "E10.9"),
    misses("convention.I.A.12.a", "Assessment: Type 1 diabetes. Gout.", {"Type 1 diabetes": "E10.9", "Gout": "M10.9"}, "E10.9", "M10.9"),
    # A doubt that a later note resolves takes two notes: test_notes.py.
)
