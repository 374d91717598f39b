"""What a release publishes holds what it must and nothing else, and each check of it can fail."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.release.npm_package import REQUIRED, check_listed, packed_from
from infra.release.python_package import build, check_sdist, check_wheel
from infra.release.reproducible import epoch
from infra.release.source import with_absolute_links
from infra.release.steps import ROOT, ReleaseError
from infra.release.version import version_of

VERSION = version_of()
REPOSITORY = "https://git.example.eu/shop/recsys-lite"
NAMES_THE_VERSION = (
    "pyproject.toml",
    "widget/package.json",
    "widget/package-lock.json",
    "infra/images/Containerfile",
    "CHANGELOG.md",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist, by the build backend that is installed."""
    directory = tmp_path_factory.mktemp("release") / "python"
    return build(directory, version=VERSION, repository=REPOSITORY)


def test_wheel_and_sdist_hold_the_package(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    check_wheel(wheel, VERSION)
    check_sdist(sdist, VERSION)
    names = zipfile.ZipFile(wheel).namelist()
    assert "common/py.typed" in names
    assert any(name.endswith("/page.html") for name in names)


def test_the_page_of_the_index_leads_to_the_repository(built: tuple[Path, Path]) -> None:
    metadata = zipfile.ZipFile(built[0]).read(f"recsys_lite-{VERSION}.dist-info/METADATA").decode()
    assert f"Project-URL: Source, {REPOSITORY}\n" in metadata
    targets = re.findall(r"\]\(([^)]+)\)", metadata)
    assert f"{REPOSITORY}/blob/v{VERSION}/docs/install.md" in targets
    assert [target for target in targets if not re.match(r"https?:|#", target)] == []


@pytest.mark.slow(lane="supply")
def test_a_second_build_has_the_same_bytes(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Also for somebody with another umask; the files' times differ in any case."""
    before = os.umask(0o077)
    try:
        again = build(tmp_path / "python", version=VERSION, repository=REPOSITORY)
    finally:
        os.umask(before)
    assert [digest(file) for file in again] == [digest(file) for file in built]


def test_an_archive_says_when_the_commit_was_made(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        assert {member.mtime for member in sdist.getmembers()} == {epoch()}
        assert {(member.uid, member.uname, member.mode) for member in sdist.getmembers()} == {(0, "", 0o644)}


def test_the_npm_package_has_the_same_bytes_when_packed_again(tmp_path: Path) -> None:
    """`npm pack` as the release calls it, on small files in the place of the built carousel."""
    packed = []
    for name in ("one", "two"):
        source = tmp_path / name
        for file in sorted(REQUIRED, reverse=name == "two"):
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_text(file)
        (source / "package.json").write_text('{"name": "a", "version": "1.0.0", "files": ["dist"]}')
        packed.append(digest(packed_from(source, tmp_path / f"{name}-packed")))
    assert packed[0] == packed[1]


def digest(file: Path) -> tuple[str, str]:
    return file.name, hashlib.sha256(file.read_bytes()).hexdigest()


def rewritten(wheel: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target / wheel.name, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target / wheel.name


METADATA = f"recsys_lite-{VERSION}.dist-info/METADATA"
FAULTS: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a test": (lambda files: files.update({"tests/test_x.py": b""}), "must not hold tests/test_x.py"),
    "a file of settings": (lambda files: files.update({"common/.env": b""}), "must not hold common/.env"),
    "a package beside it": (lambda files: files.update({"infra/__init__.py": b""}), "must not hold infra/__init__.py"),
    "no types": (lambda files: files.pop("common/py.typed"), "lacks common/py.typed"),
    "no page of the report": (
        lambda files: [files.pop(name) for name in list(files) if name.endswith("/page.html")],
        "/page.html",
    ),
    "no licence": (lambda files: files.pop(f"recsys_lite-{VERSION}.dist-info/licenses/LICENSE"), "lacks"),
    "no summary": (
        lambda files: files.update({METADATA: files[METADATA].replace(b"Summary:", b"X-Summary:")}),
        "does not say Summary",
    ),
    "no description": (
        lambda files: files.update({METADATA: files[METADATA].partition(b"\n\n")[0]}),
        "does not say what it is",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_wheel_is_found(name: str, built: tuple[Path, Path], tmp_path: Path) -> None:
    plant, mentioned = FAULTS[name]
    with pytest.raises(ReleaseError, match=re.escape(mentioned)):
        check_wheel(rewritten(built[0], tmp_path, plant), VERSION)


def test_a_stray_file_in_the_sdist_is_found(built: tuple[Path, Path], tmp_path: Path) -> None:
    sdist = tmp_path / built[1].name
    with tarfile.open(built[1]) as old, tarfile.open(sdist, "w:gz") as new:
        for member in old.getmembers():
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
        new.addfile(tarfile.TarInfo(f"recsys_lite-{VERSION}/.pypirc"), io.BytesIO())
    with pytest.raises(ReleaseError, match=r"must not hold \.pypirc"):
        check_sdist(sdist, VERSION)


@pytest.mark.parametrize(
    ("files", "version", "mentioned"),
    [
        (REQUIRED | {"tests/unit/api.test.ts"}, VERSION, "must not hold tests/unit/api.test.ts"),
        (REQUIRED | {".npmrc"}, VERSION, "must not hold .npmrc"),
        (REQUIRED - {"LICENSE"}, VERSION, "lacks LICENSE"),
        (REQUIRED, "9.9.9", "is @recsys-lite/carousel 9.9.9"),
    ],
    ids=["a test", "a secret", "no licence", "another version"],
)
def test_a_fault_in_the_npm_package_is_found(files: set[str], version: str, mentioned: str) -> None:
    check_listed(set(REQUIRED) | {"dist/types/hook.d.ts"}, ("@recsys-lite/carousel", VERSION), VERSION)
    with pytest.raises(ReleaseError, match=re.escape(mentioned)):
        check_listed(files, ("@recsys-lite/carousel", version), VERSION)


def test_the_npm_package_has_the_projects_licence() -> None:
    assert (ROOT / "widget/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert json.loads((ROOT / "widget/package.json").read_text())["files"] == ["dist"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that name a version, as they are, and the one that names a contact."""
    for name in (*NAMES_THE_VERSION, "SECURITY.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("file", NAMES_THE_VERSION)
def test_every_file_names_the_same_version(file: str, tree: Path) -> None:
    assert version_of(tree) == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    text = (tree / file).read_text()
    (tree / file).write_text(text.replace(VERSION, "9.9.9", 1))
    with pytest.raises(ReleaseError, match=f"{re.escape(file)} has 9.9.9"):
        version_of(tree)


def test_a_tag_is_of_a_version_that_is_called_released_by_people_who_can_be_reached(tree: Path) -> None:
    changelog = tree / "CHANGELOG.md"
    text = re.sub(r"(?m)^## .*$", f"## {VERSION}, 30 November 2026", changelog.read_text(), count=1)
    changelog.write_text(text)
    with pytest.raises(ReleaseError, match=r"SECURITY\.md has no contact yet"):
        version_of(tree, f"v{VERSION}")
    (tree / "SECURITY.md").write_text("Contact: security@example.eu")
    assert version_of(tree, f"v{VERSION}") == VERSION
    with pytest.raises(ReleaseError, match=r"the tag has 9\.9\.9"):
        version_of(tree, "v9.9.9")
    changelog.write_text(text.replace("30 November 2026", "not released yet"))
    with pytest.raises(ReleaseError, match="write the date there"):
        version_of(tree, f"v{VERSION}")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("[a](docs/a.md#b)", f"[a]({REPOSITORY}/blob/v1/docs/a.md#b)"),
        ("![a](docs/a.png)", f"![a]({REPOSITORY}/raw/v1/docs/a.png)"),
        ('<img alt="a" src="docs/a.png">', f'<img alt="a" src="{REPOSITORY}/raw/v1/docs/a.png">'),
        ("[a](https://example.eu) [b](#c)", "[a](https://example.eu) [b](#c)"),
        ("[![a](a.png)](b.md)", f"[![a]({REPOSITORY}/raw/v1/a.png)]({REPOSITORY}/blob/v1/b.md)"),
    ],
)
def test_links_become_absolute(text: str, made: str) -> None:
    assert with_absolute_links(text, REPOSITORY, "v1") == made
