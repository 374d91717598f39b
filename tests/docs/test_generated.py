"""What the documentation says is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_generated_parts_are_up_to_date() -> None:
    command: list[str | Path] = [sys.executable, ROOT / "docs" / "generate.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?m)^\s*make ([a-z-]+)", page.read_text()))
    assert {target for target in named if not re.search(rf"(?m)^{target}:", makefile)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    from common.cli.app import app

    names = {info.callback.__name__.replace("_", "-") for info in app.registered_commands if info.callback}
    assert set(re.findall(r"\brecsys ([a-z][a-z-]*)", page.read_text())) <= names


def test_every_path_that_contributors_are_led_to_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"(?<![\w./])(?:common|docs|infra|tests|widget|\.github)/[\w./-]*\w", text))
    assert len(paths) > 15
    assert {path for path in paths if not (ROOT / path).exists()} == set()
