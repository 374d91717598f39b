"""What every image must do before it is worth a demo: start its function, and use what is left of its libraries."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.images.declared import declared
from infra.images.engine import Engine, ImageError
from infra.local.calls import StartError, wait_until_healthy
from infra.local.children import Children
from infra.local.manifest import read_manifest
from infra.local.ports import HOST, free_ports

INSIDE = Path(__file__).with_name("inside.py")
# Not pip: Docker's base has one for its own Python, which the environment that runs does not see.
UNWANTED = ("gcc", "g++", "cc", "c++", "ld", "as", "make")

START_S = 60.0
LIBRARIES_S = 600.0
HEALTH_S = 10.0


def check(engine: Engine, target: str) -> None:
    """Raises `ImageError`."""
    declared(target).check(target, engine.config(target))
    with _writable() as writable:
        _use_libraries(engine, target, writable)
        _start_function(engine, target, writable)


def _use_libraries(engine: Engine, target: str, writable: dict[str, Path]) -> None:
    program = engine.program(target, ["python", "-c", INSIDE.read_text(), target, *UNWANTED], {}, writable)
    result = subprocess.run(
        program.command,
        env=program.env,
        cwd=program.cwd,
        capture_output=True,
        text=True,
        timeout=LIBRARIES_S,
        check=False,
    )
    if result.stdout.splitlines()[-1:] != ["ok"]:
        raise ImageError(f"{target} does not work inside its image:\n{(result.stdout + result.stderr)[-3000:]}")


def _start_function(engine: Engine, target: str, writable: dict[str, Path]) -> None:
    port = free_ports()[target]
    command = read_manifest().function(target).container.command
    program = engine.program(target, command, {"HOST": HOST, "PORT": str(port)}, writable)
    children = Children(writable["/tmp"] / "logs")
    try:
        child = children.start(target, program.command, program.env, program.cwd)
        wait_until_healthy(target, f"http://{HOST}:{port}/healthz", child, children.log(target), START_S)
        ask_health_check(engine, target, port, writable)
    except StartError as error:
        raise ImageError(str(error)) from None
    finally:
        children.stop()


def ask_health_check(engine: Engine, target: str, port: int, writable: dict[str, Path]) -> None:
    """As the engine would, of the function that runs."""
    program = engine.program(target, declared(target).health_command, {"PORT": str(port)}, writable)
    if subprocess.run(program.command, env=program.env, cwd=program.cwd, timeout=HEALTH_S, check=False).returncode != 0:
        raise ImageError(f"{target} is started, and its health check says that it is not well")


@contextmanager
def _writable() -> Iterator[dict[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="recsys-image-") as directory:
        mounts = {path: Path(directory) / path.strip("/") for path in ("/cache", "/tmp")}
        for path in mounts.values():
            path.mkdir()
            path.chmod(0o777)
        yield mounts
