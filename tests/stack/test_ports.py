from __future__ import annotations

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


ASK_TWICE = """
from infra.local import ports
ports._BLOCKS = range(19_000, 19_200, 200)  # one block
print(next(ports._own_block.__wrapped__()))
ports._own_block.__wrapped__()
"""


def test_a_block_of_ports_is_given_once() -> None:
    """In a process of its own, as a block stays taken as long as its process lives."""
    asked = subprocess.run([sys.executable, "-c", ASK_TWICE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.stdout == "19001\n"
    assert "PortError: all blocks of ports from 19000 to 19200 are in use" in asked.stderr
