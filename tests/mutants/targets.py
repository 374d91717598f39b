"""The table of what faults are planted into."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("targets.toml")


@dataclass(frozen=True)
class Target:
    """One table of targets.toml, which says what each field is. Patterns and paths count from the project's root."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    words: bool = True

    def paths(self, root: Path = ROOT) -> list[Path]:
        """The files, relative to `root`."""
        found = sorted(path.relative_to(root) for pattern in self.files for path in root.glob(pattern))
        return [path for path in found if path.name != "__init__.py"]


def read_targets(path: Path = TABLE) -> list[Target]:
    tables = tomllib.loads(path.read_text())
    return [
        Target(name, tuple(table["files"]), tuple(table["tests"]), table.get("words", True))
        for name, table in tables.items()
    ]
