"""What is installed has a hash that the lock knows, wherever pip leads; anything else is refused in one line."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.locked import OTHER_HASH
from tests.stack.indexes import empty_environment, index_of, make_wheel, run, served

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "locked.py"
NAME, VERSION = "a-part", "1.0"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory as an image's build has it: the script, and a lock with one set."""
    directory = tmp_path / "project"
    (directory / "requirements").mkdir(parents=True)
    shutil.copy(SCRIPT, directory)
    return directory


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheels" / "locked", NAME, VERSION, {"a_part.py": "WHO = 'known'\n"})


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return empty_environment(tmp_path / "env")


def lock(project: Path, *wheels: Path) -> None:
    hashes = [f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" for wheel in wheels]
    (project / "requirements" / "one.txt").write_text(f"{NAME}=={VERSION} \\\n    " + " \\\n    ".join(hashes) + "\n")


def install(project: Path, python: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, project / "locked.py", "--python", python, "one"], project, settings)


def who(python: Path) -> str | None:
    result = subprocess.run(
        [python, "-c", "import a_part; print(a_part.WHO)"], capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or None


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """The same version, built by somebody else."""
    return make_wheel(tmp_path / "wheels" / "another", NAME, VERSION, {"a_part.py": "WHO = 'somebody'\n"})


@pytest.mark.parametrize("with_hashes", [True, False])
def test_a_locked_file_is_installed(
    with_hashes: bool, project: Path, wheel: Path, another: Path, python: Path, tmp_path: Path
) -> None:
    """One of the hashes is enough. An index need not tell any, because pip takes that of the file which it gets."""
    lock(project, wheel, another)
    with served(index_of(tmp_path / "index", wheel, with_hashes=with_hashes)) as url:
        result = install(project, python, {"PIP_INDEX_URL": url})
    assert (result.returncode, result.stderr) == (0, "")
    assert who(python) == "known"


@pytest.mark.parametrize("with_hashes", [True, False])
def test_a_file_with_another_hash_is_refused_in_one_line(
    with_hashes: bool, project: Path, wheel: Path, another: Path, python: Path, tmp_path: Path
) -> None:
    lock(project, wheel)
    got = hashlib.sha256(another.read_bytes()).hexdigest()
    with served(index_of(tmp_path / "index", another, with_hashes=with_hashes)) as url:
        result = install(project, python, {"PIP_INDEX_URL": url})
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert re.match(rf"{NAME}=={VERSION} from http://\S+ has the hash {got}, which is none of \S+/one.txt: ", line)
    assert f"or add --hash=sha256:{got} to the entry" in line
    assert who(python) is None


def test_what_lies_elsewhere_does_not_count_as_installed(
    project: Path, wheel: Path, another: Path, python: Path, tmp_path: Path
) -> None:
    lock(project, wheel)
    with zipfile.ZipFile(another) as archive:
        archive.extractall(tmp_path / "elsewhere")
    with served(index_of(tmp_path / "index", wheel)) as url:
        result = install(project, python, {"PIP_INDEX_URL": url, "PYTHONPATH": str(tmp_path / "elsewhere")})
    assert (result.returncode, result.stderr) == (0, "")
    assert who(python) == "known"


def test_the_locked_file_is_found_beside_another(
    project: Path, wheel: Path, another: Path, python: Path, tmp_path: Path
) -> None:
    """A mirror's own build in one source does not keep pip from the public one in the next."""
    lock(project, wheel)
    with (
        served(index_of(tmp_path / "mirror", another, with_hashes=True)) as mirror,
        served(index_of(tmp_path / "public", wheel, with_hashes=True)) as public,
    ):
        result = install(project, python, {"PIP_INDEX_URL": mirror, "PIP_EXTRA_INDEX_URL": public})
    assert (result.returncode, result.stderr) == (0, "")
    assert who(python) == "known"


def test_a_version_that_is_nowhere_is_told_with_the_remedy(
    project: Path, wheel: Path, python: Path, tmp_path: Path
) -> None:
    lock(project, wheel)
    with served(index_of(tmp_path / "index")) as url:
        result = install(project, python, {"PIP_INDEX_URL": url})
    assert result.returncode == 1
    assert re.search(rf"^{NAME}=={VERSION} is nowhere where pip's settings lead, .* PIP_CONF=FILE", result.stderr, re.M)


def test_a_set_that_is_not_there_is_named(project: Path, python: Path) -> None:
    result = install(project, python, {})
    assert (result.returncode, result.stderr.splitlines()[0][:24]) == (1, "requirements/one.txt is ")


def test_what_pip_says_of_several_hashes_is_understood() -> None:
    said = f"""ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. …
    six==1.17.0 from https://index.example/six-1.17.0-py2.py3-none-any.whl (from -r one.txt (line 1)):
        Expected sha256 {"a" * 64}
        Expected     or {"b" * 64}
             Got        {"c" * 64}
"""
    found = OTHER_HASH.search(said)
    assert found
    assert (found["pin"], found["got"]) == ("six==1.17.0", "c" * 64)


PIP_INSTALL = re.compile(r"""\bpip3?\b[^\n#]*?["', ]install\b""")
INSTALLERS = {"infra/locked.py", "infra/torch_cpu.py"}
"""They hand pip the lock's hashes."""


def test_nothing_else_installs_with_pip() -> None:
    """What a person does by hand stands in the documentation; what runs by itself takes the lock, or no index."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [name for name in listed.split("\0")[:-1] if _runs_by_itself(name) and name not in INSTALLERS]
    assert {"Makefile", ".ci/run", "infra/images/install.sh", ".github/workflows/ci.yml"} <= set(files)
    assert [line for name in files for line in _installing(name)] == []


def _installing(name: str) -> list[str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if PIP_INSTALL.search(line)]
    # A Python program runs a list of words; a sentence that tells a person what to do is one word.
    run_by_it = lines if Path(name).suffix != ".py" else [line for line in lines if '"pip", ' in line]
    return [f"{name}: {line.strip()}" for line in run_by_it if "--no-index" not in line]


def _runs_by_itself(name: str) -> bool:
    path = Path(name)
    script = path.suffix in {".py", ".sh", ".yml", ".yaml", ".json"} or path.name in {
        "Makefile",
        "Containerfile",
        "run",
    }
    return script and path.parts[0] not in {"tests", "docs", "widget"}
