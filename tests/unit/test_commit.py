"""The commit loop, fault by fault. `tests/property/test_commit.py` looks for what is not thought of here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from threading import Barrier, get_ident

import pytest

from common.bucket import commit as commits
from common.bucket.commit import LONGEST_S, NewFile, Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.bucket.port import Blob, Conflict
from common.errors import BucketUnavailable, CommitContention, CorruptError
from common.schemas.documents import MAX_COMMITS, StoreDocument
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, Rule
from common.testing.memory import MemoryBucket

KEY = "store/current.json"
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
Change = Callable[[Snapshot[StoreDocument]], Proposal | None]


@dataclass
class Observed(FaultyBucket):
    """Calls `on_read` before each read; `puts` are the keys of the files that were put."""

    on_read: Callable[[], None] = lambda: None
    puts: list[str] = field(default_factory=list)

    def get(self, key: str) -> Blob | None:
        self.on_read()
        return super().get(key)

    def put(self, key: str, data: bytes | Path) -> str:
        self.puts.append(key)
        return super().put(key, data)


class Writer:
    """One writer of a store's document, whose clock moves when it waits; `pauses` are the seconds it waited."""

    def __init__(self, *rules: Rule) -> None:
        self.chain = MemoryBucket()
        self.store = Observed(self.chain, list(rules))
        self.current = CurrentFile(self.store, KEY, StoreDocument)
        self.time = 0.0
        self.pauses: list[float] = []
        self.on_pause: Callable[[], None] = lambda: None

    def commit(self, change: Change, deadline_s: float = 30.0) -> StoreDocument | None:
        return commit(
            self.current,
            change,
            now=lambda: START + timedelta(seconds=self.time),
            deadline_s=deadline_s,
            rng=Random(1),
            clock=lambda: self.time,
            sleep=self._sleep,
        )

    def before_read(self, number: int, action: Callable[[], object]) -> None:
        """Calls `action` before the store's read of that number, counted from 1."""
        reads = count(1)

        def on_read() -> None:
            if next(reads) == number:
                action()

        self.store.on_read = on_read

    def overtake(self, times: int = 1) -> None:
        """Another writer commits, undisturbed."""
        for _ in range(times):
            commit(CurrentFile(self.chain, KEY, StoreDocument), count_up, now=lambda: START)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds
        self.pauses.append(seconds)
        self.on_pause()

    @property
    def document(self) -> StoreDocument:
        document = CurrentFile(self.chain, KEY, StoreDocument).read().document
        assert document is not None
        return document


def count_up(snapshot: Snapshot[StoreDocument]) -> Proposal:
    """A change that counts each of its landings: `next_seq` starts at 1."""
    return Proposal({"next_seq": (snapshot.document.next_seq if snapshot.document else 1) + 1})


def with_file(snapshot: Snapshot[StoreDocument]) -> Proposal:
    return Proposal(count_up(snapshot).fields, (NewFile("store/delta-1", b"content"),))


def test_the_first_commit_creates_the_document() -> None:
    writer = Writer()
    document = writer.commit(with_file)
    assert document == writer.document
    assert document.commits == (document.commit_id,)
    assert document.committed_at == START
    assert document.commit_id.startswith(f"{START:%Y%m%dT%H%M%SZ}-")
    assert writer.chain.head("store/delta-1") is not None


def test_nothing_to_do_leaves_the_document_as_it_is() -> None:
    writer = Writer()
    assert writer.commit(lambda _: None) is None
    first = writer.commit(count_up)
    assert writer.commit(lambda _: None) == first


def test_files_are_there_before_the_document() -> None:
    writer = Writer(Rule("put_if", Fault.CRASH_BEFORE))
    with pytest.raises(ProcessKilled):
        writer.commit(with_file)
    assert [info.key for info in writer.chain.list("")] == ["store/delta-1"]


