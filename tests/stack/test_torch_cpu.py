"""torch's CPU build is found wherever it is, and a build for CUDA is never taken.

The builds are small wheels with the metadata of the real ones, in indexes on this machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import torch_cpu
from infra.torch_cpu import TORCH_INDEX, pinned_version
from tests.stack.indexes import empty_environment, index_of, make_wheel, run, served

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "torch_cpu.py"
INSTALL = ROOT / "infra" / "images" / "install.sh"
VERSION = pinned_version()
BARE = ["filelock", "sympy>=1.13.3"]
CUDA = [
    *BARE,
    *(f'{name}; platform_system == "Linux"' for name in ("cuda-toolkit[cublas]==13.0.3", "nvidia-nccl-cu13")),
]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CUDA is for Linux")


BUILDS = {
    "cpu": (f"{VERSION}+cpu", BARE, None),
    "cuda": (VERSION, CUDA, "13.0"),
    "newer-tag": (f"{VERSION}+cu130", CUDA, "13.0"),
    "plain-cpu": (VERSION, BARE, None),
    "mislabelled": (f"{VERSION}+cpu", BARE, "13.0"),
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each build a directory with its wheel."""
    directory = tmp_path_factory.mktemp("wheels")
    for name, (version, requires, cuda) in BUILDS.items():
        files = {
            "torch/__init__.py": "raise AssertionError('torch was imported')\n",
            "torch/version.py": f"__version__ = {version!r}\ncuda = {cuda!r}\n",
        }
        make_wheel(directory / name, "torch", version, files, requires)
    return directory


def index_with(directory: Path, wheels: Path, *builds: str) -> Path:
    """The files of an index with these builds of torch."""
    return index_of(directory, *(wheel for build in builds for wheel in (wheels / build).iterdir()))


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Of an empty environment."""
    return empty_environment(tmp_path / "env")


def installed(python: Path) -> str | None:
    build = torch_cpu.look(str(python))
    return build.version if build else None


@pytest.fixture
def public(tmp_path: Path, wheels: Path) -> Iterator[str]:
    """An index as the public one: under the plain version there is a build for CUDA."""
    with served(index_with(tmp_path / "public", wheels, "cuda")) as url:
        yield url


def project(directory: Path, wheels: Path, *, but: str = "") -> Path:
    """The script as an image's build has it, beside a list of hashes of all builds but one."""
    (directory / "requirements").mkdir(parents=True)
    for file in (SCRIPT, ROOT / "pyproject.toml"):
        shutil.copy(file, directory)
    known = [wheel for build in BUILDS if build != but for wheel in (wheels / build).iterdir()]
    lines = [f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n" for wheel in known]
    (directory / "requirements" / "torch.sha256").write_text("".join(lines))
    return directory / SCRIPT.name


@pytest.fixture
def script(tmp_path: Path, wheels: Path) -> Path:
    return project(tmp_path / "project", wheels)


def ask(script: Path, python: Path, tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, script, "--python", python], tmp_path, settings)


@pytest.mark.parametrize("setting", ["TORCH_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"])
def test_is_taken_from_an_index_that_is_set(
    setting: str, script: Path, python: Path, tmp_path: Path, wheels: Path, public: str
) -> None:
    """Also where the index has a build for CUDA whose version is the newer one to pip."""
    with served(index_with(tmp_path / "given", wheels, "cuda", "newer-tag", "cpu")) as given:
        result = ask(script, python, tmp_path, **{"PIP_INDEX_URL": public, setting: given})
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == f"{VERSION}+cpu"


def test_is_taken_from_a_directory_of_wheels(
    script: Path, python: Path, tmp_path: Path, wheels: Path, public: str
) -> None:
    result = ask(script, python, tmp_path, PIP_INDEX_URL=public, PIP_FIND_LINKS=str(wheels / "cpu"))
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == f"{VERSION}+cpu"


def test_is_taken_by_a_file_of_settings(script: Path, python: Path, tmp_path: Path, wheels: Path, public: str) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(f"[global]\nindex-url = {public}\nfind-links = {wheels / 'cpu'}\n")
    result = ask(script, python, tmp_path, PIP_CONFIG_FILE=str(file))
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == f"{VERSION}+cpu"


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """One that lets nothing through: its URL, and of whom it was asked."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_build_for_cuda_is_refused_in_one_line(script: Path, python: Path, tmp_path: Path, public: str) -> None:
    """Ordinary settings of pip: then torch's own index is asked, which a proxy keeps off here."""
    with proxy() as (url, asked):
        result = ask(script, python, tmp_path, PIP_INDEX_URL=public, https_proxy=url)
    assert set(asked) == {"download.pytorch.org:443"}
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert re.match(rf"No CPU build of torch {VERSION} was found .* {TORCH_INDEX}, .*: set TORCH_INDEX to ", line)
    assert installed(python) is None


