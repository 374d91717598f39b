"""The carousel's npm package: looked into, then packed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from infra.release.source import with_absolute_links
from infra.release.steps import ROOT, ReleaseError, run

WIDGET: Final = ROOT / "widget"
REQUIRED: Final = {
    "LICENSE",
    "README.md",
    "package.json",
    "dist/element/recsys-carousel.js",
    "dist/package/index.js",
    "dist/package/carousel.css",
    "dist/types/index.d.ts",
}
_BUILT: Final = ("dist/element/", "dist/package/", "dist/types/")


def pack(directory: Path, *, version: str, repository: str | None) -> Path:
    """The tarball in `directory`, of the widget that `make widget` built. With `repository`, the URL of the project's
    repository, the package names it, as a registry asks of one with provenance. Raises `ReleaseError`."""
    [listed] = json.loads(run(["npm", "pack", "--dry-run", "--json"], cwd=WIDGET))
    files = {file["path"] for file in listed["files"]}
    check_listed(files, (listed["name"], listed["version"]), version)
    if (WIDGET / "LICENSE").read_bytes() != (ROOT / "LICENSE").read_bytes():
        raise ReleaseError("widget/LICENSE is not the project's licence")
    source = directory.with_name(f"{directory.name}-source")
    _export(files, source, version, repository)
    return packed_from(source, directory)


def packed_from(source: Path, directory: Path) -> Path:
    """The tarball of the package in `source`, in the new `directory`. npm gives all files one time and one owner."""
    directory.mkdir(parents=True)
    run(["npm", "pack", "--ignore-scripts", "--pack-destination", directory], cwd=source)
    [tarball] = directory.glob("*.tgz")
    return tarball


def _export(files: set[str], target: Path, version: str, repository: str | None) -> None:
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(WIDGET / name, target / name)
        (target / name).chmod(0o644)
    if repository is None:
        return
    readme, package = target / "README.md", target / "package.json"
    readme.write_text(with_absolute_links(readme.read_text(), repository, f"v{version}/widget"))
    document = json.loads(package.read_text())
    document["repository"] = {"type": "git", "url": f"git+{repository}.git", "directory": "widget"}
    package.write_text(json.dumps(document, indent=2) + "\n")


def check_listed(files: set[str], said: tuple[str, str], version: str) -> None:
    """`files` are those of the package, `said` its name and version. Raises `ReleaseError`."""
    foreign = {name for name in files - REQUIRED if not name.startswith(_BUILT)}
    if foreign:
        raise ReleaseError(f"the npm package must not hold {', '.join(sorted(foreign))}")
    if missing := REQUIRED - files:
        raise ReleaseError(f"the npm package lacks {', '.join(sorted(missing))}")
    if said != ("@recsys-lite/carousel", version):
        raise ReleaseError(f"the npm package is {' '.join(said)}, and the release is {version}")
