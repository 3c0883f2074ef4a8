"""Cases of the rules of precision, active treatment and purpose of the encounter: for each one that fires and one near miss."""

from __future__ import annotations

from tests.unit.review.rule_cases import RuleCase, fires, misses

DETAIL_CASES: tuple[RuleCase, ...] = (
    # Precision
    fires("guideline.I.B.13.record", "Indication: Right knee injury.\n\nImpression: ACL sprain.", {"ACL sprain": "S83.519"}, "S83.511A"),
    misses("guideline.I.B.13.record", "Exam: Right knee tender, left knee stable.\n\nImpression: ACL sprain.", {"ACL sprain": "S83.519"}, "S83.519A"),
    misses("guideline.I.B.13.record", "Past Surgical History: Right knee replacement.\n\nImpression: ACL sprain.", {"ACL sprain": "S83.519"}, "S83.519A"),
    fires(
        "guideline.I.B.2.words",
        "Impression: Right middle finger distal phalanx fracture.",
        {"distal phalanx fracture": "S62.639"},
        "S62.632A",
    ),
    fires("guideline.I.B.2.words", "Assessment: Ectopic left testis.", {"Ectopic left testis": "Q53.00"}, "Q53.01", gender="male"),
    misses("guideline.I.B.2.words", "Impression: Distal phalanx fracture.", {"Distal phalanx fracture": "S62.639"}, "S62.639A"),
    fires(
        "guideline.I.B.2.opposite",
        "Assessment: Extra-articular fracture right distal radius.",
        {"Extra-articular fracture right distal radius": "S52.571"},
        "S52.551A",
    ),
    misses(
        "guideline.I.B.2.opposite",
        "Assessment: Intra-articular fracture right distal radius.",
        {"Intra-articular fracture right distal radius": "S52.571"},
        "S52.571A",
    ),
    fires(
        "guideline.I.B.8.acute",
        "Assessment: Acute suppurative otitis media, right ear.",
        {"Acute suppurative otitis media": [("H66.41", 0.6), ("H66.001", 0.3)]},
        "H66.001",
    ),
    misses(
        "guideline.I.B.8.acute",
        "Assessment: Suppurative otitis media, right ear.",
        {"Suppurative otitis media": [("H66.41", 0.6), ("H66.001", 0.3)]},
        "H66.41",
    ),
    # Active treatment (I.C.19.a)
    fires(
        "guideline.I.C.19.a.active",
        "Admission Diagnosis: Right femoral neck fracture, status post fall.",
        {"femoral neck fracture": "S72.001"},
        "S72.001A",
        setting="inpatient",
    ),
    fires("guideline.I.C.19.a.active", "Preoperative Diagnosis: Postoperative wound infection.", {"wound infection": "T81.49"}, "T81.49XA"),
    misses(
        "guideline.I.C.19.a.active",
        "Chief Complaint: Follow up of healing right femoral neck fracture.",
        {"right femoral neck fracture": "S72.001"},
        "S72.001D",
    ),
    misses(
        "guideline.I.C.19.a.active",
        "Admission Diagnosis: Right femoral neck fracture, status post nailing. Admitted for rehabilitation.",
        {"femoral neck fracture": "S72.001"},
        "S72.001D",
        setting="inpatient",
    ),
    # Purpose of the encounter
    fires(
        "guideline.I.C.2.e.2",
        "Admitted for cycle 7 of chemotherapy.\n\nDischarge Diagnosis: Breast cancer.",
        {"Breast cancer": "C50.919"},
        "Z51.11",
        "C50.919",
        setting="inpatient",
    ),
    fires("guideline.I.C.2.e.2", "Here for radiation.\n\nAssessment: Breast cancer.", {"Breast cancer": "C50.919"}, "Z51.0", "C50.919"),
    misses(
        "guideline.I.C.2.e.2",
        "Admitted with fever after chemotherapy.\n\nDischarge Diagnosis: Breast cancer.",
        {"Breast cancer": "C50.919"},
        "C50.919",
        setting="inpatient",
    ),
    # By the index
    fires("index.mass-kidney", "Postoperative Diagnosis: Right renal mass.", {"Right renal mass": "R93.421"}, "N28.89"),
    misses("index.mass-kidney", "Impression: Abnormal right kidney on CT.", {"Abnormal right kidney": "R93.421"}, "R93.421"),
    fires("index.otitis-media", "Assessment: Bilateral otitis media.", {"Bilateral otitis media": "H65.93"}, "H66.93"),
    misses("index.otitis-media", "Assessment: Otitis media with effusion, left ear.", {"Otitis media with effusion, left ear": "H65.92"}, "H65.92"),
    # Extent of burns (I.C.19.d.6), coma scale (I.C.18.e)
    fires("guideline.I.C.19.d.6", "Assessment: Burn of left thigh, 25% TBSA, 12% third degree.", {"Burn of left thigh": "T24.312"}, "T24.312A", "T31.21"),
    fires("guideline.I.C.19.d.6", "Assessment: Burn of the left thigh, 4% TBSA.", {"Burn of the left thigh": "T24.212"}, "T24.212A", "T31.0"),
    misses("guideline.I.C.19.d.6", "Assessment: Burn of the left thigh, 25% healed.", {"Burn of the left thigh": "T24.212"}, "T24.212A"),
    fires("guideline.I.C.18.e", "Nursing: GCS 7 on arrival.\n\nAssessment: Subdural hematoma.", {"Subdural hematoma": "S06.5X0"}, "S06.5X0A", "R40.2432"),
    misses("guideline.I.C.18.e", "Nursing: GCS 7, sedated.\n\nAssessment: Subdural hematoma.", {"Subdural hematoma": "S06.5X0"}, "S06.5X0A"),
    misses("guideline.I.C.18.e", "Exam: GCS 15.\n\nAssessment: Gout.", {"Gout": "M10.9"}, "M10.9"),
    # Why the patient became an inpatient (II.I to II.K)
    fires(
        "guideline.II.I",
        "Course: Converted to inpatient for pneumonia.\n\nDischarge Diagnosis: 1. Gout. 2. Pneumonia.",
        {"pneumonia": "J18.9", "Pneumonia": "J18.9", "Gout": "M10.9"},
        "J18.9",
        "M10.9",
        setting="inpatient",
    ),
    misses(
        "guideline.II.I",
        "Course: Held in observation for pneumonia.\n\nDischarge Diagnosis: 1. Gout. 2. Pneumonia.",
        {"pneumonia": "J18.9", "Pneumonia": "J18.9", "Gout": "M10.9"},
        "M10.9",
        "J18.9",
        setting="inpatient",
    ),
    fires(
        "guideline.II.J",
        "Course: Admitted after outpatient surgery for ileus.\n\nDischarge Diagnosis: 1. Gallstones. 2. Ileus.",
        {"ileus": "K56.7", "Ileus": "K56.7", "Gallstones": "K80.20"},
        "K56.7",
        "K80.20",
        setting="inpatient",
    ),
    misses("guideline.II.J", "Course: Outpatient surgery for gout is planned.", {"gout": "M10.9"}, "M10.9", setting="inpatient"),
    fires("guideline.II.K", "Course: Admitted for rehabilitation after hemiplegia.", {"hemiplegia": "G81.90"}, "G81.90", setting="inpatient"),
    misses("guideline.II.K", "Course: Rehabilitation was discussed. Gout.", {"Gout": "M10.9"}, "M10.9", setting="inpatient"),
    fires(
        "guideline.II.K.injury",
        "Course: Admitted for rehabilitation following right femoral neck fracture.",
        {"right femoral neck fracture": "S72.001"},
        "S72.001D",
        setting="inpatient",
    ),
    misses("guideline.II.K.injury", "Course: Right femoral neck fracture.", {"Right femoral neck fracture": "S72.001"}, "S72.001A", setting="inpatient"),
)
