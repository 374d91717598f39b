"""The ports of the local stack, each of which can be changed."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import cycle, islice

HOST = "127.0.0.1"

DEFAULT_PORTS: dict[str, int] = {
    "storefront": 8700,
    "recommend": 8701,
    "ingest": 8702,
    "update": 8703,
    "train": 8704,
    "router": 8705,
    "s3": 8710,
}
"""The ports on the loopback interface by part. `s3` is the object store."""

# Below 32768, so that Linux does not give one of these ports to a connection between the check and its use.
_BLOCKS = range(20_000, 32_000, 200)


class PortError(Exception):
    """A port is taken or unknown; the message is one line for the person who started the stack."""


def choose_ports(replacements: Iterable[str] = ()) -> dict[str, int]:
    """Returns the default ports, changed by entries `name=number`. Raises `PortError` for a wrong entry."""
    ports = dict(DEFAULT_PORTS)
    for entry in replacements:
        name, _, number = entry.partition("=")
        if name not in ports or not number.isdecimal() or not 0 < int(number) < 65536:
            raise PortError(f"port {entry!r} is not of the form name=number with a name of: {', '.join(ports)}")
        ports[name] = int(number)
    return ports


def free_ports() -> dict[str, int]:
    """Returns a free port for each part, for tests and further stacks."""
    return dict(zip(DEFAULT_PORTS, free_numbers(len(DEFAULT_PORTS)), strict=True))


def free_numbers(count: int) -> list[int]:
    """Returns `count` different free ports, which no other process gets from this function meanwhile."""
    numbers = list(islice(filter(is_free, islice(_own_block(), _BLOCKS.step)), count))
    if len(numbers) < count:
        raise PortError(f"there are not {count} free ports in a block of {_BLOCKS.step}")
    return numbers


@cache
def _own_block() -> Iterator[int]:
    """The ports of this process's block, repeated without end. The first port stays taken, which marks the block."""
    for first in random.sample(_BLOCKS, len(_BLOCKS)):
        with contextlib.suppress(OSError):
            socket.create_server((HOST, first)).detach()
            return cycle(range(first + 1, first + _BLOCKS.step))
    raise PortError(f"all blocks of ports from {_BLOCKS.start} to {_BLOCKS.stop} are in use")


def is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def require_free(ports: Mapping[str, int]) -> None:
    """Raises `PortError`, which names the port, if one of `ports` is taken."""
    for name, number in ports.items():
        if not is_free(number):
            raise PortError(
                f"port {number} for {name} is taken; stop what listens there or choose another: --port {name}=NUMBER"
            )
