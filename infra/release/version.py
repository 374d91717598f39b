"""The version of a release, which stands in several files and in the tag."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Final

from infra.release.steps import ROOT, ReleaseError

NOT_YET: Final = "not released yet"
NO_CONTACT: Final = "TO BE FILLED IN"
"""What SECURITY.md says in the place of a contact."""


def version_of(root: Path = ROOT, tag: str | None = None) -> str:
    """The version that all files name. With `tag`, such as `v0.1.0`, it must be that one, the changelog must call it
    released, and SECURITY.md must name a contact. Raises `ReleaseError` where they differ."""
    named = {
        "pyproject.toml": tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"],
        "widget/package.json": json.loads((root / "widget/package.json").read_text())["version"],
        "widget/package-lock.json": json.loads((root / "widget/package-lock.json").read_text())["version"],
        "infra/images/Containerfile": _first(r"^ARG VERSION=(\S+)$", root / "infra/images/Containerfile"),
        "CHANGELOG.md": _first(r"^## ([^\s,]+)", root / "CHANGELOG.md"),
    }
    if tag is not None:
        named["the tag"] = tag.removeprefix("v")
        if NOT_YET in _first(r"^## (.+)$", root / "CHANGELOG.md"):
            raise ReleaseError(f"CHANGELOG.md calls its first version {NOT_YET!r}: write the date there")
        if NO_CONTACT in (root / "SECURITY.md").read_text():
            raise ReleaseError("SECURITY.md has no contact yet: fill it in")
    if len(set(named.values())) != 1:
        raise ReleaseError(f"the version differs: {', '.join(f'{file} has {said}' for file, said in named.items())}")
    return str(named["pyproject.toml"])


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(), flags=re.MULTILINE)
    if not found:
        raise ReleaseError(f"{path.name} names no version")
    return found[1]