def test_a_conflict_applies_the_change_to_the_new_version() -> None:
    writer, seen = Writer(), []

    def overtaken(snapshot: Snapshot[StoreDocument]) -> Proposal:
        seen.append(snapshot.document.next_seq if snapshot.document else 1)
        if len(seen) < 3:
            writer.overtake()
        return with_file(snapshot)

    writer.commit(overtaken)
    assert seen == [1, 2, 3]
    assert writer.document.next_seq == 4
    assert len(set(writer.document.commits)) == 3


def test_a_file_is_put_once_a_commit_and_again_by_the_next() -> None:
    writer = Writer()
    puts = writer.store.puts
    writer.chain.now = lambda: START + timedelta(seconds=len(puts))

    def overtaken_once(snapshot: Snapshot[StoreDocument]) -> Proposal:
        if not puts:
            writer.overtake()
        return with_file(snapshot)

    writer.commit(overtaken_once)
    assert puts == ["store/delta-1"]
    writer.commit(with_file)
    assert puts == ["store/delta-1"] * 2


@pytest.mark.parametrize("fault", [Fault.FAIL_BEFORE, Fault.LOST_ANSWER, Fault.LATE])
@pytest.mark.parametrize("operation", ["get", "put", "put_if"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_change_lands_once_whatever_is_lost(operation: str, fault: Fault, times: int) -> None:
    writer = Writer(Rule(operation, fault, times=times))
    document = writer.commit(with_file)
    while writer.store.late_writes:
        writer.store.deliver()
    assert writer.document == document
    assert writer.document.next_seq == 2
    assert writer.chain.head("store/delta-1") is not None


def test_a_late_write_that_lands_after_the_look_back_is_known_as_its_own() -> None:
    """The second PUT is refused, and by nobody but the first."""
    writer = Writer(Rule("put_if", Fault.LATE))
    writer.on_pause = writer.store.deliver
    document = writer.commit(count_up)
    assert writer.document == document
    assert writer.document.next_seq == 2


def test_a_write_whose_answer_was_lost_is_found_under_later_commits() -> None:
    writer = Writer(Rule("put_if", Fault.LOST_ANSWER))
    writer.before_read(2, lambda: writer.overtake(3))
    document = writer.commit(count_up)
    assert document is not None
    assert document.commit_id in writer.document.commits
    assert document.next_seq == 2
    assert writer.document.next_seq == 5


def test_contention_until_the_deadline_is_said_and_true() -> None:
    writer = Writer()

    def always_overtaken(snapshot: Snapshot[StoreDocument]) -> Proposal:
        writer.overtake()
        return Proposal({"next_seq": 999})

    with pytest.raises(CommitContention, match=KEY):
        writer.commit(always_overtaken, deadline_s=5)
    assert writer.time <= 5
    assert writer.document.next_seq < 999


def test_an_outcome_that_stays_unknown_is_called_so() -> None:
    writer = Writer(Rule("put_if", Fault.LATE, times=1000))
    with pytest.raises(BucketUnavailable, match=f"not known whether the commit to {KEY} succeeded") as caught:
        writer.commit(count_up, deadline_s=5)
    assert caught.value.details == {"key": KEY, "outcome": "unknown"}
    writer.store.deliver()
    assert writer.document.next_seq == 2


def test_a_store_that_never_answers_is_unavailable_and_nothing_is_unknown() -> None:
    writer = Writer(Rule("get", Fault.FAIL_BEFORE, times=1000))
    with pytest.raises(BucketUnavailable) as caught:
        writer.commit(count_up, deadline_s=5)
    assert "outcome" not in caught.value.details
    assert 4 < writer.time <= 5


def test_a_look_back_that_is_never_answered_leaves_the_outcome_unknown() -> None:
    writer = Writer(Rule("put_if", Fault.LOST_ANSWER))
    writer.before_read(2, lambda: writer.store.script.append(Rule("get", Fault.FAIL_BEFORE, times=1000)))
    with pytest.raises(BucketUnavailable) as caught:
        writer.commit(count_up, deadline_s=5)
    assert caught.value.details["outcome"] == "unknown"


def test_a_chain_that_no_longer_reaches_back_leaves_a_lost_answer_unknown() -> None:
    """As when somebody restores an old document by hand."""
    writer = Writer()
    writer.commit(count_up)
    writer.store.script.append(Rule("put_if", Fault.LOST_ANSWER))
    restored = StoreDocument(commit_id="restored", commits=("restored",), committed_at=START)
    writer.before_read(2, lambda: writer.chain.put(KEY, restored.model_dump_json().encode()))
    with pytest.raises(BucketUnavailable) as caught:
        writer.commit(count_up)
    assert caught.value.details["outcome"] == "unknown"


def test_no_document_refers_to_files_that_were_put_too_long_ago() -> None:
    writer = Writer()

    def slow(snapshot: Snapshot[StoreDocument]) -> Proposal:
        writer.time += LONGEST_S + 1
        return with_file(snapshot)

    with pytest.raises(CommitContention, match="took over"):
        writer.commit(slow)
    assert writer.chain.head(KEY) is None


def test_pauses_are_random_and_grow_under_the_deadline() -> None:
    writer, again = (Writer(Rule("put_if", Fault.FAIL_BEFORE, times=1000)) for _ in range(2))
    for one in (writer, again):
        with pytest.raises(BucketUnavailable):
            one.commit(count_up, deadline_s=60)
    assert again.pauses == writer.pauses
    assert len(set(writer.pauses)) == len(writer.pauses)
    assert max(writer.pauses[:3]) < 0.1 < max(writer.pauses) <= 2.0
    assert 55 < writer.time <= 60


def test_the_newest_commit_ids_are_kept() -> None:
    writer = Writer()
    documents = [writer.commit(count_up) for _ in range(MAX_COMMITS + 3)]
    ids = [document.commit_id for document in documents if document]
    assert writer.document.commits == tuple(ids[3:])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a current document"),
        (b"[]", "not a current document"),
        (b'{"format_version": 1', "not a current document"),
        (b'{"format_version": 2}', "format version 2"),
        (b'{"format_version": 1}', "damaged"),
        (b'{"format_version": 1, "commit_id": "a", "committed_at": "2026-11-23T12:00:00Z", "odd": 1}', "damaged"),
    ],
)
def test_what_is_no_document_is_never_written_over(data: bytes, problem: str) -> None:
    writer = Writer()
    writer.chain.put(KEY, data)
    with pytest.raises(CorruptError, match=problem):
        writer.commit(count_up)
    blob = writer.chain.get(KEY)
    assert blob is not None
    assert blob.data == data


