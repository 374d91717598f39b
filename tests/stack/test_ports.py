from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.ports import DEFAULT_PORTS, HOST, PortError, choose_ports, free_ports, require_free

ROOT = Path(__file__).parents[2]


def test_a_port_can_be_replaced_and_the_others_stay() -> None:
    ports = choose_ports(["s3=9000", "recommend=9001"])
    assert ports == DEFAULT_PORTS | {"s3": 9000, "recommend": 9001}


@pytest.mark.parametrize("entry", ["nobody=9000", "s3=", "s3=70000", "s3=-1", "9000"])
def test_a_wrong_replacement_is_refused_with_the_names(entry: str) -> None:
    with pytest.raises(PortError, match="recommend"):
        choose_ports([entry])


def test_a_taken_port_is_named_in_one_line() -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(PortError) as caught:
            require_free({"recommend": taken})
    message = str(caught.value)
    assert f"{taken}" in message
    assert "recommend" in message
    assert "\n" not in message


def test_free_ports_are_free() -> None:
    require_free(free_ports())


def test_two_processes_are_given_different_ports() -> None:
    command = [sys.executable, "-c", "from infra.local.ports import free_numbers; print(free_numbers(100)); input()"]
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        numbers = [process.stdout.readline() for process in (one, other) if process.stdout]
        for process in (one, other):
            process.communicate("\n")
    first, second = (set(json.loads(line)) for line in numbers)
    assert len(first) == len(second) == 100
    assert not first & second
