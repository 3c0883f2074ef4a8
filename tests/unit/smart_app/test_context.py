"""The launch context: only values of the right form are taken over (L11)."""

from __future__ import annotations

import pytest

from smart_app.context import read_context
from smart_app.errors import LaunchRefused


def test_everything_that_is_given_is_taken_over() -> None:
    """L11 patient, encounter, fhirContext[], need_patient_banner, smart_style_url, intent, tenant."""
    context = read_context(
        {
            "patient": "p-1", "encounter": "e.2", "scope": "launch", "appContext": "handle", "need_patient_banner": False, "intent": "review",
            "smart_style_url": "https://ehr.example.org/s.json", "tenant": "t", "fhirContext": [{"reference": "DocumentReference/7"}],
        },
        requested_scope="other",
    )  # fmt: skip
    assert (context.patient, context.encounter, context.scope, context.app_context) == ("p-1", "e.2", "launch", "handle")
    assert (context.need_patient_banner, context.intent, context.ehr_tenant, context.fhir_context) == (False, "review", "t", ("DocumentReference/7",))


@pytest.mark.parametrize("banner", [None, "false", 0, True])
def test_only_a_plain_false_hides_the_banner(banner: object) -> None:
    """A banner too many is safer than none."""
    assert read_context({"patient": "p", "need_patient_banner": banner}, requested_scope="").need_patient_banner is True


def test_without_a_patient_the_launch_is_refused() -> None:
    """No patient, no chart."""
    with pytest.raises(LaunchRefused) as refused:
        read_context({"fhirContext": [{"reference": "Encounter/1"}]}, requested_scope="")
    assert refused.value.code == "smart.no-patient"


def test_a_handle_of_absurd_length_is_left_out() -> None:
    """`appContext` is input: beyond its possible length it isn't looked up."""
    assert read_context({"patient": "p", "appContext": "x" * 513}, requested_scope="").app_context is None
