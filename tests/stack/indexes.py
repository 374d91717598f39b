"""Indexes of packages on this machine, and small wheels for them."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOWHERE = "http://127.0.0.1:1"
"""A proxy that refuses at once whatever is asked of an index on the internet."""


def make_wheel(
    directory: Path, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    required = [f"Requires-Dist: {one}" for one in requires]
    contents = {
        **files,
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *required]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in contents.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*contents, f"{info}/RECORD"]))
    return path


def index_of(directory: Path, *wheels: Path, with_hashes: bool = False) -> Path:
    """The files of an index with these wheels: of each package a page of links, with the files' hashes or without."""
    (directory / "simple").mkdir(parents=True)
    for wheel in wheels:
        package = directory / "simple" / wheel.name.split("-")[0].replace("_", "-")
        package.mkdir(exist_ok=True)
        (package / wheel.name).hardlink_to(wheel)
        fragment = f"#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}" if with_hashes else ""
        with (package / "index.html").open("a") as page:
            page.write(f'<a href="{wheel.name}{fragment}">{wheel.name}</a>\n')
    return directory


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """URL of the index in `directory`."""

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


def empty_environment(directory: Path) -> Path:
    """Its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory / "bin" / "python"


def run(command: list[str | Path], home: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """With `settings` and no other of pip's: in the place of this machine's files there is an empty one."""
    quick = {"PIP_RETRIES": "0", "https_proxy": NOWHERE, "no_proxy": "127.0.0.1"}
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, **quick, **settings}
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True, cwd=home)
