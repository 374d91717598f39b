"""Damages to a file of a cache or to an object of a bucket."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

Damage = Callable[[Path], None]


def flip(path: Path) -> None:
    """One byte in the middle, in place; the length stays. What has mapped the file sees it."""
    size = path.stat().st_size
    path.chmod(0o644)
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, size // 2)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 0xFF]), size // 2)


def replace_all(path: Path) -> None:
    """Every byte, in place."""
    size = path.stat().st_size
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"\xa5" * size)


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 0)


def make_directory(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


def make_unreadable(path: Path) -> None:
    """Nothing for root, who may read it."""
    path.chmod(0)


SAME_SIZE: Final[list[Damage]] = [flip, replace_all]
DAMAGES: Final[list[Damage]] = [*SAME_SIZE, cut, empty, make_directory, make_link, make_unreadable]
