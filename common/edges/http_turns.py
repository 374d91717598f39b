"""Turns for questions that find the items of a new filter: outside the event loop, and few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from common.errors import Busy

T = TypeVar("T")

AT_ONCE: Final = 2
"""Filters that one worker works on at a time. Each takes a core while it lasts, and memory of DuckDB."""

MAX_WAITING: Final = 32
WAIT_S: Final = 3.0


class Turns:
    """Threads for costly work, of which `at_once` run at a time. Belongs to one event loop."""

    def __init__(self, at_once: int = AT_ONCE, max_waiting: int = MAX_WAITING, wait_s: float = WAIT_S) -> None:
        self._threads = ThreadPoolExecutor(at_once, "filter")
        self._free = asyncio.Semaphore(at_once)
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work` in a thread. Raises what it raises, and `Busy` if its turn does not come in time."""
        await self._turn()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._free.release()

    async def _turn(self) -> None:
        if self._waiting >= self._max_waiting:
            raise Busy("too many requests with filters that nobody has asked before wait: try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(
                f"other requests with filters that nobody has asked before took longer than {self._wait_s:g} s: "
                "try again later"
            ) from None
        finally:
            self._waiting -= 1
