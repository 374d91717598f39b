"""What `make mutants` says of faults, and that its tables fit the code."""

from __future__ import annotations

import importlib
from functools import reduce
from pathlib import Path

import pytest

from tests.lanes.table import read_lanes
from tests.mutants.planting import Mutant, plant
from tests.mutants.survivors import as_toml, change_of, judge, read_explained
from tests.mutants.targets import ROOT, Target, read_targets

TARGETS = read_targets()
EXPLAINED = read_explained()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_pattern_and_every_test_of_a_target_is_there(target: Target) -> None:
    assert all(list(ROOT.glob(pattern)) for pattern in target.files)
    assert all((ROOT / path).exists() for path in target.tests)


def test_no_file_is_in_two_targets() -> None:
    paths = [path for target in TARGETS for path in target.paths()]
    assert len(set(paths)) == len(paths)


def test_every_target_has_a_lane() -> None:
    commands = {lane.name: lane.command for lane in read_lanes()}
    for target in TARGETS:
        assert commands[f"mutants-{target.name}"] == ["make", "mutants", f"TARGET={target.name}"]


@pytest.mark.parametrize("function", sorted({function for function, _, _ in EXPLAINED}))
def test_what_is_explained_is_a_function_of_a_target(function: str) -> None:
    modules = [".".join(path.with_suffix("").parts) for target in TARGETS for path in target.paths()]
    module = max((name for name in modules if function.startswith(f"{name}.")), key=len)
    names = function.removeprefix(f"{module}.").split(".")
    assert callable(reduce(getattr, names, importlib.import_module(module)))


def test_a_fault_that_is_left_is_new_unless_it_is_explained(tmp_path: Path) -> None:
    left = Mutant("common.a.f", 'if x < 1:\nsay("ä")', "if x <= 1:", "survived")
    untested = Mutant("common.a.g", "return 1", "return 2", "no tests")
    found = Mutant("common.a.f", "return 1", "return 2", "killed")
    planted = [left, untested, found]
    outcome = judge(planted, {change_of(untested), change_of(found), ("common.b.h", "", "")})
    assert (outcome.planted, outcome.found) == (3, 1)
    assert (outcome.explained, outcome.new) == ((untested,), (left,))
    assert outcome.stale == (change_of(found),)
    written = tmp_path / "survivors.toml"
    written.write_text(as_toml(left))
    with pytest.raises(ValueError, match="no reason"):
        read_explained(written)
    written.write_text(as_toml(left).replace('""', '"both are the same"'))
    assert read_explained(written) == {change_of(left): "both are the same"}


@pytest.mark.slow(lane="examples")
def test_a_fault_that_no_test_finds_is_left(tmp_path: Path) -> None:
    """A project of one function, whose test does not look at the boundary. What it says is for readers."""
    root = tmp_path / "project"
    code = "def refusal(age: int) -> str:\n    return '' if age >= 18 else 'too young'\n"
    test = "from common.age import refusal\n\ndef test_age() -> None:\n    assert refusal(4) and not refusal(40)\n"
    files = {"common/age.py": code, "tests/test_age.py": test, "pyproject.toml": "", "tests/mutants/plugin.py": ""}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    mutants = plant(Target("age", ("common/*.py",), ("tests/test_age.py",), words=False), root, tmp_path / "work")
    assert {(mutant.function, mutant.after, mutant.fate) for mutant in mutants} == {
        ("common.age.refusal", "return '' if age > 18 else 'too young'", "survived"),
        ("common.age.refusal", "return '' if age >= 19 else 'too young'", "survived"),
        ("common.age.refusal", "return '' if (age >= 18) and False else 'too young'", "killed"),
        ("common.age.refusal", "return '' if (age >= 18) or True else 'too young'", "killed"),
    }


def test_texts_are_planted_into_unless_a_target_says_otherwise(tmp_path: Path) -> None:
    table = tmp_path / "targets.toml"
    table.write_text("[a]\nfiles = []\ntests = []\n[b]\nfiles = []\ntests = []\nwords = false\n")
    assert [target.words for target in read_targets(table)] == [True, False]
