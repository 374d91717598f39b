"""What benchmarks of running functions share: a bucket, an environment, and processes of one core each."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.bucket.s3 import S3Bucket
from common.config import read_settings
from infra.local.calls import wait_until_healthy
from infra.local.children import Children
from infra.local.launch import Program, launch_here
from infra.local.manifest import Container, read_manifest
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST, free_ports
from tests.conftest import s3_bucket

ROOT = Path(__file__).parents[2]
BUCKET = "bench"
TRIGGER_TOKEN = "token-of-the-benchmark"
SERVER_CORE = 0
START_S = 120.0
RECOMMEND, TRAIN, EMPTY = "recommend", "train", "empty"
_EMPTY = Container(
    image="",
    command=("functions-framework",),
    env={"FUNCTION_TARGET": "empty", "FUNCTION_SOURCE": "tests/bench/empty_function.py"},
    secrets={},
)


@dataclass(frozen=True)
class Bench:
    """A temporary directory, an empty bucket on a real S3 server, and the settings of functions that use them."""

    directory: Path
    bucket: S3Bucket
    environment: dict[str, str]

    def new_bucket(self, name: str) -> S3Bucket:
        """Another bucket of the same server; `RECSYS_BUCKET` names it to a function."""
        bucket = S3Bucket.from_settings(read_settings(self.settings | {"RECSYS_BUCKET": name}))
        bucket.create()
        return bucket

    @property
    def settings(self) -> dict[str, str]:
        """The product's own variables: what `make_context` takes."""
        return {name: value for name, value in self.environment.items() if name.startswith("RECSYS_")}


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as name, ObjectStore() as store:
        bucket = s3_bucket(store, BUCKET)
        bucket.create()
        yield Bench(Path(name), bucket, environment(store, Path(name)))


def environment(store: ObjectStore, directory: Path) -> dict[str, str]:
    """All variables of a function's process, one thread each as template.yaml has it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "WORKERS": "1",
        "RECSYS_BUCKET": BUCKET,
        "RECSYS_S3_ENDPOINT": store.endpoint,
        "RECSYS_S3_ACCESS_KEY": store.access_key,
        "RECSYS_S3_SECRET_KEY": store.secret_key,
        "RECSYS_PSEUDONYM_KEY": secrets.token_hex(32),
        "RECSYS_TOKEN_KEY": secrets.token_hex(32),
        "RECSYS_TRIGGER_TOKEN": TRIGGER_TOKEN,
        "RECSYS_CACHE_DIR": str(directory / "cache"),
    }


class Servers:
    """Processes that listen on ports of their own between `with` and its end."""

    def __init__(self, logs: Path) -> None:
        self._children = Children(logs)

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._children.stop()

    def function(self, name: str, env: Mapping[str, str], core: int | None = SERVER_CORE) -> int:
        """The port of a function, once it answers; recommend has opened its bundle then. A `core` of None leaves it all
        cores."""
        program = function_program(name, env)
        path = "/v1/recommendations" if name == RECOMMEND else "/healthz"
        return self.serve(name, program.command, program.env, path, core)

    def serve(
        self, name: str, command: Sequence[str], env: Mapping[str, str], path: str, core: int | None = SERVER_CORE
    ) -> int:
        """The port of a server, once `path` answers below 500."""
        port = next(iter(free_ports().values()))
        child = self._children.start(name, pinned(command, core), {**env, **listening_on(port)}, ROOT)
        wait_until_healthy(name, f"http://{HOST}:{port}{path}", child, self._children.log(name), START_S)
        return port

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def worker_pid(self, name: str) -> int:
        return worker_pid(self.pid(name))


def function_program(name: str, env: Mapping[str, str]) -> Program:
    """A function as template.yaml starts it, or the empty one."""
    container = _EMPTY if name == EMPTY else read_manifest().function(name).container
    own = {key: value for key, value in container.env.items() if key.startswith("FUNCTION_")}
    return launch_here(container, {**own, **env})


def listening_on(port: int) -> dict[str, str]:
    """Where functions listen, and uvicorn's command line."""
    return {"HOST": HOST, "PORT": str(port), "UVICORN_HOST": HOST, "UVICORN_PORT": str(port)}


def tool(name: str) -> str:
    """The path of a program that lies beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    return list(command) if core is None else ["taskset", "-c", str(core), *command]


def client_cores() -> AbstractContextManager[None]:
    """Keeps this process, which generates the load, and what it starts unpinned, off the server's core."""
    everywhere = os.sched_getaffinity(0)
    return _on(everywhere - {SERVER_CORE} or everywhere)


def server_core() -> AbstractContextManager[None]:
    """For what is measured in this process itself."""
    return _on({SERVER_CORE})


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def worker_pid(pid: int) -> int:
    """The process that serves: what was started watches over it."""
    children = psutil.Process(pid).children(recursive=True)
    return next((child.pid for child in children if not child.children()), pid)


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that is no mapped file: `Anonymous` of its smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Anonymous:")).split()[1]) * 1024
