"""Installs torch's CPU build, of the version that pyproject.toml pins, into an environment.

    python3 infra/torch_cpu.py --python .venv/bin/python

Under its plain version the public index has a build for Linux that brings gigabytes of CUDA; the CPU build of the same
release has the version `…+cpu`. It is looked for in the index that TORCH_INDEX names, or where that is not set, first
where pip's settings lead (indexes, directories of wheels), then in torch's own index. A plain version counts where it
requires nothing of CUDA, as on macOS. Only files whose hashes requirements/torch.sha256 lists are taken. If there is no
such CPU build, one line says what to do, and the exit status is 1.

Needs pip 22.3 or newer, and nothing else: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
EXTRA = "gru4rec"
OF_CUDA = ("nvidia", "cuda")
"""How the names of the packages begin that a build for CUDA requires."""

NOT_THERE = ("No matching distribution found", "ResolutionImpossible")
"""What pip says where no source has a version; the second where its settings have constraints."""

OTHER_HASH = re.compile(r" from (?P<place>\S+).*\n(?: +Expected .*\n)+ +Got +(?P<got>[0-9a-f]{64})")
"""What it says of a file that is not the one it was told to take."""

HASHES = Path("requirements", "torch.sha256")

LOOK = """
import json, runpy
from importlib.metadata import PackageNotFoundError, distribution
try:
    torch = distribution("torch")
except PackageNotFoundError:
    print("null")
else:
    built = runpy.run_path(str(torch.locate_file("torch/version.py")))
    print(json.dumps({"version": torch.version, "cuda": built.get("cuda"), "requires": torch.requires or []}))
"""
"""Without importing torch, which takes seconds."""


class NoCpuBuild(Exception):
    """The message is one line that says what to do, or what pip said where it failed at something else."""


@dataclass(frozen=True)
class Source:
    """Where pip is to look: `options` of its command line, and `place` for people."""

    place: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """A build of torch; `cuda` is the version it was made for, `requires` are its metadata's requirements."""

    version: str
    requires: tuple[str, ...]
    cuda: str | None = None

    @property
    def is_for_cpu(self) -> bool:
        """CUDA is for Linux alone: elsewhere its packages stand among the requirements and are not installed."""
        return self.cuda is None and not (platform.system() == "Linux" and any(map(_is_of_cuda, self.requires)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Installs torch's CPU build into an environment.")
    parser.add_argument("--python", default=sys.executable, help="of the environment; default: the one that runs this")
    try:
        build = install(parser.parse_args().python, pinned_version(), sources(os.environ))
    except NoCpuBuild as error:
        print(error, file=sys.stderr)
        return 1
    print(f"torch {build.version} is there, built for the CPU")
    return 0


def pinned_version() -> str:
    pins: list[str] = tomllib.loads(_nearest("pyproject.toml").read_text())["project"]["optional-dependencies"][EXTRA]
    return next(pin.removeprefix("torch==") for pin in pins if pin.startswith("torch=="))


def hashes_of(version: str) -> list[str]:
    """SHA-256 of the files that may be taken under a whole version, such as `2.13.0+cpu`."""
    lines = [line.split() for line in _nearest(HASHES).read_text().splitlines() if not line.startswith("#")]
    return [digest for digest, name in lines if name.split("-")[1] == version]


def _nearest(name: str | Path) -> Path:
    """Upwards from this file, which in an image's build stands beside what it looks for."""
    return next(path for parent in Path(__file__).resolve().parents if (path := parent / name).exists())


def sources(environ: Mapping[str, str]) -> list[Source]:
    if index := environ.get("TORCH_INDEX"):
        return [_index(index)]
    return [Source("where pip's settings lead"), _index(TORCH_INDEX)]


def _index(url: str) -> Source:
    return Source(f"at {url}", ("--index-url", url))


def install(python: str, version: str, among: Sequence[Source]) -> Build:
    """What is in the environment afterwards. Raises `NoCpuBuild`."""
    there = look(python)
    if there and there.version.partition("+")[0] == version and there.is_for_cpu:
        return there
    if not any(_installs(python, whole, source) for whole, source in _candidates(python, version, among)):
        raise NoCpuBuild(_without(version, among))
    there = look(python)
    if there is None or not there.is_for_cpu:
        raise NoCpuBuild(f"torch {version} was installed and is no CPU build: set TORCH_INDEX to an index that has one")
    return there


def _candidates(python: str, version: str, among: Sequence[Source]) -> Iterator[tuple[str, Source]]:
    """Whole versions and where: of `2.13.0+cpu` and `2.13.0+cu130` pip takes the second for the newer one.

    A plain version is looked for in the first source only: torch's own index has none for Linux.
    """
    for source in among:
        yield f"{version}+cpu", source
    found = _offered(python, f"torch==={version}", among[0])
    if found and found.is_for_cpu:
        yield version, among[0]


def _installs(python: str, version: str, source: Source) -> bool:
    """Without what torch requires, which comes with the rest. Raises `NoCpuBuild` where pip fails at something else."""
    hashes = [f"--hash=sha256:{digest}" for digest in hashes_of(version)]
    if not hashes:
        raise NoCpuBuild(f"{HASHES} lists no file of torch {version}: add the hash of the one that you trust")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(" ".join([f"torch==={version}", *hashes]))
        file.flush()
        return _pip(python, "--no-deps", *source.options, "--requirement", file.name) is not None


def _offered(python: str, requirement: str, source: Source) -> Build | None:
    """What pip would install."""
    report = _pip(python, "--no-deps", "--ignore-installed", "--dry-run", "--report=-", *source.options, requirement)
    if report is None:
        return None
    [item] = json.loads(report)["install"]
    metadata: dict[str, Any] = item["metadata"]
    return Build(metadata["version"], tuple(metadata.get("requires_dist", ())))


def look(python: str) -> Build | None:
    """The build of torch that is in the environment."""
    result = subprocess.run([python, "-I", "-c", LOOK], check=True, capture_output=True, text=True)
    found = json.loads(result.stdout)
    return Build(found["version"], tuple(found["requires"]), found["cuda"]) if found else None


def _is_of_cuda(requirement: str) -> bool:
    return requirement.lower().startswith(OF_CUDA) and "extra ==" not in requirement


def _pip(python: str, *arguments: str) -> str | None:
    """Standard output; None where no source has what is asked for."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-input"]
    # What lies in PYTHONPATH would count as installed.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [*command, "--disable-pip-version-check", *arguments], env=env, check=False, capture_output=True, text=True
    )
    if result.returncode == 0:
        return result.stdout
    if any(words in result.stderr for words in NOT_THERE):
        return None
    if other := OTHER_HASH.search(result.stderr):
        raise NoCpuBuild(_refused(**other.groupdict()))
    raise NoCpuBuild(f"pip failed with status {result.returncode}:\n{result.stderr.strip()}")


def _refused(place: str, got: str) -> str:
    return (
        f"torch from {place} has the hash {got}, which is none of {HASHES}: it is another build. Set TORCH_INDEX to an "
        f"index of torch's own CPU builds, or add this one's line to the file if you know who built it."
    )


def _without(version: str, among: Sequence[Source]) -> str:
    places = " or ".join(source.place for source in among)
    return (
        f"No CPU build of torch {version} was found {places}, and one for CUDA is not taken: set TORCH_INDEX to an "
        f"index that has torch {version}+cpu, or PIP_FIND_LINKS to a directory with its wheel."
    )


if __name__ == "__main__":
    sys.exit(main())
