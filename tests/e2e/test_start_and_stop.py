"""However the stack ends, nothing of it is left: no process, no listening port."""

from __future__ import annotations

import dataclasses
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.calls import StartError
from infra.local.manifest import Manifest, read_manifest
from infra.local.ports import HOST, free_ports, require_free
from infra.local.stack import ROOT, Stack
from tests.stack.test_children import IN_BACKGROUND

DEADLINE_S = 60.0


def arguments(ports: dict[str, int], directory: Path) -> list[str]:
    moved = [f"--port={name}={number}" for name, number in ports.items()]
    return [sys.executable, "-m", "infra.local", f"--directory={directory}", *moved]


def processes_of(directory: Path) -> list[psutil.Process]:
    """Every process with `directory` in its command or environment, or that writes its log there: gunicorn may give its
    processes another title, which takes the place of both."""
    found = []
    for process in psutil.process_iter():
        try:
            text = [*process.cmdline(), *process.environ().values(), *(file.path for file in process.open_files())]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(directory) in part for part in text):
            found.append(process)
    return found


def await_none(directory: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while left := processes_of(directory):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.fixture
def ports() -> dict[str, int]:
    return free_ports()


@pytest.fixture
def running(ports: dict[str, int], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m infra.local`, started as a job in the background, fully up."""
    command = [*IN_BACKGROUND, *arguments(ports, tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any("Ctrl-C ends it" in line for line in process.stdout)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_ctrl_c_ends_everything(running: subprocess.Popen[str], ports: dict[str, int], tmp_path: Path) -> None:
    assert len(processes_of(tmp_path)) >= 6
    running.send_signal(signal.SIGINT)
    assert running.wait(DEADLINE_S) == 130
    assert [process for process in processes_of(tmp_path) if process.pid != running.pid] == []
    require_free(ports)


@pytest.mark.slow(lane="stack")
def test_killing_it_outright_leaves_nothing_either(running: subprocess.Popen[str], tmp_path: Path) -> None:
    running.kill()
    running.wait()
    await_none(tmp_path)


@pytest.mark.parametrize("name", ["s3", "recommend", "router"])
def test_a_taken_port_is_one_line_that_names_it(ports: dict[str, int], tmp_path: Path, name: str) -> None:
    with socket.create_server((HOST, ports[name])):
        result = subprocess.run(arguments(ports, tmp_path), cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert str(ports[name]) in result.stdout
    assert name in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""
    assert processes_of(tmp_path) == []


@pytest.mark.slow(lane="stack")
def test_a_function_that_does_not_start_takes_the_rest_down(ports: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(StartError, match="update ended with status"), Stack(tmp_path, ports=ports, manifest=_broken()):
        pass
    assert processes_of(tmp_path) == []
    require_free(ports)


def _broken() -> Manifest:
    """The deployment with a source for update that is not there."""
    manifest = read_manifest()
    update = manifest.function("update")
    container = dataclasses.replace(update.container, env=update.container.env | {"FUNCTION_SOURCE": "absent.py"})
    broken = dataclasses.replace(update, container=container)
    functions = tuple(broken if function is update else function for function in manifest.functions)
    return dataclasses.replace(manifest, functions=functions)
