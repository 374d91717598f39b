"""What npm installs has a hash in the lock file, and nothing installs past it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES: dict[str, dict[str, object]] = json.loads((ROOT / "widget" / "package-lock.json").read_text())["packages"]
INSTALLS = re.compile(r"\bnpm\b[^\n#;&|]*? (?:install|i|add|update|exec|ci)\b|\bnpx ")


def test_every_package_has_a_hash() -> None:
    """The project's own directories have none: the package itself, and a host of its tests."""
    foreign = {path: entry for path, entry in PACKAGES.items() if path.startswith("node_modules/")}
    foreign = {path: entry for path, entry in foreign.items() if "link" not in entry}
    assert len(foreign) > 200
    assert [path for path, entry in foreign.items() if not str(entry.get("integrity", "")).startswith("sha512-")] == []
    nested = {path for path in PACKAGES if "node_modules/" in path} - foreign.keys()
    assert [path for path in nested if "link" not in PACKAGES[path] and "integrity" not in PACKAGES[path]] == []


def test_no_package_comes_from_beside_the_registry() -> None:
    assert [path for path, entry in PACKAGES.items() if re.match(r"git|file:|\.", str(entry.get("resolved", "")))] == []


def test_nothing_installs_past_the_lock_file() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    scripts = [
        name
        for name in listed.split("\0")[:-1]
        if re.search(r"(^|/)Makefile$|\.(sh|yml|yaml)$|^\.ci/run$|devcontainer\.json$", name)
    ]
    found = [(name, match[0]) for name in scripts for match in INSTALLS.finditer((ROOT / name).read_text())]
    assert ("Makefile", "npm --prefix widget ci") in found
    assert [(name, words) for name, words in found if not words.endswith(" ci")] == []


@pytest.mark.parametrize(
    "words", ["npm install", "npm --prefix widget install x", "npm i x", "npx vite", "npm exec vite", "npm update"]
)
def test_what_goes_past_it_is_known(words: str) -> None:
    assert INSTALLS.search(words)
