"""The shape of the code that no type checker sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_HANDLER = 40
HANDLERS = sorted(ROOT.glob("functions/*/main.py"))


def test_imports_run_one_way() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
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
