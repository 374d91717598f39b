"""What becomes of a shop after its work was struck: it is taken up again, and the books are made.

Steps are worked off by as many processes as the machine has cores.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from common.bucket.port import Blob
from common.cpus import usable_cpus
from common.testing.memory import MemoryBucket
from tests.erika import ERIKA, history_of
from tests.traces import traces_of
from tests.trust.ledger import Books, books, orphans
from tests.trust.steps import State, Step, is_struck
from tests.trust.works import Work, work_named


@dataclass(frozen=True)
class Aftermath:
    """`left` are objects that nothing names, and places at which an erased person can still be found."""

    books: Books
    left: list[str]


@contextmanager
def machine() -> Iterator[Path]:
    """The disk of a machine: in memory where there is such a place, since thousands of files are synced to it."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


def undisturbed(work: Work) -> Aftermath:
    with machine() as directory:
        bucket = work.start()
        work.on(directory)(bucket)
        return _taken_up(work, bucket, directory)


@contextmanager
def workers() -> Iterator[Executor]:
    # Not forked: a process that has used DuckDB or Faiss has threads, which a fork would lack.
    with ProcessPoolExecutor(usable_cpus(), multiprocessing.get_context("spawn")) as pool:
        yield pool


def after_states(pool: Executor, work: Work, states: Sequence[State]) -> Iterator[Aftermath]:
    """In the order of the states; each is taken up on another machine."""
    # The objects alone, since a bucket has a lock, which stays in its process.
    return pool.map(partial(after_state, work.name), [state.bucket._objects for state in states])


def after_steps(pool: Executor, work: Work, steps: Sequence[Step]) -> Iterator[Aftermath | None]:
    """In the order of the steps; each is taken up on the same machine. None if the work did not get to a step."""
    return pool.map(partial(_after_step, work.name), steps)


def after_state(name: str, objects: dict[str, Blob]) -> Aftermath:
    with machine() as directory:
        return _taken_up(work_named(name), MemoryBucket(_objects=objects), directory)


def _after_step(name: str, step: Step) -> Aftermath | None:
    work = work_named(name)
    bucket = work.start()
    with machine() as directory:
        if not is_struck(bucket, work.on(directory), step):
            return None
        return _taken_up(work, bucket, directory)


def _taken_up(work: Work, bucket: MemoryBucket, directory: Path) -> Aftermath:
    work.again(work.context(directory, bucket))
    with machine() as elsewhere:
        ctx = work.context(elsewhere, bucket)
        left = orphans(ctx)
        if work.forgets:
            left += traces_of(ctx, ERIKA, list(_history(work.name)), elsewhere)
        # Afterwards, so that what the sweep should have left is missed.
        return Aftermath(books(ctx), left)


@cache
def _history(name: str) -> tuple[int, ...]:
    """Of `ERIKA`, as it is served when the work begins."""
    work = work_named(name)
    with machine() as directory:
        return tuple(history_of(work.context(directory, work.start()), ERIKA))
