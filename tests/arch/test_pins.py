"""Dependencies are pinned, each with the reason for it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]
REQUIREMENTS = [
    requirement
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in group
    if not requirement.startswith("recsys-lite[")
]


def name_of(requirement: str) -> str:
    return re.split(r"[\[=]", requirement)[0].lower().replace("_", "-")


def test_every_dependency_has_one_version_and_a_reason() -> None:
    assert len(REQUIREMENTS) > 30
    assert [requirement for requirement in REQUIREMENTS if "==" not in requirement] == []
    lines = {
        requirement: re.findall(rf'^ *"{re.escape(requirement)}",(.*)$', TEXT, flags=re.M)
        for requirement in REQUIREMENTS
    }
    assert [name for name, rests in lines.items() if not any(re.match(r" +# \S", rest) for rest in rests)] == []


def test_the_constraints_say_the_same() -> None:
    constraints = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
    held = {name_of(line): line.partition("==")[2] for line in constraints}
    pinned = {name_of(requirement): requirement.partition("==")[2] for requirement in REQUIREMENTS}
    assert {name: version for name, version in pinned.items() if held.get(name, version) != version} == {}
