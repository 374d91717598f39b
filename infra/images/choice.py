"""The engine that this machine has."""

from __future__ import annotations

from typing import Final

from infra.images.buildah import Buildah
from infra.images.docker import Docker
from infra.images.engine import ROOT, Engine
from infra.images.pip_settings import read_pip_settings

DIRECTORY: Final = ROOT / "build" / "images"


def chosen_engine() -> Engine:
    """Docker's where one answers, else buildah."""
    if Docker.answers():
        return Docker(read_pip_settings(DIRECTORY, with_files=False))
    return Buildah(DIRECTORY, read_pip_settings(DIRECTORY, with_files=True))
