"""Bases made of Debian's packages by mmdebstrap, where no registry of images can be pulled from.

They come from this machine's own package sources, so they are of this machine's release of Debian and its Python.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.images.engine import ImageError

PACKAGES = {
    "base": ("python3-minimal", "libpython3-stdlib", "libstdc++6", "usr-is-merged"),
    "builder": ("python3", "python3-pip", "python3-dev", "gcc", "ca-certificates"),
}
# Without it Debian's packages of bookworm bring the tool that merges /usr, and all of Perl for it.
_MERGED_USR = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
_KEPT = "/usr/share/doc/*/copyright"


def make_base(name: str, directory: Path) -> Path:
    """The file system as a tar file; one that was made before is taken again. Raises `ImageError`."""
    tar = directory / f"{name}.tar"
    if not tar.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = tar.with_suffix(".part.tar")
        _bootstrap(PACKAGES[name], part)
        part.replace(tar)
    return tar


def _bootstrap(packages: tuple[str, ...], tar: Path) -> None:
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command = [
        *("mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(packages)}"),
        _MERGED_USR,
        *excluded,
        f"--dpkgopt=path-include={_KEPT}",
        *(_release(), str(tar), "-"),
    ]
    try:
        result = subprocess.run(command, input=_sources(), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError("local bases are made by mmdebstrap, which is not installed") from None
    if result.returncode != 0:
        raise ImageError(f"mmdebstrap failed with status {result.returncode}:\n{result.stderr[-2000:]}")


def _release() -> str:
    lines = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    if lines.get("ID") != "debian":
        raise ImageError("local bases are made of Debian's packages, and this machine does not run Debian")
    return lines["VERSION_CODENAME"].strip('"')


def _sources() -> str:
    """apt's sources, both kinds of files; one kind at a time is what mmdebstrap reads."""
    files = {kind: "\n".join(_read(kind)) for kind in (".sources", ".list")}
    return files[".sources"] or files[".list"]


def _read(kind: str) -> Iterator[str]:
    etc = Path("/etc/apt")
    for path in sorted([*etc.glob(f"sources{kind}"), *etc.glob(f"sources.list.d/*{kind}")]):
        yield path.read_text()
