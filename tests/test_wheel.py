"""The package that is installed elsewhere has all that the commands need."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from app import __version__
from tests.server import ROOT

PACKAGES = ("app", "domain", "projections")
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from app.cli import main; main()"


def test_the_wheel_holds_the_three_packages_and_runs_by_itself(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, for a build leaves files behind that would get into the next one
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("jobledger-*.whl")
    held = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert held == {*PACKAGES, f"jobledger-{__version__}.dist-info"}
    isolated = [sys.executable, "-P", "-c", RUN, str(wheel)]
    shown = subprocess.run([*isolated, "--version"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert shown.stdout.strip() == f"jobledger {__version__}"
    example = str(ROOT / "examples" / "hello.yaml")
    subprocess.run([*isolated, "validate", example], check=True, cwd=tmp_path)
