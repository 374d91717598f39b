"""Two builds of an image are held against each other by the files that they hold."""

from __future__ import annotations

import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.images.engine import CONTAINERFILE
from infra.images.files import LIST, parsed, report

INSTALL = CONTAINERFILE.with_name("install.sh")
ENVIRONMENT, FUNCTION, BASE = "/opt/recsys/lib/a.py", "/srv/functions/main.py", "/usr/lib/libc.so"
ONE = {ENVIRONMENT: "1" * 64, FUNCTION: "2" * 64, BASE: "3" * 64}


def test_the_files_are_listed_as_sha256sum_does(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "two  words.py").write_text("x")
    (tmp_path / "link").symlink_to("below")
    (tmp_path / "python").symlink_to("python3")
    result = subprocess.run([sys.executable, "-c", LIST, tmp_path], capture_output=True, text=True, check=True)
    assert parsed(result.stdout) == {
        f"{tmp_path}/below/two  words.py": hashlib.sha256(b"x").hexdigest(),
        f"{tmp_path}/python": hashlib.sha256(b"python3").hexdigest(),
    }


def test_what_a_build_compiles_is_the_same_in_the_next(tmp_path: Path) -> None:
    """The command of the images' build, on a file of another time that an import has compiled before."""
    text = INSTALL.read_text().replace("\\\n", "")
    [command] = re.findall(r"^/opt/recsys/bin/python (-m compileall .*?) /opt/", text, flags=re.M)
    found = []
    for seconds in (1_000_000_000, 1_100_000_000):
        packages = tmp_path / "site-packages"
        packages.mkdir()
        source = packages / "a_part.py"
        source.write_text("WHO = 'a part'\n")
        os.utime(source, (seconds, seconds))
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
        subprocess.run([sys.executable, *command.split(), packages], check=True)
        found.append([file.read_bytes() for file in packages.rglob("*.pyc")])
        shutil.rmtree(packages)
    assert len(found[0]) == 1
    assert found[0] == found[1]


def test_equal_builds(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ONE, dict(ONE)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "the project's environment and functions: 2 files are the same, 0 are not",
        "the base: 1 files are the same, 0 are not",
    ]


@pytest.mark.parametrize(
    ("two", "status", "said"),
    [
        (ONE | {ENVIRONMENT: "9" * 64}, 1, f"differs: {ENVIRONMENT}"),
        (ONE | {"/srv/more.py": "9" * 64}, 1, "only in one: /srv/more.py"),
        ({ENVIRONMENT: "1" * 64, BASE: "3" * 64}, 1, f"only in one: {FUNCTION}"),
        (ONE | {BASE: "9" * 64}, 0, f"differs: {BASE}"),
    ],
    ids=["another content", "one more", "one less", "another base"],
)
def test_a_difference_is_named_and_only_the_projects_own_counts(
    two: dict[str, str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(ONE, two) == status
    assert capsys.readouterr().out.splitlines()[0] == said
