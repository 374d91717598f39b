"""The ports of the local stack: one table, every entry replaceable."""

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
"""What listens where on the loopback interface. `s3` is the object store."""

# Below 32768, from where Linux takes the ports of connections: between our look and our use it could take one of these.
_BLOCKS = range(20_000, 32_000, 200)


class PortError(Exception):
    """A port is taken or unknown; the message is one line for the person who started the stack."""


def choose_ports(replacements: Iterable[str] = ()) -> dict[str, int]:
    """The table with `name=number` entries of `replacements` in place. Raises `PortError`."""
    ports = dict(DEFAULT_PORTS)
    for entry in replacements:
        name, _, number = entry.partition("=")
        if name not in ports or not number.isdecimal() or not 0 < int(number) < 65536:
            raise PortError(f"port {entry!r} is not of the form name=number with a name of: {', '.join(ports)}")
        ports[name] = int(number)
    return ports


def free_ports() -> dict[str, int]:
    """The table with ports that nobody listens on just now, for tests and second stacks."""
    return dict(zip(DEFAULT_PORTS, free_numbers(len(DEFAULT_PORTS)), strict=True))


def free_numbers(count: int) -> list[int]:
    """Different ports that nobody listens on just now, and that no other process is given meanwhile."""
    numbers = list(islice(filter(is_free, islice(_own_block(), _BLOCKS.step)), count))
    if len(numbers) < count:
        raise PortError(f"there are not {count} free ports in a block of {_BLOCKS.step}")
    return numbers


@cache
def _own_block() -> Iterator[int]:
    """A block of ports over and over. Its first stays taken as long as this process lives, which marks the block."""
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
    """Raises `PortError` naming the first port of `ports` on which somebody listens already."""
    for name, number in ports.items():
        if not is_free(number):
            raise PortError(
                f"port {number} for {name} is taken; stop what listens there or choose another: --port {name}=NUMBER"
            )
