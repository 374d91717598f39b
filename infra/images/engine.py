"""What builds images and runs them: Docker's engine where one answers, else buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.local.launch import Program

CONTAINERFILE = Path(__file__).with_name("Containerfile")
ROOT = CONTAINERFILE.parents[2]
TARGETS = ("recommend", "ingest", "update", "train")
USER = 10001


class ImageError(Exception):
    """An image could not be built or is not as it should be; the message is for the person who asked for it."""


class Engine(ABC):
    """Images are named by their target in the Containerfile."""

    @abstractmethod
    def build(self, target: str) -> None:
        """Raises `ImageError`."""

    @abstractmethod
    def size_bytes(self, target: str) -> int:
        """What the image takes on disk, unpacked, its base included."""

    @abstractmethod
    def config(self, target: str) -> Mapping[str, Any]:
        """The built image's config as Docker writes it: `Labels`, `User`, `Healthcheck`."""

    @abstractmethod
    def program(
        self, target: str, command: Sequence[str], env: Mapping[str, str], writable: Mapping[str, Path]
    ) -> Program:
        """`command` in the image as template.yaml confines it: the image's user, a root file system that is read-only,
        no capabilities. `writable` are directories of this machine by their path in the image; the network is this
        machine's."""


def run(command: Sequence[object], *, what: str) -> str:
    """Standard output of a command of strings and paths. Raises `ImageError` with the end of what it wrote."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        raise ImageError(f"{what} needs {words[0]}, which is not installed")
    result = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        end = "\n".join((result.stdout + result.stderr).splitlines()[-20:])
        raise ImageError(f"{what} failed with status {result.returncode}:\n{end}")
    return result.stdout


def torch_index() -> list[str]:
    """Options by which a build takes torch from the index that TORCH_INDEX names, if it names one."""
    index = os.environ.get("TORCH_INDEX")
    return [f"--build-arg=TORCH_INDEX={index}"] if index else []


def revision() -> str:
    """The commit that is built, marked where the working tree differs from it."""
    return run(["git", "describe", "--always", "--dirty", "--abbrev=12"], what="naming the revision").strip()
