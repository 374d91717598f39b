"""How a process of the stack is started: by default from the working tree; `infra.images` starts it from its image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.local.manifest import TEMPLATE, Container


@dataclass(frozen=True)
class Program:
    """A command with all its environment variables, and the directory in which it starts."""

    command: list[str]
    env: dict[str, str]
    cwd: Path


class Launch(Protocol):
    def __call__(self, container: Container, env: Mapping[str, str]) -> Program:
        """`env` is what `Environment.of` made of the container's variables for this machine."""
        ...


def launch_here(container: Container, env: Mapping[str, str]) -> Program:
    """Images have the container's program on their PATH; on this machine it lies beside the interpreter."""
    program, *arguments = container.command
    return Program([str(Path(sys.executable).parent / program), *arguments], dict(env), TEMPLATE.parent)
