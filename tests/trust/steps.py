"""Every step of a piece of work: each call that it makes of the bucket, and a death or a lost answer there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.bucket.port import Bucket
from common.errors import UnavailableError
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, T
from common.testing.memory import MemoryBucket

WRITES: Final = ("put", "put_if", "delete", "purge_versions")
DEATHS: Final = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)


class Call(NamedTuple):
    """One call of the bucket; a `list` and a `purge_versions` have a prefix as their key."""

    operation: str
    key: str

    @property
    def writes(self) -> bool:
        return self.operation in WRITES


@dataclass(frozen=True)
class Step:
    """A place at which the work is struck: call number `turn`, counted from 0, and the fault that it meets there."""

    turn: int
    call: Call
    fault: Fault

    def __str__(self) -> str:
        return f"call {self.turn} ({self.call.operation} {self.call.key}): {self.fault.name}"


class Stepped(FaultyBucket):
    """Notes every call, and applies the fault of `step`.

    A process that was killed makes no further calls, not even those of its `finally` blocks.
    """

    def __init__(self, inner: Bucket, step: Step | None = None) -> None:
        super().__init__(inner)
        self.calls: list[Call] = []
        self._step = step
        self._dead = False

    @property
    def met(self) -> bool:
        """Whether the call of the fault was made."""
        return self._step is not None and len(self.calls) > self._step.turn

    def _fault(self, operation: str, key: str) -> Fault | None:
        with self._lock:
            if self._dead:
                raise ProcessKilled
            self.calls.append(Call(operation, key))
            if self._step is None or len(self.calls) - 1 != self._step.turn:
                return None
            self._dead = self._step.fault in DEATHS
            return self._step.fault


@dataclass(frozen=True)
class State:
    """What a process leaves in the bucket that dies after `step`."""

    step: Step
    bucket: MemoryBucket


class Recorded(Stepped):
    """Keeps the bucket as it was before the first call and after each write: these are all the states in which the
    death of the process can leave it."""

    def __init__(self, inner: MemoryBucket) -> None:
        super().__init__(inner)
        self.states = [State(Step(0, Call("", ""), Fault.CRASH_BEFORE), inner.copy())]
        self._memory = inner

    def _under(self, fault: Fault | None, work: Callable[[], T]) -> T:
        with self._lock:
            result = super()._under(fault, work)
            turn, call = len(self.calls) - 1, self.calls[-1]
            if call.writes:
                self.states.append(State(Step(turn, call, Fault.CRASH_AFTER), self._memory.copy()))
            return result


def states_of(bucket: MemoryBucket, work: Callable[[Bucket], object]) -> list[State]:
    """Does the work once, and returns every state of the bucket in which it can die."""
    recorded = Recorded(bucket)
    work(recorded)
    return recorded.states


def steps_of(calls: list[Call]) -> Iterator[Step]:
    """Where the work can be struck: before the first call, after each one, and by the lost answer of each write.

    A death before a call is the same as one after the call before it."""
    for turn, call in enumerate(calls):
        if turn == 0:
            yield Step(turn, call, Fault.CRASH_BEFORE)
        yield Step(turn, call, Fault.CRASH_AFTER)
        if call.writes:
            yield Step(turn, call, Fault.LOST_ANSWER)


def calls_of(bucket: Bucket, work: Callable[[Bucket], object]) -> list[Call]:
    """The calls of the work when nothing happens."""
    stepped = Stepped(bucket)
    work(stepped)
    return stepped.calls


def is_struck(bucket: Bucket, work: Callable[[Bucket], object], step: Step) -> bool:
    """Does the work, struck at the step. False if it did not get that far."""
    stepped = Stepped(bucket, step)
    try:
        work(stepped)
    except (ProcessKilled, UnavailableError):
        return True
    return stepped.met
