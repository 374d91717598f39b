"""What the Containerfile promises, and the parts that build and run images. `make images` builds them for real."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.images.__main__ import LIMITS_MB
from infra.images.demo import launch_from
from infra.images.engine import CONTAINERFILE, TARGETS, USER, Engine
from infra.images.pip_settings import paths_in, read_pip_settings, settings_of
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
    kind = "tcp" if FUNCTIONS[target].concurrency == 1 else "http"
    assert re.search(rf'^HEALTHCHECK .* CMD \["python", "health.py", "{kind}"\]$', stage, flags=re.M)
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
        command = [sys.executable, CONTAINERFILE.with_name("health.py"), kind]
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


class Recorder(Engine):
    def build(self, target: str) -> None:
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
