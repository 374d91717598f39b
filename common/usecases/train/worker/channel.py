"""Messages between a training and its worker, over a pair of sockets that only these two processes have."""

from __future__ import annotations

import math
import pickle
import socket
import struct
import time
from typing import Any, Final

_LENGTH: Final = struct.Struct("!Q")
_PIECE_BYTES: Final = 1 << 20


class Channel:
    """One end. A message is any object that can be pickled; pickles are never stored, and come from nobody else."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    def send(self, message: object, deadline: float = math.inf) -> None:
        """Raises `TimeoutError` at the deadline, on the clock of `time.monotonic`, and `ConnectionError` where the
        other process has ended."""
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._end.settimeout(_left_s(deadline))
        self._end.sendall(_LENGTH.pack(len(content)) + content)

    def receive(self, deadline: float = math.inf) -> Any:
        """The next message. Raises as `send`, whatever the other process does: also if it stops in mid-message."""
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size, deadline))
        return pickle.loads(self._take(length, deadline))

    def close(self) -> None:
        self._end.close()

    def _take(self, n_bytes: int, deadline: float) -> bytes:
        while len(self._received) < n_bytes:
            self._end.settimeout(_left_s(deadline))
            piece = self._end.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionResetError("the other process has ended")
            self._received += piece
        taken = bytes(self._received[:n_bytes])
        del self._received[:n_bytes]
        return taken


def _left_s(deadline: float) -> float | None:
    """Seconds until the deadline, as a socket takes them; None for no end."""
    if deadline == math.inf:
        return None
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
