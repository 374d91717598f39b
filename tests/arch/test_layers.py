"""The shape of the code that no type checker sees."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_HANDLER = 40
HANDLERS = sorted(ROOT.glob("functions/*/main.py"))


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_imports_run_one_way() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_handlers_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_HANDLER


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_importing_a_handler_opens_nothing(path: Path) -> None:
    """Functions are imported in one process and run in its forks: no setting read, no thread, no socket."""
    code = f"""
import os, runpy, sys, threading
sys.path.insert(0, {str(ROOT)!r})
before = threading.active_count()
runpy.run_path({str(path)!r}, run_name="handler")
assert threading.active_count() == before, threading.enumerate()
links = [os.path.realpath(f"/proc/self/fd/{{fd}}") for fd in os.listdir("/proc/self/fd")]
assert not [link for link in links if "socket:" in link], links
"""
    result = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_import_of_common_is_in_the_package() -> None:
    """The functions import `common` alone: what lies in infra or tests is on no image."""
    for path in [*HANDLERS, *ROOT.glob("common/**/*.py")]:
        text = path.read_text()
        assert "from infra" not in text, path
        assert "from tests" not in text, path


def test_an_import_from_a_lower_room_to_a_higher_one_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "common", tmp_path / "common", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "common/usecases/publish/versions.py").open("a") as file:
        file.write("\nfrom common.usecases.operate.status import Status\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "Rooms of the use cases use those below them BROKEN" in result.stdout


def test_no_public_class_name_stands_twice_in_common() -> None:
    homes = defaultdict(list)
    for path in sorted(ROOT.glob("common/**/*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}
