"""A command whose extra is not installed says which one to install."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

from common.cli.extras import EXTRA_OF, lacking_extra

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
sys.argv = ["recsys", *sys.argv[2:]]
from common.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("implicit", "train", "train"),
        ("optuna", "train", "train"),
        ("duckdb", "status", "cli"),
        ("yaml", "setup --notify ingest=arn:x", "cli"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra_and_no_traceback(
    module: str, command: str, extra: str, environment: dict[str, str]
) -> None:
    process = [sys.executable, "-c", WITHOUT, module, *command.split()]
    run = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path)), **environment}
    result = subprocess.run(process, env=run, capture_output=True, text=True, check=False)
    said = " ".join((result.stdout + result.stderr).split())
    assert result.returncode == 3, said
    assert f"this command needs {module}, which is not installed" in said
    assert f"pip install 'recsys-lite[{extra}]'" in said
    assert "Traceback" not in said


def test_a_module_that_no_extra_brings_is_a_fault_of_the_program() -> None:
    assert lacking_extra(ModuleNotFoundError("No module named 'unheard_of'", name="unheard_of")) is None


@pytest.mark.parametrize("module", EXTRA_OF)
def test_the_extra_brings_the_module(module: str) -> None:
    """Directly, by an extra that it includes, or with one of its libraries."""
    brought = _distributions(EXTRA_OF[module])
    assert {name.lower() for name in packages_distributions()[module]} & brought


def _distributions(extra: str) -> set[str]:
    found: set[str] = set()
    for requirement in requires("recsys-lite") or ():
        if not re.search(rf"extra == [\"']{extra}[\"']", requirement):
            continue
        name = re.split(r"[=\[; ]", requirement)[0].lower()
        if name == "recsys-lite":
            included = re.search(r"\[(.*?)\]", requirement)
            for other in included.group(1).split(",") if included else ():
                found |= _distributions(other)
        else:
            found |= {name, *(re.split(r"[^\w.-]", line)[0].lower() for line in requires(name) or ())}
    return found
