"""The table of the lanes, and which of them are due on a day."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("lanes.toml")
PUBLIC_DATA = {"EVAL_DATA": str(ROOT.parent / "shared" / "data")}
"""Where tests/eval looks for the public data sets unless the variable says otherwise."""

PATIENCE = 1.75
"""A lane is ended after its minutes times this. The lanes of any day then end within 70 minutes, whatever they do. That
leaves 20 of the 90 minutes of a CI run to lint and the set-up."""


@dataclass(frozen=True)
class Lane:
    """One line of the table; lanes.toml says what each field is."""

    name: str
    minutes: float
    every: int = 1
    on: int = 0
    run: str = ""
    needs: str = ""

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and 0 <= self.on < self.every):
            raise ValueError(f"lane {self.name}: minutes are above 0, and `on` is from 0 to `every` - 1")

    @property
    def limit_s(self) -> float:
        return self.minutes * 60 * PATIENCE

    @property
    def marker(self) -> str:
        """pytest's expression for its tests; empty if it runs something else."""
        return "" if self.run else f'slow(lane="{self.name}")'

    @property
    def command(self) -> list[str]:
        return shlex.split(self.run) if self.run else [sys.executable, "-m", "pytest", "-m", self.marker]

    def is_due(self, day: int) -> bool:
        return day % self.every == self.on

    def missing(self, environment: Mapping[str, str] = os.environ) -> str:
        """The path that it needs and that is not there; empty if it can run."""
        path = Template(self.needs).substitute({**PUBLIC_DATA, **environment})
        return "" if not path or Path(path).exists() else path


def read_lanes(path: Path = TABLE) -> list[Lane]:
    return [Lane(name, **fields) for name, fields in tomllib.loads(path.read_text()).items()]


def due(lanes: Iterable[Lane], day: int) -> list[Lane]:
    """What a run on this day of the year (1 to 366) takes, in the table's order."""
    return [lane for lane in lanes if lane.is_due(day)]


def chosen(lanes: list[Lane], wanted: str, day: int) -> list[Lane]:
    """`wanted` is `due`, `all`, or names separated by commas, such as `faults` or `trust*`.

    Raises `LookupError` for a name that no lane has.
    """
    if wanted in ("all", "due"):
        return lanes if wanted == "all" else due(lanes, day)
    names = [name.strip() for name in wanted.split(",")]
    named = {name: {lane for lane in lanes if fnmatchcase(lane.name, name)} for name in names}
    if unknown := sorted(name for name, found in named.items() if not found):
        known = ", ".join(lane.name for lane in lanes)
        raise LookupError(f"no lane is named {', '.join(unknown)}; there are: due, all, {known}")
    return [lane for lane in lanes if any(lane in found for found in named.values())]
