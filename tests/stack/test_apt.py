"""When the Makefile installs packages of the system, and what it says where it does not. apt-get and id are stand-ins:
the real ones would install, as whoever runs the tests."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "apt.sh"
INSTALLS = "update -qq\ninstall -y -qq --no-install-recommends chromium php-cli\n"
TO_RUN = "apt-get update && apt-get install --no-install-recommends chromium php-cli\n"


class Machine:
    """A user's machine with a terminal: no container, no CI, apt-get there, root at work."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.installed = directory / "installed"
        self.environment = {"PATH": str(directory / "bin"), "CONTAINER_FILES": str(directory / "container")}
        (directory / "bin").mkdir()
        self.program("apt-get", f'echo "$*" >>{self.installed}')
        self.program("id", "echo 0")

    def program(self, name: str, body: str) -> None:
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """`typed` is what somebody answers at a terminal; None: there is no terminal."""
        command = ["/bin/sh", str(SCRIPT), "chromium", "php-cli"]
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, (typed or "").encode())
            stdin = subprocess.DEVNULL if typed is None else terminal
            return subprocess.run(
                command, env=self.environment, stdin=stdin, capture_output=True, text=True, timeout=30, check=False
            )
        finally:
            os.close(keyboard)
            os.close(terminal)

    def what_apt_did(self) -> str:
        return self.installed.read_text() if self.installed.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def in_ci(machine: Machine) -> None:
    machine.environment["CI"] = "true"


def in_a_container(machine: Machine) -> None:
    (machine.directory / "container").touch()


@pytest.mark.parametrize("place", [in_ci, in_a_container])
def test_where_nobody_is_there_to_be_asked_it_installs(machine: Machine, place: Callable[[Machine], None]) -> None:
    place(machine)
    result = machine.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert machine.what_apt_did() == INSTALLS


@pytest.mark.parametrize("typed", ["y\n", "Y\n"])
def test_at_a_terminal_it_asks_and_installs_on_yes(machine: Machine, typed: str) -> None:
    result = machine.run(typed)
    assert "chromium php-cli. Install them as root with apt-get? [y/N]" in result.stderr
    assert result.returncode == 0
    assert machine.what_apt_did() == INSTALLS


@pytest.mark.parametrize("typed", ["n\n", "\n", "yes, no\n", "\x04"])
def test_any_other_answer_installs_nothing(machine: Machine, typed: str) -> None:
    result = machine.run(typed)
    assert result.returncode == 1
    assert result.stderr.endswith(f"  {TO_RUN}")
    assert machine.what_apt_did() == ""


@pytest.mark.parametrize("ci", ["", "false"])
def test_without_a_terminal_it_installs_nothing_and_says_what_to_run(machine: Machine, ci: str) -> None:
    machine.environment["CI"] = ci
    result = machine.run()
    assert result.returncode == 1
    assert result.stderr == f"Not installed: chromium php-cli. Run:\n  {TO_RUN}"
    assert machine.what_apt_did() == ""


@pytest.mark.parametrize("place", [None, in_ci, in_a_container])
def test_who_is_not_root_is_given_the_command_with_sudo(
    machine: Machine, place: Callable[[Machine], None] | None
) -> None:
    if place:
        place(machine)
    machine.program("id", "echo 1000")
    result = machine.run("y\n")
    assert result.returncode == 1
    assert result.stderr.endswith(f"  sudo {TO_RUN.replace('&& ', '&& sudo ')}")
    assert machine.what_apt_did() == ""


def test_another_system_is_told_what_is_missing(machine: Machine) -> None:
    (machine.directory / "bin" / "apt-get").unlink()
    result = machine.run("y\n")
    assert result.returncode == 1
    assert "no apt-get here" in result.stderr
    assert "chromium php-cli" in result.stderr


def test_a_failure_of_apt_is_one_of_the_command(machine: Machine) -> None:
    in_ci(machine)
    machine.program("apt-get", "exit 100")
    assert machine.run().returncode == 100


def test_the_makefile_knows_no_other_way() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert len(re.findall(r"infra/apt\.sh ", makefile)) >= 4
    assert "apt-get" not in makefile
