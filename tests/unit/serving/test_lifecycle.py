"""What the audit says of a start: what is in force, and which settings differ from the last start, without their values."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest

from cds_service.application import Application
from cds_service.audit.chain import links
from cds_service.serving.lifecycle import _made_to_stay, tell_configuration
from cds_service.store.cipher import new_key


def test_a_changed_setting_is_named_and_its_value_is_not_told(make_application: Callable[..., Application]) -> None:
    """Two starts with the same settings, then one with another budget and another key: both are named, no value is in the audit."""
    application = make_application()
    tell_configuration(application)
    tell_configuration(application)
    secret = new_key()
    application.settings = replace(application.settings, hook_budget_ms=987_654, data_keys=(secret,))
    tell_configuration(application)
    with application.store.engine.connect() as connection:
        told = [link.event for link in links(connection, kind="configuration")]
    assert [t["details"]["changed"] for t in told] == [[], [], ["data_keys", "hook_budget_ms"]]
    assert secret not in str(told)
    assert "987654" not in str(told)
    assert told[-1]["details"]["model"]["sha256"] == application.reviewer.model.sha256


def test_the_collector_leaves_alone_what_stays() -> None:
    """What is made at the start is never looked through again in the middle of a call; afterwards, and after a start that failed, the collector works."""
    gc.unfreeze()
    with pytest.raises(ValueError, match="damaged"), _made_to_stay():
        raise ValueError("damaged")
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    with _made_to_stay():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(kept)
    gc.unfreeze()
