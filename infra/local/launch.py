"""The start of the stack's processes: from the working tree, or from their images in `infra.images`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.local.manifest import TEMPLATE, Container


@dataclass(frozen=True)
class Program:
    """A command with its complete environment variables and its working directory."""

    command: list[str]
    env: dict[str, str]
    cwd: Path


class Launch(Protocol):
    """A function that makes the program of a container."""

    def __call__(self, container: Container, env: Mapping[str, str]) -> Program:
        """Returns the program. `env` are the container's variables on this machine, from `Environment.of`."""
        ...


def launch_here(container: Container, env: Mapping[str, str]) -> Program:
    """Returns the program in the working tree, where the container's command is beside the interpreter."""
    program, *arguments = container.command
    return Program([str(Path(sys.executable).parent / program), *arguments], dict(env), TEMPLATE.parent)
