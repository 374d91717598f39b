"""`python -m tests.lanes run` on lanes of a test's own: what fails a run, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lanes.result import read_tally
from tests.lanes.table import ROOT
from tests.processes import await_gone, gone
from tests.stack.test_children import IN_BACKGROUND

CASES = """
import pytest

@pytest.mark.slow(lane="half")
def test_passes():
    pass

@pytest.mark.slow(lane="half")
@pytest.mark.skip(reason="no engine")
def test_is_skipped():
    pass

@pytest.mark.slow(lane="whole")
@pytest.mark.skip(reason="no engine")
def test_is_skipped_too():
    pass

@pytest.mark.slow(lane="red")
def test_fails():
    assert False
"""
LEAVES_A_SERVER = "sh -c 'setsid sleep 600 & echo $! > server'"
STAYS_WITH_A_SERVER = "sh -c 'setsid sleep 600 & echo $!; sleep 600'"
DEADLINE_S = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.lanes", "run", *arguments, "--table", "lanes.toml"]


@pytest.fixture
def environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI_DAY": "3"}
    return {**os.environ, **own}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow(lane)\n")
    (tmp_path / "test_cases.py").write_text(CASES)
    return tmp_path


def run(environment: dict[str, str], table: str, *arguments: str) -> tuple[int, str]:
    """The exit status and all that was said."""
    Path("lanes.toml").write_text(table)
    result = subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert result.stderr == ""
    return result.returncode, result.stdout


def row(lane: str, said: str) -> list[str]:
    """The cells of a lane in the table at the end."""
    [line] = [line for line in said.splitlines() if line.startswith(f"│ {lane} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_lanes_that_pass(environment: dict[str, str]) -> None:
    status, said = run(environment, 'fast = { minutes = 1, run = "true" }\nhalf = { minutes = 1 }\n')
    assert status == 0
    assert "1 passed, 1 skipped, 2 deselected" in said
    assert row("fast", said)[2:] == ["1", "–", "–", "–", "passed"]
    assert row("half", said)[2:] == ["1", "2", "0", "1", "passed"]
    assert "skipped in half: 1 × no engine" in said


def test_whatever_does_not_pass_fails_the_run_by_name_and_the_others_are_run(environment: dict[str, str]) -> None:
    lanes = ['stuck = { minutes = 0.001, run = "sleep 600" }', "wrong = { minutes = 1, run = \"sh -c 'exit 7'\" }"]
    lanes += [f"{name} = {{ minutes = 1 }}" for name in ("red", "whole", "empty", "half")]
    status, said = run(environment, "\n".join(lanes))
    assert status == 1
    assert [line for line in said.splitlines() if line.startswith("lane ") and "pytest" not in line][2:] == [
        "lane stuck: did not end within 0.00175 minutes",
        "lane wrong: failed with exit status 7",
        "lane red: failed with exit status 1",
        "lane whole: every test was skipped",
        "lane empty: failed with exit status 5",
    ]
    assert row("red", said)[3:] == ["1", "1", "0", "FAILED WITH EXIT STATUS 1"]
    assert row("half", said)[-1] == "passed"


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsuite tests="])
def test_a_report_that_pytest_was_killed_over_counts_nothing(directory: Path, text: str | None) -> None:
    report = directory / "half.xml"
    if text is not None:
        report.write_text(text)
    assert read_tally(report) is None


def test_what_is_not_due_is_not_run(environment: dict[str, str]) -> None:
    table = 'odd = { minutes = 1, every = 2, on = 1, run = "true" }\neven = { minutes = 1, every = 2, run = "false" }\n'
    status, said = run(environment, table)
    assert status == 0
    assert "odd" in said
    assert "even" not in said


@pytest.mark.parametrize(("wanted", "status"), [("due", 0), ("all", 0), ("eval", 1), ("nothing", 2)])
def test_a_lane_whose_data_are_absent_is_named(environment: dict[str, str], wanted: str, status: int) -> None:
    ended, said = run(environment, 'eval = { minutes = 1, run = "false", needs = "data" }\n', wanted)
    assert ended == status
    if status < 2:
        assert row("eval", said)[-1] == "not here: no data"


def test_what_a_lane_has_left_running_is_ended(environment: dict[str, str]) -> None:
    status, _ = run(environment, f'fast = {{ minutes = 1, run = """{LEAVES_A_SERVER}""" }}')
    assert status == 0
    assert gone(int(Path("server").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_nothing(environment: dict[str, str], number: signal.Signals) -> None:
    Path("lanes.toml").write_text(f'fast = {{ minutes = 1, run = """{STAYS_WITH_A_SERVER}""" }}')
    process = subprocess.Popen([*IN_BACKGROUND, *command()], env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        server = next(int(line) for line in process.stdout if line.strip().isdigit())
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 128 + number
    await_gone(server, DEADLINE_S)


def test_who_does_not_heed_ctrl_c_is_killed(environment: dict[str, str]) -> None:
    stubborn = 'trap "" INT; while :; do sleep 600; done'
    program = (
        f"from tests.lanes.bounded import run; import os; print(run(['sh', '-c', {stubborn!r}], os.environ, 0.1, 0.1))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
