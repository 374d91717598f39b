"""torch's CPU build is found wherever it is, and a build for CUDA is never taken.

The builds are small wheels with the metadata of the real ones, in indexes on this machine.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import torch_cpu
from infra.torch_cpu import TORCH_INDEX, pinned_version

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "torch_cpu.py"
INSTALL = ROOT / "infra" / "images" / "install.sh"
VERSION = pinned_version()
BARE = ["filelock", "sympy>=1.13.3"]
CUDA = [
    *BARE,
    *(f'{name}; platform_system == "Linux"' for name in ("cuda-toolkit[cublas]==13.0.3", "nvidia-nccl-cu13")),
]
NOWHERE = "http://127.0.0.1:1"
"""A proxy that refuses at once whatever is asked of an index on the internet."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CUDA is for Linux")


def make_wheel(directory: Path, version: str, requires: list[str], cuda: str | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    info = f"torch-{version}.dist-info"
    files = {
        "torch/__init__.py": "raise AssertionError('torch was imported')\n",
        "torch/version.py": f"__version__ = {version!r}\ncuda = {cuda!r}\n",
        f"{info}/METADATA": "\n".join(
            [
                "Metadata-Version: 2.1",
                "Name: torch",
                f"Version: {version}",
                *(f"Requires-Dist: {one}" for one in requires),
            ]
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(directory / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))


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
        make_wheel(directory / name, version, requires, cuda)
    return directory


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """URL of an index of what is in `directory`: a listing of links, which is what a simple index is."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def index_of(directory: Path, wheels: Path, *builds: str) -> Path:
    """The files of an index with these builds of torch."""
    torch = directory / "simple" / "torch"
    torch.mkdir(parents=True)
    for build in builds:
        [wheel] = (wheels / build).iterdir()
        (torch / wheel.name).hardlink_to(wheel)
    return directory


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Of an empty environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    return tmp_path / "env" / "bin" / "python"


def run(command: list[str | Path], home: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """With `settings` and no other of pip's: in the place of this machine's files there is an empty one."""
    quick = {"PIP_RETRIES": "0", "https_proxy": NOWHERE, "no_proxy": "127.0.0.1"}
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, **quick, **settings}
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True, cwd=home)


def installed(python: Path) -> str | None:
    build = torch_cpu.look(str(python))
    return build.version if build else None


@pytest.fixture
def public(tmp_path: Path, wheels: Path) -> Iterator[str]:
    """An index as the public one: under the plain version there is a build for CUDA."""
    with served(index_of(tmp_path / "public", wheels, "cuda")) as url:
        yield url


def ask(python: Path, tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, SCRIPT, "--python", python], tmp_path, settings)


@pytest.mark.parametrize("setting", ["TORCH_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"])
def test_is_taken_from_an_index_that_is_set(
    setting: str, python: Path, tmp_path: Path, wheels: Path, public: str
) -> None:
    """Also where the index has a build for CUDA whose version is the newer one to pip."""
    with served(index_of(tmp_path / "given", wheels, "cuda", "newer-tag", "cpu")) as given:
        result = ask(python, tmp_path, **{"PIP_INDEX_URL": public, setting: given})
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == f"{VERSION}+cpu"


def test_is_taken_from_a_directory_of_wheels(python: Path, tmp_path: Path, wheels: Path, public: str) -> None:
    result = ask(python, tmp_path, PIP_INDEX_URL=public, PIP_FIND_LINKS=str(wheels / "cpu"))
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == f"{VERSION}+cpu"


def test_is_taken_by_a_file_of_settings(python: Path, tmp_path: Path, wheels: Path, public: str) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(f"[global]\nindex-url = {public}\nfind-links = {wheels / 'cpu'}\n")
    result = ask(python, tmp_path, PIP_CONFIG_FILE=str(file))
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


def test_a_build_for_cuda_is_refused_in_one_line(python: Path, tmp_path: Path, public: str) -> None:
    """Ordinary settings of pip: then torch's own index is asked, which a proxy keeps off here."""
    with proxy() as (url, asked):
        result = ask(python, tmp_path, PIP_INDEX_URL=public, https_proxy=url)
    assert set(asked) == {"download.pytorch.org:443"}
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert re.match(rf"No CPU build of torch {VERSION} was found .* {TORCH_INDEX}, .*: set TORCH_INDEX to ", line)
    assert installed(python) is None


def test_no_other_index_is_asked_where_one_is_named(python: Path, tmp_path: Path, public: str) -> None:
    with proxy() as (url, asked):
        result = ask(python, tmp_path, TORCH_INDEX=public, https_proxy=url)
    assert asked == []
    assert result.returncode == 1
    assert f"was found at {public}, and one for CUDA is not taken" in result.stderr
    assert installed(python) is None


def test_a_build_without_a_tag_is_known_by_what_it_requires(python: Path, tmp_path: Path, wheels: Path) -> None:
    with served(index_of(tmp_path / "mirror", wheels, "plain-cpu")) as mirror:
        result = ask(python, tmp_path, TORCH_INDEX=mirror)
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(python) == VERSION


@pytest.mark.parametrize(("system", "expected"), [("Linux", False), ("Darwin", True)])
def test_what_linux_alone_requires_says_nothing_elsewhere(
    system: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    assert torch_cpu.Build(VERSION, tuple(CUDA)).is_for_cpu is expected
    assert torch_cpu.Build(VERSION, tuple(BARE)).is_for_cpu


def test_a_wrong_tag_is_found_out(python: Path, tmp_path: Path, wheels: Path) -> None:
    result = ask(python, tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels / "mislabelled"))
    assert result.returncode == 1
    assert result.stderr.startswith(f"torch {VERSION} was installed and is no CPU build")


def test_what_is_there_for_cuda_is_replaced_and_a_cpu_build_is_kept(python: Path, tmp_path: Path, wheels: Path) -> None:
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    [wheel] = (wheels / "cuda").iterdir()
    assert run([*pip, wheel], tmp_path, {}).returncode == 0
    assert installed(python) == VERSION
    assert ask(python, tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels / "cpu")).returncode == 0
    assert installed(python) == f"{VERSION}+cpu"
    again = ask(python, tmp_path, PIP_NO_INDEX="1")
    assert (again.returncode, again.stderr) == (0, "")


def test_what_pip_says_of_other_failures_is_shown(python: Path, tmp_path: Path) -> None:
    result = ask(python, tmp_path, PIP_NO_INDEX="1", PIP_CONSTRAINT=str(tmp_path / "absent.txt"))
    assert result.returncode == 1
    assert "absent.txt" in result.stderr


def test_an_image_takes_it_as_its_build_is_told(tmp_path: Path, wheels: Path, public: str) -> None:
    """The beginning of the script that the Containerfile runs, with the files that it has there."""
    containerfile = INSTALL.with_name("Containerfile").read_text()
    copied = re.findall(r"^COPY ((?:infra/|pyproject).*) \./$", containerfile, flags=re.M)
    build = tmp_path / "build"
    build.mkdir()
    for name in " ".join(copied).split():
        (build / Path(name).name).write_bytes((ROOT / name).read_bytes())
    [extras] = re.findall(r"install\.sh (train\S*)", containerfile)
    environment = tmp_path / "environment"
    beginning = INSTALL.read_text().split("in_recsys install")[0].replace("/opt/recsys", str(environment))
    secret = tmp_path / "pip.conf"
    secret.write_text(f"[global]\nindex-url = {public}\n")
    with served(index_of(tmp_path / "given", wheels, "cpu")) as given:
        settings = {
            "TORCH_INDEX": given,
            "PIP_CONFIG_FILE": str(secret),
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        }
        result = run(["sh", "-c", f"cd {build}\n{beginning}", "install.sh", extras], tmp_path, settings)
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(environment / "bin" / "python") == f"{VERSION}+cpu"
