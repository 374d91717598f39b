"""Installs a set of locked packages into an environment, each file only if its hash is in the lock.

    python3 infra/locked.py --python .venv/bin/python --package . recommend

A set is a file of requirements/, which `make lock` writes. pip takes files from wherever its settings lead: the lock
says which files, not where they are. With `--package` the project itself is built and installed afterwards, with
`--editable` as well, so that its files stay where they are. If pip finds other files than those that are locked, one
line says which and what to do, and the exit status is 1. `--files` keeps which file of each package was taken.

Needs pip 22.3 or newer, and nothing else: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BUILD = "build"
"""The set that builds the project, and what has no wheel for a platform, in the place of pip's own build environments,
which take whatever version is the newest that day."""

OTHER_HASH = re.compile(
    r"^ *(?P<pin>\S+==[^\s;]+).* from (?P<place>\S+).*\n(?: +Expected .*\n)+ +Got +(?P<got>[0-9a-f]{64})", flags=re.M
)
NOT_THERE = re.compile(r"No matching distribution found for (?P<pin>\S+)")


class NotInstalled(Exception):
    """The message is one line that says what to do, or what pip said where it failed at something else."""


def main() -> int:
    arguments = _arguments()
    pip = [sys.executable, "-m", "pip", "--python", arguments.python]
    options = ["--editable"] if arguments.editable else []
    files: dict[str, str] = {}
    try:
        if arguments.package:
            install(pip, requirements(BUILD))
        files = install(pip, requirements(arguments.set))
        if arguments.package:
            _run([*pip, "install", "--no-deps", "--no-build-isolation", *options, arguments.package])
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.files:
        arguments.files.write_text(json.dumps(files, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Installs a set of locked packages into an environment.")
    parser.add_argument("set", help="a file of requirements/, without its ending")
    parser.add_argument("--python", default=sys.executable, help="of the environment; default: the one that runs this")
    parser.add_argument("--package", metavar="DIRECTORY", help="the project itself, built and installed with the set")
    parser.add_argument("--editable", action="store_true", help="the project's files stay where they are")
    parser.add_argument("--files", metavar="FILE", type=Path, help="where to write what was taken, as JSON")
    return parser.parse_args()


def requirements(name: str) -> Path:
    """The nearest upwards: in an image's build the directory stands beside this file."""
    for parent in Path(__file__).resolve().parents:
        if (path := parent / "requirements" / f"{name}.txt").exists():
            return path
    raise NotInstalled(f"requirements/{name}.txt is not there: which sets there are, infra/lock.py says")


def install(pip: list[str], file: Path) -> dict[str, str]:
    """Everything that a set needs is in its file, so that pip looks for nothing else. Returns the SHA-256 of the
    file that was taken of each package, but for those that were there already. Raises `NotInstalled`."""
    options = ["--require-hashes", "--no-deps", "--no-build-isolation", "--requirement", str(file)]
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        _run([*pip, "install", *options, "--report", str(report)], file)
        installed = json.loads(report.read_text())["install"]
    return {one["metadata"]["name"]: one["download_info"]["archive_info"]["hashes"]["sha256"] for one in installed}


def _run(command: list[str], file: Path | None = None) -> None:
    options = ["--quiet", "--no-input", "--disable-pip-version-check"]
    result = subprocess.run([*command, *options], env=_environment(), check=False, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise NotInstalled(remedy(result.stderr, file) or f"pip failed:\n{result.stderr.strip()}")


def _environment() -> dict[str, str]:
    """Without PYTHONPATH: pip would take what lies there for installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def remedy(said: str, file: Path | None) -> str | None:
    """One line for what pip `said`; None where the lock has nothing to do with it."""
    if file and (other := OTHER_HASH.search(said)):
        return (
            f"{other['pin']} from {other['place']} has the hash {other['got']}, which is none of {file}: it is another "
            f"build than the public index's. Take it from there, or add --hash=sha256:{other['got']} to the entry if "
            f"you know who built it."
        )
    if file and (absent := NOT_THERE.search(said)):
        return (
            f"{absent['pin']} is nowhere where pip's settings lead, and {file} takes no other version: bring it into "
            f"that index, or name another in a pip.conf (make … PIP_CONF=FILE)."
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
