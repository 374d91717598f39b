"""A worker that a fault ends is started again; one that ends otherwise ends its watcher too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common.edges.supervisor import Pauses
from tests.processes import await_gone

DEADLINE_S = 90.0

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from common.edges.supervisor import Supervisor

starts = Path(sys.argv[1])

def serve():
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    number = len(starts.read_text().splitlines())
    exec(sys.argv[2])

sys.exit(Supervisor("recommend", serve).run())
"""


def start(starts: Path, serve: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(starts), serve], stderr=subprocess.PIPE)


def pids(starts: Path) -> list[int]:
    return [int(line) for line in starts.read_text().splitlines()] if starts.exists() else []


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.01)


@pytest.mark.parametrize("fault", ["SIGBUS", "SIGSEGV", "SIGABRT"])
def test_a_worker_that_died_of_a_fault_is_started_again(tmp_path: Path, fault: str) -> None:
    with start(tmp_path / "starts", f"number > 1 or os.kill(os.getpid(), signal.{fault}); sys.exit(7)") as process:
        assert process.wait(DEADLINE_S) == 7
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert len(pids(tmp_path / "starts")) == 2
    [line] = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert (line["level"], line["function"]) == ("error", "recommend")
    assert fault in line["event"]


@pytest.mark.parametrize(
    ("serve", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('words')", 1),
        ("1 / 0", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_a_worker_that_ends_otherwise_ends_its_watcher(tmp_path: Path, serve: str, status: int) -> None:
    with start(tmp_path / "starts", serve) as process:
        assert process.wait(DEADLINE_S) == status
    assert len(pids(tmp_path / "starts")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_worker_and_is_no_fault(tmp_path: Path, number: signal.Signals) -> None:
    starts = tmp_path / "starts"
    with start(starts, "signal.pause()") as process:
        eventually(lambda: bool(pids(starts)))
        process.send_signal(number)
        assert process.wait(DEADLINE_S) != 0
    assert len(pids(starts)) == 1
    await_gone(pids(starts)[0], DEADLINE_S)


def test_a_worker_does_not_outlive_its_watcher(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    with start(starts, "signal.pause()") as process:
        eventually(lambda: bool(pids(starts)))
        process.kill()
    await_gone(pids(starts)[0], DEADLINE_S)


def test_faults_one_after_the_other_are_waited_for() -> None:
    """The first start again is at once."""
    pauses = Pauses()
    assert [pauses.after(1.0) for _ in range(7)] == [0, 1, 2, 4, 8, 16, 30]
    assert [pauses.after(60.0), pauses.after(1.0), pauses.after(1.0)] == [0, 0, 1]
