"""Which files an image holds, by their SHA-256, and where two builds of it differ.

    python -m infra.images.files recommend >one.txt
    python -m infra.images.files --compare one.txt two.txt

A line is as sha256sum writes it. The comparison counts what is the same, names what differs, and ends with status 1 if
that is anything under /opt/recsys or /srv, which is all that runs of Python besides the base's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.images.choice import chosen_engine
from infra.images.engine import TARGETS, Engine, ImageError

OURS: Final = ("/opt/recsys/", "/srv/")

LIST: Final = """
import hashlib, os, sys
for directory, below, names in os.walk(sys.argv[1]):
    below[:] = sorted(name for name in below if os.path.join(directory, name) not in ("/proc", "/dev", "/sys", "/tmp"))
    for path in sorted(os.path.join(directory, name) for name in names):
        if os.path.islink(path):
            said = hashlib.sha256(os.readlink(path).encode()).hexdigest()
        elif os.path.isfile(path) and os.access(path, os.R_OK):
            with open(path, "rb") as file:
                said = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            continue
        print(said, path, sep="  ")
"""
"""Runs in the image, as its user; a link's hash is that of where it leads."""


def main() -> int:
    arguments = _arguments()
    try:
        if arguments.compare:
            return report(*(parsed(Path(file).read_text()) for file in arguments.compare))
        print(listing(chosen_engine(), arguments.image), end="")
    except (ImageError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def listing(engine: Engine, image: str) -> str:
    """Raises `ImageError`."""
    program = engine.program(image, ["python", "-c", LIST, "/"], {}, {})
    result = subprocess.run(
        program.command, env=program.env, cwd=program.cwd, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ImageError(f"the files of {image} could not be listed:\n{result.stderr[-2000:]}")
    return result.stdout


def parsed(text: str) -> dict[str, str]:
    """Path to hash."""
    return {path: digest for digest, _, path in (line.partition("  ") for line in text.splitlines())}


def report(one: dict[str, str], two: dict[str, str]) -> int:
    """Prints it; the exit status."""
    differing = sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))
    for path in differing:
        print(f"{'differs' if path in one and path in two else 'only in one'}: {path}")
    same = [path for path in one if one[path] == two.get(path)]
    for name, places in (("the project's environment and functions", OURS), ("the base", ("/",))):
        counted = [sum(_is_of(path, places) for path in paths) for paths in (same, differing)]
        print(f"{name}: {counted[0]} files are the same, {counted[1]} are not")
    return 1 if any(_is_of(path, OURS) for path in differing) else 0


def _is_of(path: str, places: tuple[str, ...]) -> bool:
    return path.startswith(places) and (places == OURS or not path.startswith(OURS))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.images.files", description=__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("image", nargs="?", choices=TARGETS, help="what `make images` has built")
    asked.add_argument("--compare", nargs=2, metavar="FILE", help="two lists of one image")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
