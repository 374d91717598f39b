"""No process that the stack starts outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.children import Children
from tests.processes import await_gone, gone

DEADLINE_S = 20.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
WITH_GRANDCHILD = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
PARENT = """
import os, sys, time
from pathlib import Path
from infra.local.children import Children, end_on_signals
end_on_signals()
children = Children(Path(sys.argv[1]))
child = children.start("sleeper", ["sleep", "600"], dict(os.environ), Path("/"))
print(child.pid, flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    sys.exit(130)
"""
IN_BACKGROUND = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
"""Starts what follows as a shell starts a job with `&`: with SIGINT ignored."""


def await_line(log: Path) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"{log} stays empty"
        time.sleep(0.02)
    return log.read_text().strip()


def test_a_child_that_ignores_sigterm_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.children.GRACE_S", 0.2)
    children = Children(tmp_path)
    child = children.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ, tmp_path)
    assert await_line(children.log("stubborn")) == "up"
    children.stop()
    assert gone(child.pid)


def test_grandchildren_end_with_the_group(tmp_path: Path) -> None:
    children = Children(tmp_path)
    children.start("family", [sys.executable, "-c", WITH_GRANDCHILD], os.environ, tmp_path)
    grandchild = int(await_line(children.log("family")))
    children.stop()
    await_gone(grandchild, DEADLINE_S)


def test_nothing_starts_after_the_stop(tmp_path: Path) -> None:
    children = Children(tmp_path)
    children.stop()
    with pytest.raises(RuntimeError, match="late"):
        children.start("late", ["sleep", "600"], os.environ, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_children_end_with_a_parent_that_is_signalled(tmp_path: Path, number: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    command = [*IN_BACKGROUND, sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.send_signal(number)
        parent.wait(DEADLINE_S)
    await_gone(child, DEADLINE_S)
