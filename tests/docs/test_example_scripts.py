"""The scripts under `examples/` run: quickly on a made-up shop, and as they stand on the grocer's."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from common.models.registry import FAMILIES
from examples import grocer
from tests import small_shop

ROOT = Path(__file__).parents[2]
SCRIPTS = ("ask", "compare", "own_model")
SAYS = {
    "ask": r"training is done; published is \w+\n(?:\S.* (?:personal|popular|newest) .*\n){10}",
    "compare": r"\nals +(?:0\.\d{4}|the time budget was spent)\n(?:.*\n)*\n.*(?:would be published|worse than)",
    "own_model": r"\npuresvd +0\.\d{4} +0\.\d{4}\nals +0\.\d{4} +0\.\d{4}\npopular +0\.\d{4} +0\.\d{4}\n",
}

scripts = pytest.mark.parametrize("name", SCRIPTS)


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    files = (small_shop.write_items(tmp_path / "items.csv"), small_shop.write_events(tmp_path / "events.csv"))
    monkeypatch.setattr(grocer, "write_files", lambda directory: files)
    monkeypatch.setattr("examples.ask.PERSON", small_shop.person_id(1))
    monkeypatch.setattr("examples.compare.TRIALS", 0)
    yield
    FAMILIES.pop("puresvd", None)


def test_there_are_no_others() -> None:
    there = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert there == {*SCRIPTS, "grocer", "__init__"}


@scripts
def test_a_script_runs(name: str, made_up: None, capsys: pytest.CaptureFixture[str]) -> None:
    import_module(f"examples.{name}").main()
    assert re.search(SAYS[name], capsys.readouterr().out)


@scripts
def test_a_script_uses_public_names_only(name: str) -> None:
    tree = ast.parse((ROOT / "examples" / f"{name}.py").read_text())
    names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [part for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for part in _parts(node)]
    assert [name for name in names if name.startswith("_") and not name.startswith("__")] == []


def _parts(node: ast.ImportFrom) -> list[str]:
    return [*(node.module or "").split("."), *(alias.name for alias in node.names)]


@pytest.mark.slow(lane="examples")
@scripts
def test_a_script_runs_as_it_stands(name: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"examples.{name}"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert re.search(SAYS[name], run.stdout)
