"""Imports follow the flow of data: FHIR in, reading, review, cards and page."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cds_service", "fhir_mappers", "onnx_models", "smart_app")
ALLOWED = {
    "smart_app": {"cds_service", "fhir_mappers"},
    "cds_service": {"onnx_models", "fhir_mappers"},
    "onnx_models": set(),
    "fhir_mappers": set(),
}
FORBIDDEN = {
    "onnx_models": {"flask", "fhir"},
    "fhir_mappers": {"flask", "onnxruntime", "tokenizers", "transformers"},
    "cds_service/review": {"flask", "requests", "sqlalchemy", "onnxruntime"},
}
SERVING_NEVER = {"torch", "transformers", "optimum", "lightgbm", "sklearn"}


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of all modules that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_comes_before_it(package: str) -> None:
    """smart_app -> cds_service -> onnx_models, fhir_mappers; never the other way."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imports(path)
        if (top := name.split(".")[0]) in PACKAGES and top != package and top not in ALLOWED[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_a_layer_does_not_reach_past_its_edge(folder: str) -> None:
    """The engine knows no FHIR and no Flask, the mappers no model, the review no I/O."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN[folder]
    ]
    assert wrong == []


def test_inside_the_service_web_stands_on_hooks_and_hooks_on_review() -> None:
    """web -> hooks -> review, never back."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder, above in (("review", ("hooks", "web", "store")), ("hooks", ("web",)))
        for path in sorted((ROOT / "cds_service" / folder).rglob("*.py"))
        for name in imports(path)
        if any(name.startswith(f"cds_service.{a}") for a in above)
    ]
    assert wrong == []


def test_serving_code_never_imports_training_libraries() -> None:
    """The service runs without the extra `train`: torch and its kin are imported by training and evaluation only."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not {"training", "evaluation"} & set(path.relative_to(ROOT).parts)
        for name in imports(path)
        if name.split(".")[0] in SERVING_NEVER
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_a_sorted_list_of_names_that_exist(package: str) -> None:
    """`__all__` is the door of a package: sorted, complete, and true."""
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert [n for n in module.__all__ if not hasattr(module, n)] == []