class _Wide(MemoryBucket):
    """Each file's PUT waits for a second one to be under way; `files_before` counts them at each commit."""

    at_once = 2

    def __init__(self) -> None:
        super().__init__()
        self.meeting = Barrier(2, timeout=20)
        self.files_before: list[int] = []
        self.threads: set[int] = set()

    def put(self, key: str, data: bytes | Path) -> str:
        if key != KEY:
            self.threads.add(get_ident())
            self.meeting.wait()
        return super().put(key, data)

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        self.files_before.append(len(list(self.list("store/file-"))))
        return super().put_if(key, data, expect)


def test_files_go_up_at_once_where_the_bucket_gains_by_it_and_before_the_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widths: list[int] = []

    def noted(width: int) -> ThreadPoolExecutor:
        widths.append(width)
        return ThreadPoolExecutor(width)

    monkeypatch.setattr(commits, "ThreadPoolExecutor", noted)
    bucket = _Wide()
    files = tuple(NewFile(f"store/file-{number}", b"x") for number in range(6))
    assert commit(CurrentFile(bucket, KEY, StoreDocument), lambda _: Proposal({}, files), now=lambda: START) is not None
    assert bucket.files_before == [6]
    assert len(bucket.threads) == bucket.at_once
    assert widths == [bucket.at_once]
