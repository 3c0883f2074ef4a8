"""Which diagnosis comes first: UHDDS for inpatients (section II), first-listed for outpatients (section IV.G)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cds_service.review import CodingReview
from fhir_mappers.record import Setting

ILLNESS = {
    **{"chest pain": "R07.9", "hypertension": "I10", "diabetes": "E11.9", "cough": "R05.9"},
    **{"pneumonia": "J18.9", "Crohn disease": "K50.90", "gout": "M10.9"},
}
FIRST = (
    # what the provider names principal, wherever it stands
    ("DISCHARGE SUMMARY\n\nSecondary diagnosis: hypertension.\n\nPrincipal diagnosis: pneumonia.", "J18.9"),
    ("Admission diagnosis: pneumonia.\n\nSecondary diagnosis: gout.", "J18.9"),
    # the first item of the conclusion, though words follow it
    ("Impression:\n1. pneumonia with a small effusion on the right side\n2. Moderate hypertension.", "J18.9"),
    # the reason of the visit before diseases of the history
    ("Chief Complaint: chest pain.\n\nPast Medical History: hypertension, diabetes.", "R07.9"),
    ("HPI: A man with a history of hypertension and diabetes who presents with gout.", "M10.9"),
    # a diagnosis before a symptom of the same list, unless the symptom opens it
    ("Assessment:\n1. Crohn disease\n2. cough\n3. gout", "K50.90"),
    ("Assessment:\n1. chest pain\n2. gout", "R07.9"),
    ("Assessment:\n2) cough - stable\n3) gout - colchicine", "M10.9"),
    # background of the assessment's opening sentence
    ("Assessment: A woman with a past medical history significant for hypertension, diabetes, who presents with gout.", "M10.9"),
)


@pytest.mark.parametrize(("text", "code"), FIRST, ids=lambda v: v[:40])
def test_first_listed(text: str, code: str, coded: Callable[..., CodingReview]) -> None:
    """IV.G, II: the condition chiefly responsible for the encounter."""
    assert coded(text, ILLNESS).diagnoses[0].code == code


def test_the_diagnosis_below_an_unexplained_complaint_takes_its_place(coded: Callable[..., CodingReview]) -> None:
    """I.B.4: the item is the complaint, the text below it names the diagnosis; the next item stays behind."""
    text = "Plan:\n\nLeft elbow pain.\n- I believe she has left olecranon bursitis caused by repetitive trauma at work.\n\nEpilepsy.\n- Continue.\n"
    review = coded(text, {"Left elbow pain": ("M25.522", 0.3), "left olecranon bursitis": "M70.22", "Epilepsy": "G40.909"})
    assert [d.code for d in review.diagnoses] == ["M70.22", "G40.909"]


def test_a_cause_stands_before_the_complaint_it_explains(coded: Callable[..., CodingReview]) -> None:
    """II.A: "heavy bleeding due to fibroids" is a visit for the fibroids."""
    review = coded("Assessment: Heavy menstrual bleeding due to uterine fibroids.", {"Heavy menstrual bleeding": "N92.0", "uterine fibroids": "D25.9"})
    assert [d.code for d in review.diagnoses] == ["D25.9", "N92.0"]


def test_a_complication_that_is_operated_on_comes_first(coded: Callable[..., CodingReview]) -> None:
    """II.G: before the chronic disease that stands first in the list; not where it arose during the stay."""
    said = {"Chronic renal failure": "N18.9", "Thrombosed graft": "T82.868"}
    text = "Preoperative Diagnosis: 1. Chronic renal failure. 2. Thrombosed graft.\n\nPostoperative Diagnosis: 1. Chronic renal failure. 2. Thrombosed graft."
    assert coded(text, said).diagnoses[0].code == "T82.868A"
    stay = "Discharge Diagnosis: 1. Chronic renal failure. 2. Thrombosed graft."
    assert coded(stay, said, setting=Setting.INPATIENT).diagnoses[0].code == "N18.9"


def test_screening_leads_only_where_it_is_the_reason(coded: Callable[..., CodingReview]) -> None:
    """I.C.21.c.5: a screening that is planned at a visit for something else isn't first-listed."""
    said = {"screening colonoscopy": "Z12.11", "Heart failure": "I50.9"}
    assert coded("Assessment:\n1. Heart failure\n\nPlan: She is due for a screening colonoscopy.", said).diagnoses[0].code == "I50.9"
    assert coded("Indication: screening colonoscopy.\n\nAssessment: Heart failure.", said).diagnoses[0].code == "Z12.11"


def test_prematurity_of_a_child_is_never_first(coded: Callable[..., CodingReview]) -> None:
    """I.C.16.d: P07 beside the illness it bears on."""
    review = coded("Assessment: ex-preemie with bronchiolitis.", {"ex-preemie": "P07.35", "bronchiolitis": "J21.9"})
    assert review.diagnoses[0].code == "J21.9"
