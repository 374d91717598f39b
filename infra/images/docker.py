"""Images by Docker's engine, from bases that it pulls."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.images.engine import CONTAINERFILE, Engine, revision, run, torch_index
from infra.images.pip_settings import PipSettings
from infra.local.launch import Program


class Docker(Engine):
    def __init__(self, pip: PipSettings) -> None:
        self._pip = pip

    @staticmethod
    def answers() -> bool:
        """Whether there is an engine, and not only its client."""
        try:
            return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def build(self, target: str) -> None:
        command = [
            *("docker", "build", "--file", CONTAINERFILE, "--target", target, "--tag", _name(target)),
            *("--build-arg", f"REVISION={revision()}", *torch_index()),
            *("--secret", f"id=pip,src={self._pip.file}", "."),
        ]
        run(command, what=f"building {target}")

    def size_bytes(self, target: str) -> int:
        return int(run(["docker", "image", "inspect", "--format", "{{.Size}}", _name(target)], what=f"{target}'s size"))

    def config(self, target: str) -> Mapping[str, Any]:
        command = ["docker", "image", "inspect", "--format", "{{json .Config}}", _name(target)]
        config: dict[str, Any] = json.loads(run(command, what=f"reading {target}"))
        return config

    def program(
        self, target: str, command: Sequence[str], env: Mapping[str, str], writable: Mapping[str, Path]
    ) -> Program:
        confined = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
        mounts = [f"--volume={directory}:{path}" for path, directory in writable.items()]
        # By name only: values of secrets would stand in the list of processes.
        variables = [f"--env={name}" for name in env]
        client = {"PATH": os.environ["PATH"]}
        full = ["docker", "run", "--rm", *confined, *mounts, *variables, _name(target), *command]
        return Program(full, client | dict(env), CONTAINERFILE.parent)


def _name(target: str) -> str:
    return f"recsys-lite/{target}"
