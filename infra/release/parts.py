"""Lists of parts for what a release publishes, as CycloneDX: what the Python package asks for, what the carousel holds.

A list names no time and no number of its own, so that it is the same for the same files.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from infra.lock import TORCH, WHOLE, digests_of, entries, name_of, path_of
from infra.supply.packages import IMAGES, OWN_LICENCE, WIDGET_LOCK, Package, npm_packages, python_packages
from infra.torch_cpu import hashes_of as torch_digests

SPECIFICATION: Final = "1.6"
ASKED_FOR: Final = {*IMAGES, "cli"}
"""The sets that the package's extras bring; the demo and development are for the repository."""


def write_lists(directory: Path, *, python: Sequence[Path], npm: Path, version: str) -> list[Path]:
    """Two files in the new `directory`, for the Python package's archives and for the tarball of the npm package."""
    directory.mkdir(parents=True)
    lists = {
        f"recsys_lite-{version}.cdx.json": python_list(python, version),
        f"{npm.name.removesuffix('.tgz')}.cdx.json": npm_list(npm, version),
    }
    for name, document in lists.items():
        (directory / name).write_text(json.dumps(document, indent=2) + "\n")
    return [directory / name for name in lists]


def python_list(archives: Sequence[Path], version: str) -> dict[str, Any]:
    packages = [package for package in python_packages() if ASKED_FOR & set(package.used_in)]
    locked = {name_of(entry): entry for entry in entries(path_of(WHOLE).read_text())}
    components = []
    for package in packages:
        purl = f"pkg:pypi/{package.name}@{package.version}"
        files = [_distribution(purl, "SHA-256", digest) for digest in _digests(package, locked)]
        components.append({**_component(package, purl), "externalReferences": files})
    return _document("recsys-lite", f"pkg:pypi/recsys-lite@{version}", version, archives, components)


def npm_list(tarball: Path, version: str) -> dict[str, Any]:
    locked = json.loads(WIDGET_LOCK.read_text())["packages"]
    components = []
    for package in npm_packages():
        algorithm, _, digest = locked[f"node_modules/{package.name}"]["integrity"].partition("-")
        said = {"alg": f"SHA-{algorithm.removeprefix('sha')}", "content": b64decode(digest).hex()}
        component = _component(package, f"pkg:npm/{package.name}@{package.version}")
        components.append({**component, "hashes": [said]})
    purl = f"pkg:npm/%40recsys-lite/carousel@{version}"
    return _document("@recsys-lite/carousel", purl, version, [tarball], components)


def _document(
    name: str, purl: str, version: str, files: Sequence[Path], components: list[dict[str, Any]]
) -> dict[str, Any]:
    published = [_distribution(purl, "SHA-256", hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
    own = Package(name, version, OWN_LICENCE, ())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"component": {**_component(own, purl), "externalReferences": published}},
        "components": components,
    }


def _component(package: Package, purl: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "licenses": [{"expression": package.licence}],
    }


def _digests(package: Package, locked: dict[str, str]) -> list[str]:
    """Of all files of the version, of which pip takes the one that fits."""
    if package.name == TORCH:
        return torch_digests(f"{package.version}+cpu")
    return digests_of(locked[package.name])


def _distribution(purl: str, algorithm: str, digest: str) -> dict[str, Any]:
    return {"type": "distribution", "url": purl, "hashes": [{"alg": algorithm, "content": digest}]}
