"""Writers let an erasure pass, and a dead erasure holds nobody up for longer than its lease."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from common.bucket import commit as commits
from common.bucket.commit import Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.bucket.precedence import LEASE_S, LONGEST_YIELD_S, Precedence, let_erasure_pass
from common.schemas.documents import StoreDocument
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, Rule
from common.testing.memory import MemoryBucket
from common.usecases.shared.context import utc_now
from tests.unit.test_commit import count_up

KEY = "erasures/under-way"


class Clock:
    """Seconds that pass only in `sleep`; what is planned for a moment from now happens when it comes."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._plan: list[tuple[float, Callable[[], object]]] = []

    def at(self, second: float, action: Callable[[], object]) -> None:
        self._plan.append((self.now + second, action))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for entry in [entry for entry in self._plan if entry[0] <= self.now]:
            self._plan.remove(entry)
            entry[1]()


def waited(bucket: MemoryBucket | FaultyBucket, clock: Clock, longest_s: float = LONGEST_YIELD_S) -> float:
    return let_erasure_pass(bucket, KEY, longest_s, lambda: clock.now, clock.sleep)


def end_with(erasure: Precedence, error: BaseException) -> None:
    with erasure:
        erasure.claim()
        raise error


def test_without_an_erasure_nobody_waits() -> None:
    assert waited(MemoryBucket(), Clock()) == 0


def test_a_writer_waits_until_the_erasure_has_ended() -> None:
    bucket, clock = MemoryBucket(), Clock()
    erasure = Precedence(bucket, KEY)
    erasure.claim()
    clock.at(7, lambda: erasure.__exit__(None, None, None))
    assert waited(bucket, clock) == pytest.approx(7, abs=0.2)
    assert bucket.head(KEY) is None


def test_an_erasure_that_renews_its_mark_is_let_pass_for_longer_than_a_lease_but_not_for_ever() -> None:
    bucket, clock = MemoryBucket(), Clock()
    erasure = Precedence(bucket, KEY)
    erasure.claim()
    for second in range(20, 1_000, 20):
        clock.at(second, erasure.claim)
    assert waited(bucket, clock) == pytest.approx(LONGEST_YIELD_S, abs=0.2)
    assert bucket.head(KEY) is not None


@pytest.mark.parametrize("days", [-1, 1])
def test_the_mark_of_a_dead_erasure_ends_by_durations_whatever_the_clocks_say(days: int) -> None:
    bucket, clock = MemoryBucket(lambda: datetime.now(UTC) + timedelta(days=days)), Clock()
    with pytest.raises(ProcessKilled):
        end_with(Precedence(bucket, KEY), ProcessKilled())
    assert bucket.head(KEY) is not None
    assert waited(bucket, clock) == pytest.approx(LEASE_S, abs=0.2)
    assert bucket.head(KEY) is None
    assert waited(bucket, clock) == 0


def test_an_erasure_that_fails_removes_its_mark_and_never_that_of_another() -> None:
    bucket = MemoryBucket()
    with pytest.raises(ValueError, match="failed"):
        end_with(Precedence(bucket, KEY), ValueError("failed"))
    assert bucket.head(KEY) is None
    with Precedence(bucket, KEY) as erasure:
        erasure.claim()
        Precedence(bucket, KEY).claim()
    assert bucket.head(KEY) is not None


def test_a_commit_begins_anew_after_the_erasure_that_it_has_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline does not run while it waits."""
    monkeypatch.setattr(commits, "LONGEST_YIELD_S", LONGEST_YIELD_S)
    bucket, clock = MemoryBucket(), Clock()
    current = CurrentFile(bucket, "store/current.json", StoreDocument, KEY)
    erasure = Precedence(bucket, KEY)
    erasure.claim()

    def erase() -> None:
        commit(current, lambda _: Proposal({"erasure": 1}), now=utc_now, precedence=erasure)
        erasure.__exit__(None, None, None)

    clock.at(40, erase)
    seen: list[int | None] = []

    def change(snapshot: Snapshot[StoreDocument]) -> Proposal:
        seen.append(snapshot.document.erasure if snapshot.document else None)
        return Proposal({**(snapshot.document.carried() if snapshot.document else {}), "next_seq": 2})

    document = commit(current, change, now=utc_now, deadline_s=30, clock=lambda: clock.now, sleep=clock.sleep)
    assert seen == [None, 1]
    assert document is not None
    assert (document.erasure, document.next_seq) == (1, 2)


def test_a_commit_is_patient_once_however_often_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that renews its mark for ever, and a writer that is quicker at the first try."""
    monkeypatch.setattr(commits, "LONGEST_YIELD_S", LONGEST_YIELD_S)
    bucket, clock = MemoryBucket(), Clock()
    current = CurrentFile(bucket, "store/current.json", StoreDocument, KEY)
    erasure = Precedence(bucket, KEY)
    erasure.claim()
    for second in range(20, 1_000, 20):
        clock.at(second, erasure.claim)
    clock.at(50, lambda: commit(CurrentFile(bucket, current.key, StoreDocument), count_up, now=utc_now))
    document = commit(current, count_up, now=utc_now, deadline_s=30, clock=lambda: clock.now, sleep=clock.sleep)
    assert document is not None
    assert document.next_seq == 3
    assert clock.now - 1_000 == pytest.approx(LONGEST_YIELD_S, abs=0.5)


def test_a_store_that_does_not_answer_holds_up_neither_side() -> None:
    bucket = FaultyBucket(MemoryBucket(), [Rule(name, Fault.FAIL_BEFORE, times=9) for name in ("get", "put")])
    with Precedence(bucket, KEY) as erasure:
        erasure.claim()
    assert waited(bucket, Clock()) == 0