def test_no_other_index_is_asked_where_one_is_named(script: Path, python: Path, tmp_path: Path, public: str) -> None:
    with proxy() as (url, asked):
        result = ask(script, python, tmp_path, TORCH_INDEX=public, https_proxy=url)
    assert asked == []
    assert result.returncode == 1
    assert f"was found at {public}, and one for CUDA is not taken" in result.stderr
    assert installed(python) is None


def test_a_build_without_a_tag_is_known_by_what_it_requires(
    script: Path, python: Path, tmp_path: Path, wheels: Path
) -> None:
    with served(index_with(tmp_path / "mirror", wheels, "plain-cpu")) as mirror:
        result = ask(script, python, tmp_path, TORCH_INDEX=mirror)
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == VERSION


@pytest.mark.parametrize(("system", "expected"), [("Linux", False), ("Darwin", True)])
def test_what_linux_alone_requires_says_nothing_elsewhere(
    system: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    assert torch_cpu.Build(VERSION, tuple(CUDA)).is_for_cpu is expected
    assert torch_cpu.Build(VERSION, tuple(BARE)).is_for_cpu


def test_a_wrong_tag_is_found_out(script: Path, python: Path, tmp_path: Path, wheels: Path) -> None:
    result = ask(script, python, tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels / "mislabelled"))
    assert result.returncode == 1
    assert result.stderr.startswith(f"torch {VERSION} was installed and is no CPU build")


def test_what_is_there_for_cuda_is_replaced_and_a_cpu_build_is_kept(
    script: Path, python: Path, tmp_path: Path, wheels: Path
) -> None:
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    [wheel] = (wheels / "cuda").iterdir()
    assert run([*pip, wheel], tmp_path, {}).returncode == 0
    assert installed(python) == VERSION
    assert ask(script, python, tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels / "cpu")).returncode == 0
    assert installed(python) == f"{VERSION}+cpu"
    again = ask(script, python, tmp_path, PIP_NO_INDEX="1")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_build_that_is_not_listed_is_refused_in_one_line(python: Path, tmp_path: Path, wheels: Path) -> None:
    script = project(tmp_path / "other", wheels, but="cpu")
    [wheel] = (wheels / "cpu").iterdir()
    result = ask(script, python, tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheel.parent))
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    got = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert re.match(rf"torch from \S+ has the hash {got}, which is none of requirements/torch.sha256: ", line)
    assert installed(python) is None


def test_what_pip_says_of_other_failures_is_shown(script: Path, python: Path, tmp_path: Path) -> None:
    result = ask(script, python, tmp_path, PIP_NO_INDEX="1", PIP_CONSTRAINT=str(tmp_path / "absent.txt"))
    assert result.returncode == 1
    assert "absent.txt" in result.stderr


def test_an_image_takes_it_as_its_build_is_told(script: Path, tmp_path: Path, wheels: Path, public: str) -> None:
    """The beginning of the script that the Containerfile runs, with the files that it has there."""
    containerfile = INSTALL.with_name("Containerfile").read_text()
    copied = re.findall(r"^COPY ((?:infra/|pyproject).*) \./$", containerfile, flags=re.M)
    build = tmp_path / "build"
    build.mkdir()
    for name in " ".join(copied).split():
        (build / Path(name).name).write_bytes((ROOT / name).read_bytes())
    [name] = re.findall(r"^COPY (requirements) requirements$", containerfile, flags=re.M)
    (build / name).mkdir()
    (build / name / "torch.sha256").write_bytes((script.parent / name / "torch.sha256").read_bytes())
    [chosen] = re.findall(r"install\.sh (train\S*)", containerfile)
    environment = tmp_path / "environment"
    beginning = INSTALL.read_text().split("python3 locked.py")[0].replace("/opt/recsys", str(environment))
    secret = tmp_path / "pip.conf"
    secret.write_text(f"[global]\nindex-url = {public}\n")
    with served(index_with(tmp_path / "given", wheels, "cpu")) as given:
        settings = {
            "TORCH_INDEX": given,
            "PIP_CONFIG_FILE": str(secret),
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        }
        result = run(["sh", "-c", f"cd {build}\n{beginning}", "install.sh", chosen], tmp_path, settings)
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(environment / "bin" / "python") == f"{VERSION}+cpu"
