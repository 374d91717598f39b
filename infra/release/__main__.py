"""`make release-check`: builds what a release publishes, looks into it and runs it. What was checked is kept."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from infra.release.npm_package import pack
from infra.release.parts import write_lists
from infra.release.python_package import build, check_installed, check_sdist, check_wheel
from infra.release.steps import ROOT, ReleaseError
from infra.release.version import version_of

DIRECTORY = ROOT / "build" / "release"


def main() -> int:
    arguments = _arguments()
    try:
        _check(arguments.tag, arguments.repository)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(tag: str | None, repository: str | None) -> None:
    version = version_of(tag=tag)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    tarball = pack(DIRECTORY / "npm", version=version, repository=repository)
    print(f"{tarball.name}: its contents are right")
    wheel, sdist = build(DIRECTORY / "python", version=version, repository=repository)
    check_wheel(wheel, version)
    check_sdist(sdist, version)
    print(f"{wheel.name} and {sdist.name}: their contents are right")
    for parts in write_lists(DIRECTORY / "sbom", python=[wheel, sdist], npm=tarball, version=version):
        print(f"{parts.name}: the parts of others, with their licences and hashes")
    with tempfile.TemporaryDirectory() as empty:
        check_installed(wheel, Path(empty), version)
    print(f"recsys runs in an environment with {wheel.name}[cli] alone; all files are in {DIRECTORY.relative_to(ROOT)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.release", description=__doc__)
    parser.add_argument("--tag", help="the tag that is released, such as v0.1.0: every file must name its version")
    parser.add_argument("--repository", help="URL of the repository, for the links on the package index's page")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
