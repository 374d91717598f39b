"""A PostgreSQL server for a test, from the Debian package (`make postgres`)."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql")
OWNER = "postgres"
"""The user that the package makes. The server refuses to run as root."""


class Postgres:
    """Runs while the context is open, on a port of its own, with a fresh cluster; `url` is SQLAlchemy's."""

    def __enter__(self) -> Postgres:
        self._programs = max(PROGRAMS.glob("*/bin"))
        self._directory = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(self._directory, owner.pw_uid, owner.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://{OWNER}@127.0.0.1:{port}/postgres"
        self._run("initdb", "--username", OWNER, "--auth", "trust", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "--options", options, "--log", str(self._directory / "log"))
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")
        shutil.rmtree(self._directory)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "--pgdata", str(self._directory / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "--user", OWNER, "--", *command]
        # Not captured: the server would inherit the pipe and hold it open.
        subprocess.run(command, check=True, timeout=60, cwd="/", stdout=subprocess.DEVNULL)
