"""Erasures beside writers that commit to both documents without a pause: each of them wins within a few tries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from common.bucket import commit as commits
from common.bucket.commit import Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.bucket.precedence import LONGEST_YIELD_S
from common.errors import CommitContention
from common.schemas.documents import CurrentDocument
from common.testing.faults import FaultyBucket
from common.usecases.erase.erase import erase
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.shops import Event
from tests.stored import add_batch, fit, publish
from tests.trust.accounts import Account
from tests.usecases.test_update import EVENTS, ITEMS

D = TypeVar("D", bound=CurrentDocument)
ERASURES = 20
WRITERS_EACH = 3
MOST_TRIES = 8
"""Of both commits of an erasure together. A commit of the writers takes some 20 ms, a try of an erasure ten times that,
so that without precedence none of 20 erasures won. Who is past the look at the mark may still win."""


def carried(snapshot: Snapshot[D]) -> Proposal:
    """The next version with the same content, as if a tiny batch came."""
    assert snapshot.document is not None
    return Proposal(snapshot.document.carried())


@dataclass
class CountedTries(FaultyBucket):
    """Counts the tries of an erasure: each renews its mark."""

    tries: int = 0

    def put(self, key: str, data: bytes | Path) -> str:
        self.tries += key.endswith("erasures/under-way")
        return super().put(key, data)


@contextmanager
def writers(ctx: Context) -> Iterator[list[int]]:
    """Commits to both documents in a loop; the list has an entry for each commit."""
    commits: list[int] = []
    stop = threading.Event()

    def write(current: CurrentFile[D]) -> None:
        while not stop.is_set():
            try:
                commit(current, carried, now=ctx.now)
                commits.append(1)
            except CommitContention:
                continue

    files = [ctx.store_file, ctx.serving_file]
    threads = [threading.Thread(target=write, args=(file,)) for file in files for _ in range(WRITERS_EACH)]
    for thread in threads:
        thread.start()
    try:
        yield commits
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.s3
@pytest.mark.slow(lane="trust")
def test_every_erasure_wins_within_a_few_tries(
    context: Context, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "LONGEST_YIELD_S", LONGEST_YIELD_S)
    add_batch(context, EVENTS, ITEMS)
    artifact = fit(context)
    publish(context, *artifact)
    publish(context, *artifact)
    add_batch(context, [Event("u01", "shoe1", 20), Event("u02", "tea1", 20)])
    update(context)
    tries: list[int] = []
    with writers(context) as landed:
        for number in range(ERASURES):
            counted = CountedTries(context.bucket)
            receipt = erase(replace(context, bucket=counted), [f"u{number:02}"])
            assert receipt.counts["people_named"] == 1
            tries.append(counted.tries)
        account(erasures=len(tries), tries=sum(tries), commits_beside_them=len(landed))
        before = len(landed)
        wait_for(lambda: len(landed) > before + 10)
    assert max(tries) <= MOST_TRIES


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "the writers do not go on"
        time.sleep(0.05)
