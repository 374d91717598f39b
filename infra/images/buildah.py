"""Images by buildah, which needs no engine and no registry, and commands in them by bubblewrap."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from infra.images.bases import PACKAGES, make_base
from infra.images.engine import CONTAINERFILE, USER, Engine, ImageError, revision, run, torch_index
from infra.images.pip_settings import PipSettings
from infra.local.launch import Program


class Buildah(Engine):
    """Everything is under `directory`: bases, images and one unpacked copy of each image.

    Bases are made once; for newer packages of Debian, remove the directory.
    """

    def __init__(self, directory: Path, pip: PipSettings) -> None:
        self._directory = directory
        self._pip = pip
        self.root = cache(self._unpack)

    def build(self, target: str) -> None:
        for base in PACKAGES:
            self._make_base(base)
        mounts = [f"--volume={path}:{path}:ro" for path in self._pip.paths]
        self._build(
            target,
            CONTAINERFILE.parents[2],
            *("--file", str(CONTAINERFILE), "--target", target, f"--ignorefile={CONTAINERFILE}.dockerignore"),
            *(f"--build-arg={name.upper()}={_name(name)}" for name in PACKAGES),
            f"--build-arg=REVISION={revision()}",
            *torch_index(),
            *(f"--secret=id=pip,src={self._pip.file}", *mounts),
        )

    def size_bytes(self, target: str) -> int:
        kilobytes = run(["du", "-skx", self.root(target)], what=f"measuring {target}").split()[0]
        return int(kilobytes) << 10

    def config(self, target: str) -> Mapping[str, Any]:
        inspected = json.loads(self._run("inspect", "--type", "image", _name(target), what=f"reading {target}"))
        config: dict[str, Any] = inspected["Docker"]["config"]
        return config

    def program(
        self, target: str, command: Sequence[str], env: Mapping[str, str], writable: Mapping[str, Path]
    ) -> Program:
        config = self.config(target)
        confined = [
            *("--unshare-user", "--uid", str(USER), "--gid", str(USER), "--cap-drop", "ALL"),
            *("--unshare-pid", "--unshare-ipc", "--die-with-parent"),
            *("--ro-bind", str(self.root(target)), "/", "--proc", "/proc", "--dev", "/dev"),
        ]
        mounts = [word for path, directory in writable.items() for word in ("--bind", str(directory), path)]
        full = [_bubblewrap(), *confined, *mounts, "--chdir", config["WorkingDir"], *command]
        image_env = dict(entry.split("=", 1) for entry in config["Env"])
        return Program(full, image_env | dict(env), Path("/"))

    def _make_base(self, name: str) -> None:
        if self._run("images", "--quiet", "--filter", f"reference={_name(name)}", what="looking for bases").strip():
            return
        directory = self._directory / name
        tar = make_base(name, directory)
        (directory / "Containerfile").write_text(f"FROM scratch\nADD {tar.name} /\n")
        self._build(name, directory, "--file", str(directory / "Containerfile"))
        tar.unlink()

    def _unpack(self, target: str) -> Path:
        container = f"unpacked-{target}"
        if self._run("ps", "--quiet", "--all", "--filter", f"name={container}", what="looking at containers").strip():
            self._run("rm", container, what=f"removing the earlier {target}")
        self._run("from", "--name", container, "--pull-never", _name(target), what=f"unpacking {target}")
        return Path(self._run("mount", container, what=f"unpacking {target}").strip())

    def _build(self, name: str, context: Path, *options: str) -> None:
        # Docker's format, because OCI's knows no health check.
        common = ("--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", _name(name))
        self._run("build", *common, *options, str(context), what=f"building {name}")

    def _run(self, command: str, *arguments: str, what: str) -> str:
        # Without a kernel's overlay file system, which a container has not always: whole copies instead of layers.
        storage = ["--root", self._directory / "storage", "--runroot", self._directory / "run"]
        return run(["buildah", *storage, "--storage-driver", "vfs", command, *arguments], what=what)


def _bubblewrap() -> str:
    found = shutil.which("bwrap", path=os.defpath)
    if found is None:
        raise ImageError("commands in images need bubblewrap: apt-get install bubblewrap")
    return found


def _name(name: str) -> str:
    return f"localhost/recsys-lite/{name}"
