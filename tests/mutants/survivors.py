"""Planted faults that no test has found, beside what has been written down about them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.planting import FOUND, Mutant

EXPLAINED = Path(__file__).with_name("survivors.toml")

Change = tuple[str, str, str]
"""Function, and the lines before and after: what a fault is known by, wherever it stands in the file."""


@dataclass(frozen=True)
class Outcome:
    """Of one target. `stale` are explanations of faults that are found by now, or that are planted no more."""

    planted: int
    explained: tuple[Mutant, ...]
    new: tuple[Mutant, ...]
    stale: tuple[Change, ...]

    @property
    def found(self) -> int:
        return self.planted - len(self.explained) - len(self.new)


def read_explained(path: Path = EXPLAINED) -> dict[Change, str]:
    """The reason for each fault that may survive. Raises `ValueError` for one without a reason."""
    reasons = {
        (function, entry["before"], entry["after"]): str(entry["why"])
        for function, entries in tomllib.loads(path.read_text()).items()
        for entry in entries
    }
    if empty := [change for change, why in reasons.items() if not why.strip()]:
        raise ValueError(f"no reason is given for {empty[0]}")
    return reasons


def judge(mutants: Iterable[Mutant], explained: Iterable[Change]) -> Outcome:
    """`explained` may hold those of other targets too: only functions that faults were planted into are looked at."""
    planted = list(mutants)
    known = set(explained)
    left = [mutant for mutant in planted if mutant.fate not in FOUND]
    functions = {mutant.function for mutant in planted}
    of_target = {change for change in known if change[0] in functions}
    return Outcome(
        planted=len(planted),
        explained=tuple(mutant for mutant in left if change_of(mutant) in known),
        new=tuple(mutant for mutant in left if change_of(mutant) not in known),
        stale=tuple(sorted(of_target - {change_of(mutant) for mutant in left})),
    )


def change_of(mutant: Mutant) -> Change:
    return mutant.function, mutant.before, mutant.after


def as_toml(mutant: Mutant) -> str:
    """As it is written into survivors.toml, but for the reason."""
    before, after = (json.dumps(text, ensure_ascii=False) for text in (mutant.before, mutant.after))
    return f'[["{mutant.function}"]]\nbefore = {before}\nafter = {after}\nwhy = ""\n'
