"""What the Containerfile says of an image: its labels, its user and its health check, to hold the built one against."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.images.engine import CONTAINERFILE, ImageError

_STAGE: Final = re.compile(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", flags=re.M | re.S)
_NS_PER_S: Final = 10**9
_REVISION: Final = "org.opencontainers.image.revision"
"""Given by whoever builds, so that an image that was built before may have another."""


@dataclass(frozen=True)
class Declared:
    """`health` is as Docker's config has it: the command, and seconds as nanoseconds."""

    labels: Mapping[str, str]
    user: str
    health: Mapping[str, Any]

    @property
    def health_command(self) -> list[str]:
        return list(self.health["Test"][1:])

    def check(self, target: str, config: Mapping[str, Any]) -> None:
        """Raises `ImageError` where the built image's `config` says something else."""
        labels = config.get("Labels") or {}
        differ = [name for name, value in self.labels.items() if labels.get(name) != value]
        if labels.get(_REVISION, "unknown") == "unknown":
            differ.append(_REVISION)
        if config.get("User") != self.user:
            differ.append("the user")
        health = config.get("Healthcheck") or {}
        if any(health.get(name) != value for name, value in self.health.items()):
            differ.append("the health check")
        if differ:
            raise ImageError(f"{target} is not what its Containerfile says: {', '.join(differ)}")


def declared(target: str) -> Declared:
    """Of the stage `target` with those that it is built upon."""
    lines = list(_instructions(target))
    arguments = dict(value.split("=", 1) for name, value in lines if name == "ARG")
    labels = dict(pair.split("=", 1) for name, value in lines if name == "LABEL" for pair in shlex.split(value))
    labels = {name: _filled(value, arguments) for name, value in labels.items() if name != _REVISION}
    return Declared(labels, _last(lines, "USER"), _health(_last(lines, "HEALTHCHECK")))


def _instructions(target: str) -> Iterator[tuple[str, str]]:
    """(instruction, rest of the line), those of the stage below first."""
    text = CONTAINERFILE.read_text().replace("\\\n", " ")
    stages = {name: (below, body) for below, name, body in _STAGE.findall(text)}
    below, body = stages[target]
    if below in stages:
        yield from _instructions(below)
    for line in body.splitlines():
        name, _, rest = line.partition(" ")
        if name.isupper():
            yield name, rest.strip()


def _last(lines: list[tuple[str, str]], instruction: str) -> str:
    return next(value for name, value in reversed(lines) if name == instruction)


def _filled(value: str, arguments: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], value)


def _health(value: str) -> dict[str, Any]:
    options, _, command = value.partition("CMD ")
    seconds = dict(re.findall(r"--([a-z-]+)=(\d+)s", options))
    return {
        "Test": ["CMD", *json.loads(command)],
        "Interval": int(seconds["interval"]) * _NS_PER_S,
        "Timeout": int(seconds["timeout"]) * _NS_PER_S,
        "StartPeriod": int(seconds["start-period"]) * _NS_PER_S,
    }
