"""Deadlines: one time by which all steps of a piece of work must be done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.errors import UnavailableError

T = TypeVar("T")


@dataclass(frozen=True)
class Deadline:
    """A time by this process's monotonic clock. `seconds` is what there was at the beginning."""

    until: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds, seconds)

    @property
    def left_s(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def held(self, work: Callable[[], T], what: str) -> T:
        """Returns the result of `work`, which waits for something outside.

        At the deadline it raises `UnavailableError`, which says `what` took so long, and the work goes on in a thread
        until whatever it waits for ends. So it must do nothing that a later try could not bear."""
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.left_s)
        if errors:
            raise errors[0]
        if not results:
            raise UnavailableError(f"{what} took longer than the {self.seconds:g} s of RECSYS_UPLOAD_DEADLINE_S")
        return results[0]
