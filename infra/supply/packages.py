"""Others' packages that the project installs or ships, with their licences and where they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from infra.lock import EXTRAS, ROOT, TORCH, WHOLE, entries, name_of, path_of
from infra.supply.licences import licence_of, table
from infra.torch_cpu import pinned_version

IMAGES: Final = ("recommend", "ingest", "update", "train")
WIDGET_LOCK: Final = ROOT / "widget" / "package-lock.json"
OWN_LICENCE: Final = "Apache-2.0"
TAKEN_OUT: Final = {"train": ("sympy", "mpmath", "networkx", "scikit-learn", "joblib", "narwhals", "setuptools")}
"""What an image's build installs and removes again (infra/images/Containerfile)."""


@dataclass(frozen=True)
class Package:
    """`used_in` names images and sets of requirements/; `development` alone where no other set has it."""

    name: str
    version: str
    licence: str
    used_in: tuple[str, ...]


@cache
def python_packages() -> tuple[Package, ...]:
    """Of all sets that hold the package's own requirements, sorted by name."""
    sets = {name: dict(_versions(name)) for name in EXTRAS}
    sets["train"][TORCH] = sets[WHOLE][TORCH] = pinned_version()
    return tuple(
        Package(name, version, licence_of(name) if _is_here(name) else table()["read"][name], _used_in(name, sets))
        for name, version in sorted(sets[WHOLE].items())
    )


def _versions(of_set: str) -> Iterator[tuple[str, str]]:
    for entry in entries(path_of(of_set).read_text()):
        yield name_of(entry), entry.partition("==")[2].split()[0]


def _is_here(name: str) -> bool:
    """pyyaml-ft is for Python 3.13 alone."""
    return name != "pyyaml-ft"


def _used_in(name: str, sets: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    images = tuple(image for image in IMAGES if name in sets[image] and name not in TAKEN_OUT.get(image, ()))
    others = tuple(other for other in ("cli", "demo") if name in sets[other])
    return (*images, *others) or ("development",)


@cache
def npm_packages() -> tuple[Package, ...]:
    """What the carousel's files hold of others, or its npm package depends on."""
    locked: dict[str, Any] = json.loads(WIDGET_LOCK.read_text())["packages"]
    waiting, found = [*locked[""]["dependencies"], *table()["widget"]["built_in"]], set()
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting.extend(locked[f"node_modules/{name}"].get("dependencies", {}))
    entries_of = {name: locked[f"node_modules/{name}"] for name in sorted(found)}
    return tuple(Package(name, one["version"], one["license"], ("carousel",)) for name, one in entries_of.items())


def image_expression(image: str) -> str:
    """What the whole of an image is under, its base apart."""
    found = {package.licence for package in python_packages() if image in package.used_in}
    parts = sorted({part for licence in found for part in _and_parts(licence)} - {OWN_LICENCE})
    return " AND ".join([OWN_LICENCE, *parts])


def _and_parts(licence: str) -> list[str]:
    parts = licence.split(" AND ")
    return [f"({part})" if " OR " in part else part for part in parts]
