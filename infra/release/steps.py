"""Running a program of the release, and the error that ends it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_LINES_SHOWN: Final = 20


class ReleaseError(Exception):
    """What was built must not be released; the message says why."""


def run(
    command: Sequence[str | Path], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, status: int = 0
) -> str:
    """Standard output. Raises `ReleaseError` with the end of what the program wrote, unless it ends with `status`."""
    words = [str(word) for word in command]
    try:
        result = subprocess.run(
            words, cwd=cwd, env=env or os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ReleaseError(f"{words[0]} does not start: {error.strerror}") from None
    if result.returncode != status:
        end = "\n".join((result.stdout + result.stderr).splitlines()[-_LINES_SHOWN:])
        raise ReleaseError(f"{' '.join(words)} ended with status {result.returncode}:\n{end}")
    return result.stdout
