"""Archives whose bytes follow from what is in them, so that whoever builds a release again gets the same files."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from time import gmtime
from typing import Final

from infra.release.steps import run

_EPOCH: Final = "SOURCE_DATE_EPOCH"
_MODE: Final = 0o644
"""Nothing of the package is a program: `recsys` is made where it is installed."""


def environment() -> dict[str, str]:
    """This process's, with the time that tools are to write into archives: by default that of the commit."""
    return {**os.environ, _EPOCH: str(epoch())}


def epoch() -> int:
    """Seconds since 1970. Raises `ReleaseError` where neither the variable nor git tells it."""
    return int(os.environ.get(_EPOCH) or run(["git", "log", "-1", "--format=%ct"]))


def repack_sdist(archive: Path) -> None:
    """Writes it anew: its members sorted, of nobody, with one time and without this machine's umask.

    setuptools writes sdists with the times at which their files were made.
    """
    part = archive.with_suffix(".part")
    with tarfile.open(archive) as old, part.open("wb") as raw:
        members = sorted((member for member in old.getmembers() if member.isfile()), key=lambda member: member.name)
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=epoch()) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member in members:
                plain = tarfile.TarInfo(member.name)
                plain.size, plain.mtime, plain.mode = member.size, epoch(), _MODE
                new.addfile(plain, old.extractfile(member))
    part.replace(archive)


def repack_wheel(archive: Path) -> None:
    """Writes it anew, in its own order, in which its record comes last; setuptools keeps this machine's umask."""
    part = archive.with_suffix(".part")
    time = gmtime(epoch())[:6]
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            plain = zipfile.ZipInfo(name, time)
            plain.compress_type, plain.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | _MODE) << 16
            new.writestr(plain, old.read(name))
    part.replace(archive)
