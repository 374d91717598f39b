"""A token bucket for each client address, for deployments without a gateway that limits requests."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST_S: Final = 4.0
"""Seconds' worth of requests that an address may send at once: the first page of a visit asks for several lists."""

MAX_ADDRESSES: Final = 65_536
"""Addresses that are remembered, about 10 MB. The one that was silent for longest is forgotten: its bucket is full."""


class RateLimit:
    """`per_s` requests a second for each address, and `BURST_S` seconds' worth of them at once."""

    def __init__(self, per_s: float, trusted_proxies: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._trusted_proxies = trusted_proxies
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, peer: str, forwarded_for: bytes | None) -> float:
        """Takes a token, and returns 0; without one left, the seconds until there is one."""
        address = self._address(peer, forwarded_for)
        now, most = self._clock(), self._per_s * BURST_S
        tokens, since = self._buckets.pop(address, (most, now))
        tokens = min(most, tokens + (now - since) * self._per_s)
        granted = tokens >= 1
        self._buckets[address] = (tokens - 1 if granted else tokens, now)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if granted else (1 - tokens) / self._per_s

    def _address(self, peer: str, forwarded_for: bytes | None) -> str:
        """The last address that a trusted proxy has added. Everything to the left of it is the client's own claim."""
        if not self._trusted_proxies or not forwarded_for:
            return peer
        hops = forwarded_for.decode("latin-1").split(",")
        return hops[-self._trusted_proxies].strip()[:64] if len(hops) >= self._trusted_proxies else peer
