"""Dependencies point one way, and the domain is pure."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    # re2 matches regular expressions in time that grows with the text alone: a pure function that can not hang
    "domain": {"domain", "msgspec", "re2"},
    "projections": {"domain", "projections", "msgspec", "eventsourcing", "sqlite_utils"},
}
IMPURE = {"os", "io", "pathlib", "random", "secrets", "socket", "sqlite3", "subprocess", "sys", "threading", "time"}
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", modules("domain") + modules("projections"), ids=lambda path: str(path.name))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    foreign = {name for name in imported(path) if name not in sys.stdlib_module_names}
    assert foreign <= ALLOWED[layer]


@pytest.mark.parametrize("path", modules("domain"), ids=lambda path: str(path.name))
def test_the_domain_knows_no_clock_no_chance_and_no_files(path: Path) -> None:
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert not imported(path) & IMPURE
    assert not calls & IMPURE_CALLS


@pytest.mark.parametrize("path", modules("app"), ids=lambda path: str(path.name))
def test_the_application_does_not_know_scripts_and_tests(path: Path) -> None:
    assert not imported(path) & {"scripts", "tests"}


@pytest.mark.parametrize("path", modules("app/api"), ids=lambda path: str(path.name))
def test_the_api_never_touches_docker(path: Path) -> None:
    assert "docker" not in imported(path)
