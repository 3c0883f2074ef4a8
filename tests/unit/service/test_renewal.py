"""A running service follows its data folder: a year's files and payers' rules, without a release and without a restart."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds_service.application import Application
from cds_service.codesets import AtHand, Choices, Renewal
from cds_service.config import Settings
from cds_service.encounter_input import record_of_text
from cds_service.errors import ConfigurationError
from cds_service.review.codeset import CodeSet
from cds_service.review.knowledge import icd10cm_2026
from tests.unit.codesets.official_files import order


def next_year(release: CodeSet) -> dict[str, tuple[bool, str]]:
    """Return what an order file of FY 2027 lists: all of FY 2026 but R05.3, and an invented code."""
    listed = {c.replace(".", ""): (release.is_billable(c), release.title(c)) for c in (*release.entries, *release.billable) if c != "R05.3"}
    return dict(sorted({**listed, "J98A": (False, "Marsh light lung"), "J98A1": (True, "Marsh light lung with tremolo")}.items()))


def test_an_imported_year_is_in_force_in_the_running_service(tmp_path: Path) -> None:
    """Before: the code isn't known. After the import: it is found by its title on the other side of October only; after a rollback it is gone."""
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'test.sqlite'}", data=tmp_path / "data", open=True)
    application = Application.load(settings)
    try:
        text = "Assessment:\n1. Marsh light lung with tremolo."

        def codes(day: str) -> set[str]:
            application.renewal.wait()
            return {d.code for d in application.review(record_of_text(text, today=date(2026, 11, 1), encounter_date=day), tenant="default").diagnoses}

        def look() -> None:
            application.renewal._next = 0.0
            application.renewal.look()

        assert "J98.A1" not in codes("2026-10-05")
        version = application.coder.model.version
        library = AtHand(settings.data).library
        library.bring([order(tmp_path, next_year(icd10cm_2026()))], Choices())
        look()
        assert "J98.A1" in codes("2026-10-05")
        assert "J98.A1" not in codes("2026-09-05")
        assert application.coder.model.version.startswith(f"{version}+")
        library.roll_back()
        look()
        assert "J98.A1" not in codes("2026-10-05")
        assert application.coder.model.version == version
    finally:
        application.close()


def test_the_data_folder_is_a_setting(tmp_path: Path) -> None:
    """MARGINALIA_DATA names a folder, which need not be there yet; a file is refused."""
    assert Settings.load(environ={"MARGINALIA_DATA": str(tmp_path / "later")}).data == tmp_path / "later"
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="a folder for imported code sets"):
        Settings.load(environ={"MARGINALIA_DATA": str(tmp_path / "file")})


def test_a_folder_that_vanishes_while_it_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """A look that fails disturbs no call: it is told, and the next look sees the change."""
    answers: list[object] = ["one", FileNotFoundError("payers"), "two"]
    renewed = []

    def stamp() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    renewal = Renewal(stamp, lambda: renewed.append(1), every=0.0)
    renewal.look()
    assert "code sets not looked at" in caplog.text
    assert renewed == []
    renewal.look()
    renewal.wait()
    assert renewed == [1]
