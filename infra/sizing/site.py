"""The deployment for a measurement: an object store, and the functions of template.yaml, one at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.bucket.s3 import S3Bucket
from common.edges.wiring import make_context
from common.usecases.operate.setup import setup
from common.usecases.shared.context import Context
from infra.local.calls import call, wait_until_healthy
from infra.local.children import Children
from infra.local.credentials import Credentials
from infra.local.environment import Environment
from infra.local.launch import launch_here
from infra.local.manifest import Manifest, read_manifest
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST, free_ports
from infra.sizing.watch import Cost, Watch

JOB_S: Final = 3600.0
"""Seconds after which a job is ended, even if its own deadline is later."""
_START_S: Final = 60.0
_POLL_S: Final = 0.05


class SizingError(Exception):
    """A shop of this size cannot be measured; the message says which step failed."""


@dataclass(frozen=True)
class Running:
    """A running function: its `url`, its process `group`, and the seconds until it was healthy."""

    name: str
    url: str
    group: int
    start_s: float


class Site:
    """The deployment, with all data under `directory`. Each function has its own cache, as a pod has."""

    def __init__(self, directory: Path, environment: Environment) -> None:
        self.directory = directory
        self.environment = environment
        self.manifest: Manifest = environment.manifest
        self.ctx: Context = make_context(environment.of_operator())
        setup(self.ctx, S3Bucket.from_settings(self.ctx.settings), rules=[])

    def upload(self, prefix: str, path: Path) -> str:
        """Uploads the file under `prefix` and returns its key."""
        key = f"{prefix}{path.name}"
        self.ctx.bucket.put(key, path)
        return key

    @contextmanager
    def function(self, name: str) -> Iterator[Running]:
        function = self.manifest.function(name)
        port = free_ports()[name]
        env = self.environment.of(name, function.container) | {"HOST": HOST, "PORT": str(port)}
        program = launch_here(function.container, env)
        with _children(self.directory / "logs") as children:
            started = time.monotonic()
            child = children.start(name, program.command, program.env, program.cwd)
            url = f"http://{HOST}:{port}"
            wait_until_healthy(name, f"{url}/healthz", child, children.log(name), _START_S)
            yield Running(name, url, child.pid, time.monotonic() - started)

    def trigger(self, function: Running, key: str | None = None) -> dict[str, Any]:
        """Calls the function with a bucket event about `key`, or without one, and returns the record of its run.

        Raises `SizingError` if the call or the run fails."""
        token = self.environment.secret("RECSYS_TRIGGER_TOKEN")
        timeout_s = self.manifest.function(function.name).timeout_s
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = call("POST", function.url, body=self._event(key), headers=headers, timeout_s=timeout_s)
        what = f"{function.name}{f' of {key}' if key else ''}"
        if answer is None:
            raise SizingError(f"{what} did not answer within its {timeout_s} s, or its process ended")
        if answer.status != 200:
            raise SizingError(f"{what} answered {answer.status}: {answer.body[:300].decode(errors='replace')}")
        [record] = answer.json()["runs"]
        if record["state"] != "done":
            raise SizingError(f"{what} ended as {record['state']}: {record['error']}")
        return dict(record)

    def job(self, name: str, command: Sequence[str]) -> Cost:
        """Runs `command` as CronJob `name`, and returns its cost. Raises `SizingError` if it fails."""
        [job] = [job for job in self.manifest.jobs if job.name == name]
        program = launch_here(job.container, self.environment.of(name, job.container))
        deadline = time.monotonic() + min(job.deadline_s, JOB_S)
        with _children(self.directory / "logs") as children:
            child = children.start(name, [program.command[0], *command], program.env, program.cwd)
            with Watch(child.pid) as watch:
                while child.poll() is None and time.monotonic() < deadline:
                    time.sleep(_POLL_S)
            if child.poll() != 0:
                raise SizingError(f"{name} {_outcome(child.poll())}: {_last_line(children.log(name))}")
        return watch.cost

    def _event(self, key: str | None) -> bytes | None:
        if key is None:
            return None
        bucket = {"name": self.ctx.settings.bucket}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": bucket, "object": {"key": key}}}
        return json.dumps({"Records": [record]}).encode()


@contextmanager
def open_site(directory: Path) -> Iterator[Site]:
    manifest = read_manifest()
    credentials = Credentials(directory / "secrets.json")
    credentials.ensure(manifest.secret_refs())
    with ObjectStore(directory / "object-store") as store:
        yield Site(directory, Environment(manifest, directory, credentials, store, "http://127.0.0.1"))


@contextmanager
def _children(logs: Path) -> Iterator[Children]:
    children = Children(logs)
    try:
        yield children
    finally:
        children.stop()


def _outcome(status: int | None) -> str:
    return "was ended after its deadline" if status is None else f"ended with status {status}"


def _last_line(log: Path) -> str:
    return next((line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "no output")
