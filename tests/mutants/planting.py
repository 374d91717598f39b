"""One run of mutmut over a target, in a directory of its own.

Each planted fault is tried in a process that was forked from one that has imported the tests already. That is why it is
mutmut: a tool that starts pytest for each of three thousand faults takes several times as long.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tests.mutants.targets import Target

NEEDED = ("common", "docs", "functions", "infra", "tests", "template.yaml")
"""What the tests of all targets read."""

FOUND = {"killed", "timeout", "segfault"}
UNTRIED = {"not checked", "check was interrupted by user"}
_WITHOUT_WORDS = Path(__file__).with_name("without_words.py")
_SCRIPTS = sysconfig.get_path("scripts")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_NOT_PASSED_ON = {"PYTHONPATH", "PYTEST_ADDOPTS"}
"""The first leads to the code without faults; the second may have every process write one report."""


class PlantingError(Exception):
    """mutmut has not come to an end. The message is the end of its log, or says what is left."""


@dataclass(frozen=True)
class Mutant:
    """A planted fault. `before` and `after` are the lines that differ, without their indentation.

    `fate` is what became of it, in mutmut's words.
    """

    function: str
    before: str
    after: str
    fate: str


def plant(target: Target, root: Path, directory: Path) -> list[Mutant]:
    """Every fault in the target's files of the project at `root`, and what became of it. `directory` is made anew.

    Raises `PlantingError`, above all where a test fails without any fault.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in NEEDED:
        if (root / name).exists():
            (directory / name).symlink_to(root / name)
    settings = (root / "pyproject.toml").read_text() + _settings(target, root)
    (directory / "pyproject.toml").write_text(settings)
    _run(directory, target.words)
    mutants = [mutant for path in target.paths(root) for mutant in _mutants_of(path, directory)]
    # After a SIGINT it ends with status 0.
    if untried := sum(mutant.fate in UNTRIED for mutant in mutants):
        raise PlantingError(f"it was stopped with {untried} of {len(mutants)} faults untried")
    return mutants


def _settings(target: Target, root: Path) -> str:
    """Of mutmut. A list of texts is the same in JSON and in TOML."""
    lists = {
        "source_paths": ["common"],
        "only_mutate": [str(path) for path in target.paths(root)],
        # The words of an error. Tests look for those that a reader acts on.
        "do_not_mutate_patterns": [r"raise \w+\("],
        "also_copy": [name for name in NEEDED if name not in ("common", "tests")],
        "pytest_add_cli_args_test_selection": target.tests,
        # What is slow is no unit test.
        "pytest_add_cli_args": ["-p", "tests.mutants.plugin", "-p", "no:cacheprovider", "-m", "not slow"],
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in lists.items()]
    # A process that has run the tests has threads, which a fork of it would miss.
    return "\n".join(["\n[tool.mutmut]", 'process_isolation = "forkserver"', *lines, ""])


def _run(directory: Path, words: bool) -> None:
    temporary = directory / "tmp"
    temporary.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    # Each process is a session of pytest, and deletes what older ones have left: only its own kind's.
    environment = {**kept, **_ONE_THREAD, "PYTEST_DEBUG_TEMPROOT": str(temporary)}
    # -P: nothing is imported from where the script is.
    command = [str(Path(_SCRIPTS) / "mutmut")] if words else [sys.executable, "-P", str(_WITHOUT_WORDS)]
    log = directory / "mutmut.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [*command, "run"], cwd=directory, env=environment, stdout=output, stderr=output, check=False
        )
    if ended.returncode != 0:
        raise PlantingError("\n".join(log.read_text().replace("\r", "\n").splitlines()[-40:]))


def _mutants_of(path: Path, directory: Path) -> Iterator[Mutant]:
    meta = json.loads((directory / "mutants" / f"{path}.meta").read_text())
    for key, exit_code in meta["exit_code_by_key"].items():
        name, of_class = orig_function_and_class_names_from_key(key)
        module = key.rpartition(".")[0]
        with chdir(directory):
            before, after = _changed_lines(get_diff_for_mutant(key, path=path))
        function = ".".join(part for part in (module, of_class, name) if part)
        yield Mutant(function, before, after, status_by_exit_code[exit_code])


def _changed_lines(diff: str) -> tuple[str, str]:
    lines = diff.splitlines()[2:]
    before, after = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return before, after
