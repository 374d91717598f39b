"""pip's settings on this machine, for builds: the indexes and certificates by which packages come to it."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.images.engine import run

_SCOPES = (":env:", "install", "global")
"""Which of pip's settings counts where several are made, the strongest first."""


@dataclass(frozen=True)
class PipSettings:
    """`file` is a pip.conf; `paths` what it names of this machine's files, so that a build can find them there."""

    file: Path
    paths: tuple[Path, ...]


def read_pip_settings(directory: Path, *, with_files: bool) -> PipSettings:
    """Writes `directory`/pip.conf; without settings that name files, if the build cannot see this machine's."""
    listed = run([sys.executable, "-m", "pip", "config", "list"], what="reading pip's settings")
    values = {key: value for key, value in settings_of(listed).items() if with_files or not paths_in({key: value})}
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "pip.conf"
    file.touch(mode=0o600)
    file.write_text("\n".join(["[global]", *(f"{key} = {value}" for key, value in values.items()), ""]))
    return PipSettings(file, paths_in(values))


def settings_of(listed: str) -> dict[str, str]:
    """What `pip config list` prints, as `scope.key='value'` a line, as one section."""
    found: dict[str, dict[str, str]] = {scope: {} for scope in _SCOPES}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if scope in found:
            found[scope][key] = " ".join(str(ast.literal_eval(value)).split())
    return found["global"] | found["install"] | found[":env:"]


def paths_in(values: dict[str, str]) -> tuple[Path, ...]:
    """The files and directories that settings name. An index of files refers to files beside it: its parent counts."""
    paths = set()
    for word in " ".join(values.values()).split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            paths.add(path.parent if word.startswith("file://") else path)
    return tuple(sorted(paths))
