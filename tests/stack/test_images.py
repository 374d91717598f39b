"""What the Containerfile promises, and the parts that build and run images. `make images` builds them for real."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.images import __main__ as make_images
from infra.images import inside
from infra.images.__main__ import LIMITS_MB
from infra.images.declared import declared
from infra.images.demo import launch_from
from infra.images.engine import CONTAINERFILE, TARGETS, USER, Engine, ImageError
from infra.images.pip_settings import paths_in, read_pip_settings, settings_of
from infra.images.start_up import UNWANTED, ask_health_check
from infra.local.launch import Program
from infra.local.manifest import read_manifest

TEXT = CONTAINERFILE.read_text()
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, flags=re.M | re.S))
FUNCTIONS = {function.name: function for function in read_manifest().functions}


def test_there_is_an_image_for_each_function_with_a_limit() -> None:
    assert set(TARGETS) == set(FUNCTIONS) == set(LIMITS_MB)
    assert set(TARGETS) < set(STAGES)


def test_what_runs_is_not_built_upon() -> None:
    """A command in a final stage would leave what it made, and needs a shell of the base."""
    for name in ("function", *TARGETS):
        assert "RUN" not in STAGES[name], name
    assert f"USER {USER}:{USER}" in STAGES["function"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_its_function_as_the_template_does(target: str) -> None:
    stage, env = STAGES[target], FUNCTIONS[target].container.env
    assert f"FUNCTION_TARGET={env['FUNCTION_TARGET']} FUNCTION_SOURCE={env['FUNCTION_SOURCE']}" in stage
    assert f"COPY functions/{target} functions/{target}" in stage
    assert stage.startswith("LABEL org.opencontainers.image.title=")
    assert re.search(r'^HEALTHCHECK .* CMD \["python", "health.py", "http"\]$', stage, flags=re.M)
    commands = re.findall(r"^CMD (.*)$", STAGES["function"] + stage, flags=re.M)
    assert FUNCTIONS[target].container.command == tuple(json.loads(commands[-1]))


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that says 200 to /healthz."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_health_is_that_of_the_port(kind: str, port: int) -> None:
    def status(number: int) -> int:
        command: list[str | Path] = [sys.executable, CONTAINERFILE.with_name("health.py"), kind]
        return subprocess.run(command, env={"PORT": str(number)}, check=False).returncode

    assert status(port) == 0
    assert status(1) == 1


def test_slimming_leaves_what_runs(tmp_path: Path) -> None:
    kept = {"torch/__init__.py", "torch/bin/torch_shm_manager", "torch/testing/__init__.py"}
    kept |= {"botocore/data/s3/service-2.json", "botocore/data/endpoints.json", "numpy.libs/libblas.so"}
    gone = {"torch/include/x.h", "torch/bin/protoc", "numpy/tests/test_a.py", "gensim/test/data.txt", "a/b.pyx"}
    gone |= {"botocore/data/ec2/service-2.json", "torch/lib/libjitbackend_test.so", "a/b.pyi"}
    for name in kept | gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    subprocess.run([CONTAINERFILE.with_name("slim.sh"), tmp_path], check=True, capture_output=True)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_pip_settings_are_joined_as_pip_does(tmp_path: Path) -> None:
    (tmp_path / "simple").mkdir()
    listed = "\n".join(
        (
            ":env:.find-links='/absent'",
            "global.cert='/etc/hostname'",
            f"global.extra-index-url='\\nfile://{tmp_path}/simple\\nhttps://index.example/simple'",
            "global.find-links='/weaker'",
            "install.no-compile='true'",
            "download.timeout='7'",
        )
    )
    settings = settings_of(listed)
    assert settings == {
        "cert": "/etc/hostname",
        "extra-index-url": f"file://{tmp_path}/simple https://index.example/simple",
        "find-links": "/absent",
        "no-compile": "true",
    }
    assert set(paths_in(settings)) == {Path("/etc/hostname"), tmp_path}


def test_a_build_that_sees_no_files_of_this_machine_is_told_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    assert "find-links" in read_pip_settings(tmp_path, with_files=True).file.read_text()
    text = read_pip_settings(tmp_path, with_files=False).file.read_text()
    assert "timeout = 7" in text
    assert "find-links" not in text


def built_config(target: str) -> dict[str, Any]:
    """As an engine tells it of an image that is what the Containerfile says."""
    said = declared(target)
    labels = {**said.labels, "org.opencontainers.image.revision": "0123456789ab", "io.buildah.version": "1.28"}
    return {"User": said.user, "Labels": labels, "Healthcheck": dict(said.health)}


@pytest.mark.parametrize("target", TARGETS)
def test_a_built_image_is_held_against_its_containerfile(target: str) -> None:
    said = declared(target)
    assert said.user == f"{USER}:{USER}"
    assert said.labels["org.opencontainers.image.title"] == f"RecSys-Lite {target}"
    assert said.labels["org.opencontainers.image.version"] == version("recsys-lite")
    assert said.health_command[:2] == ["python", "health.py"]
    said.check(target, built_config(target))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"User": ""}, "the user"),
        ({"Labels": None}, "org.opencontainers.image.vendor"),
        ({"Labels": {**built_config("train")["Labels"], "org.opencontainers.image.revision": "unknown"}}, "revision"),
        ({"Healthcheck": None}, "the health check"),
        ({"Healthcheck": {"Test": ["CMD", "true"]}}, "the health check"),
    ],
)
def test_an_image_that_is_something_else_is_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ImageError, match=f"train is not what its Containerfile says: .*{named}"):
        declared("train").check("train", built_config("train") | change)


class Answering(Engine):
    """Runs commands of this machine in the place of an image's."""

    def __init__(self, status: int) -> None:
        self.status = status

    def build(self, target: str) -> None:
        raise AssertionError

    def size_bytes(self, target: str) -> int:
        return 250_400_000

    def config(self, target: str) -> Mapping[str, Any]:
        return built_config(target)

    def program(
        self, target: str, command: Sequence[str], env: Mapping[str, str], writable: Mapping[str, Path]
    ) -> Program:
        self.asked, self.env = list(command), dict(env)
        return Program(["sh", "-c", f"exit {self.status}"], dict(env), Path("/"))


