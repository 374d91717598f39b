"""Dependencies are pinned, each with the reason for it, and locked with the hashes of their files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from infra import lock
from infra.torch_cpu import hashes_of, pinned_version

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PYPROJECT = tomllib.loads(TEXT)
PROJECT = PYPROJECT["project"]
GROUPS: Mapping[str, list[str]] = PYPROJECT["dependency-groups"]
EXTRAS: Mapping[str, list[str]] = PROJECT["optional-dependencies"]
OWN = canonicalize_name(PROJECT["name"])
REQUIREMENTS = [
    requirement
    for group in (PROJECT["dependencies"], *EXTRAS.values(), *GROUPS.values())
    for requirement in group
    if not requirement.startswith("recsys-lite[")
]
TORCH = canonicalize_name(lock.TORCH)


@cache
def locked(name: str) -> Mapping[NormalizedName, Requirement]:
    """Package to its version and condition in the file of a set."""
    found = [Requirement(_line(entry)) for entry in lock.entries(lock.path_of(name).read_text())]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def _line(entry: str) -> str:
    return entry.splitlines()[0].removesuffix("\\")


def version_of(requirement: Requirement) -> str:
    return str(requirement.specifier).removeprefix("==")


def pins_of(name: str) -> Iterator[Requirement]:
    """What a set asks for directly; other extras of the package are followed."""
    if name in GROUPS:
        yield from map(Requirement, GROUPS[name])
        return
    yield from map(Requirement, PROJECT["dependencies"])
    waiting = list(lock.EXTRAS[name])
    while waiting:
        for requirement in map(Requirement, EXTRAS[waiting.pop()]):
            if canonicalize_name(requirement.name) == OWN:
                waiting.extend(requirement.extras)
            else:
                yield requirement


def test_every_dependency_has_one_version_and_a_reason() -> None:
    assert len(REQUIREMENTS) > 30
    assert [requirement for requirement in REQUIREMENTS if "==" not in requirement] == []
    lines = {
        requirement: re.findall(rf'^ *(?:\w+ = \[)?"{re.escape(requirement)}"[],](.*)$', TEXT, flags=re.M)
        for requirement in REQUIREMENTS
    }
    assert [name for name, rests in lines.items() if not any(re.match(r" +# \S", rest) for rest in rests)] == []


def test_every_set_is_locked_and_nothing_else_is() -> None:
    assert {path.stem for path in lock.REQUIREMENTS.glob("*.txt")} == {*lock.EXTRAS, *lock.GROUPS}
    assert set(GROUPS) == set(lock.GROUPS)


@pytest.mark.parametrize("name", [*lock.EXTRAS, *lock.GROUPS])
def test_a_set_has_every_pin_as_it_is_pinned(name: str) -> None:
    asked = {canonicalize_name(pin.name): version_of(pin) for pin in pins_of(name)}
    asked.pop(TORCH, None)
    held = {package: version_of(locked(name)[package]) for package in asked if package in locked(name)}
    assert held == asked


@pytest.mark.parametrize("name", [*lock.EXTRAS, *lock.GROUPS])
def test_every_entry_has_one_version_and_hashes(name: str) -> None:
    entries = lock.entries(lock.path_of(name).read_text())
    shape = r"[a-z0-9-]+==[^\s*]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    assert [entry.splitlines()[0] for entry in entries if not re.fullmatch(shape, entry)] == []
    assert len(locked(name)) == len(entries)


@pytest.mark.parametrize("name", [name for name in (*lock.EXTRAS, *lock.GROUPS) if name != lock.WHOLE])
def test_all_sets_take_the_same_files(name: str) -> None:
    """Except for conditions: what a set needs on some Pythons only, the whole may need on all of them."""
    whole, part = _hashes(lock.WHOLE), _hashes(name)
    assert {package: hashes for package, hashes in part.items() if whole.get(package, hashes) != hashes} == {}
    assert name in lock.GROUPS or part.keys() <= whole.keys()


def _hashes(name: str) -> dict[str, list[str]]:
    found = lock.entries(lock.path_of(name).read_text())
    return {lock.name_of(entry): sorted(entry.replace("\\", "").split("\n")[1:]) for entry in found}


@pytest.mark.parametrize("name", lock.EXTRAS)
def test_a_set_has_everything_that_its_packages_require(name: str) -> None:
    """pip installs it without looking for more: on this Python, by what the installed packages say of themselves."""
    assert {*required(pins_of(name))} - locked(name).keys() - _left_out(name) == set()


def _left_out(name: str) -> Set[str]:
    alone = [distribution(package).requires or [] for package in lock.ALONE.get(name, ())]
    return {TORCH, *(canonicalize_name(Requirement(one).name) for requires in alone for one in requires)}


def required(pins: Iterable[Requirement]) -> Iterator[NormalizedName]:
    waiting, seen = list(pins), set()
    while waiting:
        wanted = waiting.pop()
        key = (name := canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        yield name
        requirements = map(Requirement, distribution(name).requires or [])
        waiting.extend(one for one in requirements if _holds(one.marker, wanted.extras))


def _holds(marker: Marker | None, extras: Set[str]) -> bool:
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def test_no_condition_leaves_a_package_out_on_a_newer_python() -> None:
    """pip says nothing of what it passes over, and the Python that comes next would do without."""
    newer = {"python_full_version": "3.15.0", "python_version": "3.15", "sys_platform": "linux"}
    left = [
        package
        for package, requirement in locked(lock.WHOLE).items()
        if requirement.marker and not requirement.marker.evaluate(newer)
    ]
    # A fork of PyYAML for Python 3.13 alone.
    assert left == ["pyyaml-ft"]


def test_every_cpu_build_of_torch_that_may_be_taken_has_its_hash() -> None:
    lines = (ROOT / "requirements" / "torch.sha256").read_text().splitlines()
    files = dict(line.split("  ")[::-1] for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in files.values())
    builds = {(str(tag.interpreter), _machine(tag.platform)) for name in files for tag in parse_wheel_filename(name)[3]}
    pythons = [f"cp3{minor}" for minor in (11, 12, 13)]
    assert builds == {(python, machine) for python in pythons for machine in ("x86_64", "aarch64", "arm64")}
    assert {str(parse_wheel_filename(name)[1]).partition("+")[0] for name in files} == {pinned_version()}
    assert len(hashes_of(f"{pinned_version()}+cpu")) == 6
    assert {name for name in files if "linux" in name and "+cpu" not in name} == set()


def _machine(platform: str) -> str:
    return re.sub(r"^(manylinux|macosx)_\d+_\d+_", "", platform)


def test_the_requirements_of_torch_are_those_of_its_cpu_build() -> None:
    """They stand in pyproject.toml, because the index where the lock is made has another build's."""
    [said] = [entry for entry in PYPROJECT["tool"]["uv"]["dependency-metadata"] if entry["name"] == TORCH]
    assert said["version"] == pinned_version()
    really = [Requirement(text) for text in distribution(TORCH).requires or [] if "extra ==" not in text]
    assert {str(Requirement(text)) for text in said["requires-dist"]} == {str(requirement) for requirement in really}
