"""The ports of the local stack: one table, every entry replaceable."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

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
    sockets = {name: socket.create_server((HOST, 0)) for name in DEFAULT_PORTS}
    ports = {name: server.getsockname()[1] for name, server in sockets.items()}
    for server in sockets.values():
        server.close()
    return ports


def require_free(ports: Mapping[str, int]) -> None:
    """Raises `PortError` naming the first port of `ports` on which somebody listens already."""
    for name, number in ports.items():
        try:
            socket.create_server((HOST, number)).close()
        except OSError:
            raise PortError(
                f"port {number} for {name} is taken; stop what listens there or choose another: --port {name}=NUMBER"
            ) from None
