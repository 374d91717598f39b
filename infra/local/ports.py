"""The ports of the local stack: one table, every entry replaceable."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping
from itertools import islice

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

# The system takes a connection's own port from 32768 on (Linux) or higher, between our look and our use.
_BELOW_EPHEMERAL = range(20_000, 32_000)


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
    """Different ports that nobody listens on just now."""
    candidates = random.sample(_BELOW_EPHEMERAL, len(_BELOW_EPHEMERAL))
    return list(islice(filter(is_free, candidates), count))


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