def test_the_health_check_is_asked_of_the_started_function() -> None:
    well = Answering(0)
    ask_health_check(well, "ingest", 8123, {})
    assert (well.asked, well.env) == (["python", "health.py", "http"], {"PORT": "8123"})
    with pytest.raises(ImageError, match="ingest is started"):
        ask_health_check(Answering(1), "ingest", 8123, {})


def test_sizes_are_kept_for_whoever_asks_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_images, "FIGURES", tmp_path / "build" / "images.json")
    make_images.measure(Answering(0), ["ingest", "train"], Console(quiet=True))
    kept = json.loads((tmp_path / "build" / "images.json").read_text())
    assert kept["images"] == {
        "ingest": {"megabytes": 250.4, "limit": LIMITS_MB["ingest"]},
        "train": {"megabytes": 250.4, "limit": LIMITS_MB["train"]},
    }
    assert kept["revision"]


@pytest.mark.parametrize("left", ["numpy/tests/test_a.py", "gensim/test/a.txt", "torch/include/a.h"])
def test_what_libraries_need_for_tests_and_compilers_is_found(tmp_path: Path, left: str) -> None:
    path = tmp_path / left
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(AssertionError, match=path.parent.name):
        inside.slimmed(tmp_path)


def test_what_a_build_left_is_found_but_not_what_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp" / ".cache").mkdir(parents=True)
    monkeypatch.setattr(inside, "MOUNTED", (str(tmp_path / "tmp"),))
    inside.no_cache(str(tmp_path))
    (tmp_path / "root" / ".cache").mkdir(parents=True)
    with pytest.raises(AssertionError, match=r"root has a \.cache"):
        inside.no_cache(str(tmp_path))


def test_programs_that_compile_are_found() -> None:
    assert {"gcc", "g++", "cc", "c++", "ld", "as"} <= set(UNWANTED)
    with pytest.raises(AssertionError, match="the image has sh"):
        inside.without(["absent-program", "sh"])


class Recorder(Engine):
    def build(self, target: str) -> None:
        raise AssertionError

    def config(self, target: str) -> Mapping[str, Any]:
        raise AssertionError

    def size_bytes(self, target: str) -> int:
        raise AssertionError

    def program(
        self, target: str, command: Sequence[str], env: Mapping[str, str], writable: Mapping[str, Path]
    ) -> Program:
        self.target, self.writable = target, writable
        return Program(list(command), dict(env), Path("/"))


def test_a_container_in_its_image_has_its_settings_and_no_path_of_this_machine(tmp_path: Path) -> None:
    engine, function = Recorder(), FUNCTIONS["update"]
    here = {"HOME": f"{tmp_path}/home", "RECSYS_CACHE_DIR": f"{tmp_path}/cache", "PATH": "/somewhere"}
    program = launch_from(engine)(function.container, {**function.container.env, **here})
    assert engine.target == "update"
    assert engine.writable == {"/cache": tmp_path / "cache", "/tmp": tmp_path / "home"}
    assert program.env["FUNCTION_TARGET"] == "update"
    assert not {"HOME", "RECSYS_CACHE_DIR", "PATH"} & program.env.keys()
    assert str(tmp_path) not in " ".join(program.env.values())
