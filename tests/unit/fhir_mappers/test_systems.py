"""Names of code systems: one URI each, whatever a server writes."""

from __future__ import annotations

import pytest

from fhir_mappers import systems


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("urn:oid:2.16.840.1.113883.6.90", systems.ICD10CM),
        ("2.16.840.1.113883.6.90", systems.ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10-cm/", systems.ICD10CM),
        ("ICD10CM", systems.ICD10CM),
        ("urn:oid:2.16.840.1.113883.6.1", systems.LOINC),
        ("http://snomed.info/sct/731000124108", systems.SNOMED),
        ("http://terminology.hl7.org/CodeSystem/HCPCS-all-codes", systems.HCPCS),
        ("http://hl7.org/fhir/v3/ActCode", systems.ACT_CODE),
        ("urn:local:codes", "urn:local:codes"),
        ("", ""),
    ],
)
def test_old_and_local_names_are_known(written: str, uri: str) -> None:
    """OIDs, older URIs, bare names; an unknown one stays as it is."""
    assert systems.canonical(written) == uri


def test_every_canonical_name_is_its_own_canonical_name() -> None:
    """Canonical twice is canonical once."""
    uris = [v for k, v in vars(systems).items() if k.isupper() and isinstance(v, str)]
    assert len(uris) > 10
    assert [systems.canonical(u) for u in uris] == uris
