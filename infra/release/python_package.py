"""The wheel and the sdist: built, looked into, and the wheel installed where nothing else is."""

from __future__ import annotations

import os
import sys
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from infra.release.reproducible import environment, repack_sdist, repack_wheel
from infra.release.source import PARTS, export, tracked
from infra.release.steps import ROOT, ReleaseError, run

LOCKED: Final = ROOT / "infra" / "locked.py"
SETTING_MISSING: Final = 3
"""The exit status of a command that has everything but its settings."""

_SHOWN: Final = ("Summary", "Keywords", "Classifier", "Requires-Python", "License-Expression")


def build(directory: Path, *, version: str, repository: str | None) -> tuple[Path, Path]:
    """Wheel and sdist in `directory`, built from an export beside it by the build backend that is locked."""
    source = directory.with_name(f"{directory.name}-source")
    export(source, version=version, repository=repository)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, source], env=environment())
    [wheel], [sdist] = directory.glob("*.whl"), directory.glob("*.tar.gz")
    repack_wheel(wheel)
    repack_sdist(sdist)
    return wheel, sdist


def check_wheel(wheel: Path, version: str) -> None:
    """It holds every file of the package and the licence, nothing else, and says of itself what an index shows.

    Raises `ReleaseError`.
    """
    info = f"recsys_lite-{version}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = BytesParser().parsebytes(archive.read(f"{info}/METADATA"))
    made = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "top_level.txt")}
    _compare(wheel, {*tracked("common"), f"{info}/licenses/LICENSE", f"{info}/entry_points.txt"}, names - made)
    unsaid = [name for name in _SHOWN if not metadata[name]]
    if unsaid or not str(metadata.get_payload()).strip():
        raise ReleaseError(f"{wheel.name} does not say {', '.join(unsaid) or 'what it is'}")


def check_sdist(sdist: Path, version: str) -> None:
    """It holds what the wheel is built from, nothing else. Raises `ReleaseError`."""
    top = f"recsys_lite-{version}/"
    with tarfile.open(sdist) as archive:
        names = {member.name.removeprefix(top) for member in archive.getmembers() if member.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    _compare(sdist, set(tracked(*PARTS)), {name for name in names - made if ".egg-info/" not in name})


def _compare(archive: Path, expected: set[str], found: set[str]) -> None:
    sides = {"lacks": expected - found, "must not hold": found - expected}
    said = [f"{verb} {', '.join(sorted(names))}" for verb, names in sides.items() if names]
    if said:
        raise ReleaseError(f"{archive.name} {' and '.join(said)}")


def check_installed(wheel: Path, directory: Path, version: str) -> None:
    """Installs the wheel with the extra `cli` into a new environment in `directory`, where what is locked for it is all
    that there is, and runs `recsys` there, away from the repository. Raises `ReleaseError`."""
    venv.create(directory, with_pip=True)
    programs = directory / "bin"
    run([programs / "python", LOCKED, "cli"])
    # With what is locked and nothing else, so that pip also says where the wheel asks for something that is not.
    run([programs / "python", "-m", "pip", "install", "--quiet", "--no-index", f"{wheel}[cli]"])
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RECSYS_", "PYTHON"))}

    def recsys(*words: str, status: int = 0) -> str:
        return run([programs / "recsys", *words], cwd=directory, env=env, status=status)

    if recsys("--version") != f"recsys-lite {version}\n":
        raise ReleaseError("the installed command does not tell its version")
    recsys("--help")
    # What a command needs is imported when it runs.
    recsys("status", status=SETTING_MISSING)
    recsys("recommend", status=SETTING_MISSING)
